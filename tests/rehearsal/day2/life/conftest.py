"""The real DAGs on the rehearsal cloud, with two small components, so that a whole life takes minutes."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog import paths

from rehearsal.cloud import Cloud
from tests.rehearsal.deploy.conftest import Run, Stack

ROOT = Path(__file__).resolve().parents[4]
SPEED = "1200"


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
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        yield Life(cloud, include)
    patch.undo()
    paths.include_dir.cache_clear()
