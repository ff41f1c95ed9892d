"""The real DAGs, run by Airflow on the rehearsal cloud."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.hooks.reports import ReportsHook
from slipway.model.health import HealthBody

from tests.rehearsal.watch.conftest import Watched, states, thorough

# Airflow lists plugin files with a class that its own dependency calls old.
pytestmark = [thorough, pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")]


@pytest.mark.timeout(900)
def test_healthy_runs_stay_quiet(watched: Watched, dags: dict[str, Any]) -> None:
    for _ in range(50):
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
