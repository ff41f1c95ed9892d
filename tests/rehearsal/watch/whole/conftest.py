"""The whole platform as `make run` deploys it, every component of every stage, in one process with its Airflow."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.reports import ReportsHook
from slipway.model.report import AnyBody, Report

from rehearsal.cloud import Cloud

ROOT = Path(__file__).resolve().parents[4]
SPEED = "1200"
DAGS = ("platform_deploy", "platform_health", "platform_nightly_cost", "platform_nightly_scale")


class Whole:
    """The cloud, and the DAGs as Airflow runs them."""

    def __init__(self, dags: dict[str, Any], pages: Path) -> None:
        self.dags = dags
        self.pages = pages

    def run(self, dag_id: str, **conf: Any) -> tuple[str, dict[str, str]]:
        """Run a DAG to its end: its state, and its tasks'."""
        run = self.dags[dag_id].test(run_conf=conf)
        states = {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in run.get_task_instances()
        }
        return str(run.state), states

    def report(self, kind: str) -> Report[AnyBody]:
        """The newest report of a kind; its page is kept for whoever wants to read it."""
        platform = load_platform("dev")
        found: Report[AnyBody] | None = ReportsHook(platform).latest(kind)
        assert found is not None, kind
        page = boto3.client("s3").get_object(Bucket=platform.bucket, Key=found.markdown_key)["Body"].read()
        (self.pages / f"{kind}.md").write_bytes(page)
        return found


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One cloud and one Airflow, with everything deployed."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    # On a busy machine a file's first import, which is Airflow's, takes longer than the thirty seconds it is given.
    patch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "300")
    patch.delenv(paths.VARIABLE, raising=False)
    paths.include_dir.cache_clear()
    logging.getLogger("airflow").setLevel(logging.WARNING)
    pages = Path(os.environ.get("SLIPWAY_PAGES") or tmp_path_factory.mktemp("pages"))
    state = tmp_path_factory.mktemp("cloud")
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=state, speed=float(SPEED)) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        folder = tmp_path_factory.mktemp("dags")
        for name in DAGS:
            shutil.copy(ROOT / "dags" / f"{name}.py", folder)
        bag = DagBag(str(folder))
        assert not bag.import_errors
        sync_bag_to_db(bag, "dags-folder", None)
        made = Whole(dict(bag.dags), pages)
        found, states = made.run("platform_deploy", environment="dev")
        assert found == "success", {task: one for task, one in states.items() if one not in {"success", "skipped"}}
        yield made
    aws._client.cache_clear()
    patch.undo()
    paths.include_dir.cache_clear()
