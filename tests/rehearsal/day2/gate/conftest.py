"""The real deploy on the rehearsal cloud with three small components, one of which can be made to fail its check."""

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
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.reports import ReportsHook
from slipway.model.report import Report
from slipway.model.rollback import GateRollback

from rehearsal.cloud import Cloud
from tests.rehearsal.deploy.conftest import Stack

ROOT = Path(__file__).resolve().parents[4]
LIFE = Path(__file__).parents[1] / "life"
SPEED = "1200"


class Gate(Stack):
    """A platform whose stage data-layer may fail."""

    def policies(self, **policies: Any) -> None:
        """Set the environment's policies."""
        path = self.include / "environments/dev.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "policies": policies}))

    def edit(self, component: str, old: str, new: str) -> None:
        path = self.include / "manifests/data-layer" / component / f"{component}.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def add(self, component: str) -> None:
        """Add a component to the stage."""
        shutil.copytree(
            Path(__file__).parent / "manifests/data-layer" / component,
            self.include / "manifests/data-layer" / component,
        )

    def told(self) -> Report[GateRollback]:
        """The newest report of a rollback."""
        found = ReportsHook(load_platform("dev")).latest("gate-rollback", GateRollback)
        assert found is not None
        return found

    def has(self, what: str, namespace: str) -> bool:
        return bool(self.kubectl("get", what, "-n", namespace, "--ignore-not-found", "-o", "name").strip())


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """One cloud, one Airflow, one platform; the tests of this folder follow each other."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    include = tmp_path_factory.mktemp("gate") / "include"
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include/manifests/base-services" / name, include / "manifests/base-services" / name)
    shutil.copytree(LIFE / "manifests/data-layer/keeper", include / "manifests/data-layer/keeper")
    for file in (include / "environments").glob("*.yaml"):
        chosen = yaml.safe_load(file.read_text())
        chosen.pop("components", None)
        file.write_text(yaml.safe_dump(chosen))
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    patch.setenv(paths.VARIABLE, str(include))
    paths.include_dir.cache_clear()
    logging.getLogger("airflow").setLevel(logging.WARNING)
    state = tmp_path_factory.mktemp("cloud")
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=state, speed=float(SPEED)) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        os.environ.pop("AWS_PROFILE", None)
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        made = Gate(cloud, include)
        made.add("gentle")
        yield made
    patch.undo()
    # The next folder has a cloud of its own.
    paths.include_dir.cache_clear()
    aws._client.cache_clear()
    EksAccess._tokens.clear()
