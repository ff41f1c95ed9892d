"""Health, cost and size of the whole platform: what a user sees after `make run`, without a false alarm.

``SLIPWAY_PAGES=<folder>`` keeps the reports' pages, to be read.
"""

from __future__ import annotations

from typing import Any

import pytest
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform

from tests.rehearsal.watch.conftest import thorough
from tests.rehearsal.watch.whole.conftest import Whole

pytestmark = [
    thorough,
    pytest.mark.timeout(900),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


def body(found: Any) -> Any:
    return found.body.model_extra


def test_health_is_quiet_over_every_component(whole: Whole) -> None:
    turns = 0
    for _ in range(8):
        state, states = whole.run("platform_health")
        assert state == "success", states
        assert (states["checks[0]"], states["watch[0]"]) == ("success", "success")
        report = whole.report("health")
        assert report.verdict == "Healthy", body(report)["findings"]
        assert report.missing == []
        turns += (body(report)["checking"] or {"ran": 0})["ran"]
    checks = body(report)["checks"]
    disabled = load_platform("dev").environment.components.disabled
    light = [
        f"{one.name}/{check.name}"
        for one in load_components().values()
        for check in one.spec.checks
        if check.light and one.name not in disabled
    ]
    # Every light check had its turn: forty checks of five a run.
    assert sorted(f"{one['component']}/{one['check']}" for one in checks) == sorted(light)
    assert turns >= len(light)
    assert {one["state"] for one in checks} == {"passed", "skipped"}
    assert all(one["at"] for one in checks)
    assert body(report)["counts"]["workloads"] >= 40


def test_the_nightly_cost_names_its_components(whole: Whole) -> None:
    state, states = whole.run("platform_nightly_cost")
    assert state == "success", states
    report = whole.report("cost")
    assert report.missing == [], [str(one) for one in report.missing]
    allocation = body(report)["allocation"]
    named = {one["name"] for one in allocation["components"]}
    assert {"kafka", "mongodb", "hdfs", "spark", "airflow", "prometheus", "grafana"} <= named
    # At least nine tenths of the bill are explained by what stands there.
    assert body(report)["explained"]["explained_usd"] > 0.9 * body(report)["explained"]["billed_usd"]


def test_the_nightly_scale_has_facts_about_everything(whole: Whole) -> None:
    state, states = whole.run("platform_nightly_scale")
    assert state == "success", states
    report = whole.report("scale")
    assert report.missing == [], [str(one) for one in report.missing]
    assert body(report)["autoscaler"] is True
    assert {one["what"] for one in body(report)["forecasts"]} >= {
        "cpu requests", "memory requests", "pods", "subnet addresses", "vCPU quota", "volume"
    }  # fmt: skip
    assert not [one for one in body(report)["recommendations"] if one["outcome"].startswith("applied")]
