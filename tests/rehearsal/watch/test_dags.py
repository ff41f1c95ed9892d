"""The real DAGs, run by Airflow on the rehearsal cloud."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from slipway.hooks.reports import ReportsHook
from slipway.model.health import HealthBody

from tests.rehearsal.watch.conftest import ROOT, Watched, thorough

# Airflow lists plugin files with a class that its own dependency calls old.
pytestmark = [thorough, pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")]


@pytest.fixture(scope="module")
def dags(watched: Watched) -> dict[str, Any]:
    """The DAGs in Airflow's database."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    logging.getLogger("airflow").setLevel(logging.WARNING)
    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(ROOT / "dags"))
    mine = {name: dag for name, dag in bag.dags.items() if name in {"platform_health", "platform_nightly_scale"}}
    assert len(mine) == 2, bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    return mine


def states(run: Any) -> dict[str, str]:
    return {
        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
        for ti in run.get_task_instances()
    }


def test_healthy_runs_stay_quiet(watched: Watched, dags: dict[str, Any]) -> None:
    for _ in range(6):
        run = dags["platform_health"].test(run_conf={})
        found = states(run)
        assert str(run.state) == "success", found
        assert found["watch[0]"] == "success"
        # Nothing to mend, no channel to tell.
        assert (found["runbooks[0]"], found["tell[0]"]) == ("skipped", "skipped")
        report = ReportsHook(watched.platform).latest("health", HealthBody)
        assert report is not None
        assert (report.run_id, report.verdict) == (run.run_id, "Healthy")


def test_fault_is_found_and_explained(watched: Watched, dags: dict[str, Any]) -> None:
    with watched.fault("crash-loop", workload="kafka"):
        run = dags["platform_health"].test(run_conf={})
    found = states(run)
    assert (found["watch[0]"], found["runbooks[0]"]) == ("success", "success")
    report = ReportsHook(watched.platform).latest("health", HealthBody)
    assert report is not None
    assert report.verdict == "Degraded"
    assert ReportsHook(watched.platform).latest("runbook") is not None
    watched.until_running()


def test_nightly_scale(watched: Watched, dags: dict[str, Any]) -> None:
    run = dags["platform_nightly_scale"].test(run_conf={})
    assert str(run.state) == "success", states(run)
    report = ReportsHook(watched.platform).latest("scale")
    assert report is not None
    assert report.run_id == run.run_id
