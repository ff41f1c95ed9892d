"""The real DAGs on the rehearsal cloud, with a few small components, so that a whole life takes minutes."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway.catalog import paths
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess

from rehearsal.cloud import Cloud
from tests.rehearsal.deploy.conftest import Run, Stack

ROOT = Path(__file__).resolve().parents[4]
SPEED = "1200"
KINDS = ROOT / "tests/rehearsal/day2/cluster/kinds.yaml"
FIRST_VERSION, NEXT_VERSION = "1.35", "1.36"


class Life(Stack):
    """A platform and its DAGs."""

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Run a DAG to its end."""
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bag = DagBag(str(ROOT / "dags" / f"{dag_id}.py"))
        assert not bag.import_errors
        sync_bag_to_db(bag, "dags-folder", None)
        run = bag.dags[dag_id].test(run_conf=conf)
        return self._collect(run)

    def version(self, version: str) -> None:
        """Write a Kubernetes version into the environment's file."""
        file = self.include / "environments" / "dev.yaml"
        content = yaml.safe_load(file.read_text())
        # What it says of components is of those that are not here.
        content.pop("components", None)
        content.setdefault("cluster", {})["version"] = version
        file.write_text(yaml.safe_dump(content))


def sample(folder: Path) -> None:
    """A component with an object of every kind that people edit by hand; the claim, which nothing binds, left out."""
    folder.mkdir(parents=True)
    items = [item for item in yaml.safe_load_all(KINDS.read_text()) if item["kind"] != "PersistentVolumeClaim"]
    (folder / "kinds.yaml").write_text(yaml.safe_dump_all(items))
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**kustomization, "resources": ["kinds.yaml"]}))
    spec = {"description": "One of every kind", "why": "Drift", "needs": ["storage-classes"], "namespace": "drift"}
    (folder / "component.yaml").write_text(yaml.safe_dump({**spec, "timeout": "5m", "stateful": False}))


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One cloud, one Airflow, one platform for all tests of this folder, which follow each other."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    include = tmp_path_factory.mktemp("project") / "include"
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include/manifests/base-services" / name, include / "manifests/base-services" / name)
    shutil.copytree(Path(__file__).parent / "manifests", include / "manifests", dirs_exist_ok=True)
    sample(include / "manifests" / "applications" / "sample")
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    patch.setenv(paths.VARIABLE, str(include))
    patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    paths.include_dir.cache_clear()
    logging.getLogger("airflow").setLevel(logging.WARNING)
    state = tmp_path_factory.mktemp("cloud")
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=state, speed=float(SPEED)) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        os.environ.pop("AWS_PROFILE", None)
        # Those of the cloud of another folder, whose tests ran in this process before.
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        made = Life(cloud, include)
        made.version(FIRST_VERSION)
        yield made
    patch.undo()
    paths.include_dir.cache_clear()
