"""The nightly judgement of a platform's size on the rehearsal cloud."""

from __future__ import annotations

from typing import Any

import boto3
from slipway.hooks.reports import ReportsHook
from slipway.model.report import Report
from slipway.model.scale import Advice, ScaleBody
from slipway.operators.scale import ScaleOperator

from tests.rehearsal.watch.conftest import MEMBER, Watched, call, thorough


def judged(watched: Watched) -> Report[ScaleBody]:
    watched.run(ScaleOperator(task_id="judge_size", member=MEMBER))
    report = ReportsHook(watched.platform).latest("scale", ScaleBody)
    assert report is not None
    return report


def desired() -> int:
    group = boto3.client("eks").describe_nodegroup(clusterName="slipway-dev", nodegroupName="primary")["nodegroup"]
    return int(group["scalingConfig"]["desiredSize"])


def test_report_of_a_quiet_platform_changes_nothing(watched: Watched) -> None:
    stats = f"{watched.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/stats"
    before = call("GET", stats)["calls"]
    report = judged(watched)
    after = call("GET", stats)["calls"]
    (group,) = report.body.groups
    assert (group.name, group.pool, group.nodes) == ("primary", "primary", 3)
    assert group.cpu_day is not None
    assert 0 < group.cpu_day < 0.7
    assert group.memory_week is not None
    assert 0 < group.cpu_requested < 1
    # Every pool's requests and pods, addresses, quota and volumes are looked ahead at.
    assert {one.what for one in report.body.forecasts} >= {"cpu requests", "memory requests", "pods", "volume"}
    assert all(one.history_days >= 28 for one in report.body.forecasts)
    assert any(one.current for one in report.body.fleets)
    changed = [name for name in after if after[name]["mutating"] and after[name] != before.get(name)]
    assert changed == ["s3.PutObject"]


@thorough
def test_pending_pods_grow_the_group_once_a_day_at_most(watched: Watched, described: Any) -> None:
    before = desired()
    with watched.fault("pods-pending", namespace="default", cpu="1500m", count=8):
        (suggested,) = [one for one in judged(watched).body.recommendations if one.advice is Advice.MORE_CAPACITY]
        assert "suggested: policies.scale is suggest" in suggested.outcome
        assert desired() == before
        described(policies={"scale": "auto"})
        (applied,) = [one for one in judged(watched).body.recommendations if one.advice is Advice.MORE_CAPACITY]
        assert applied.outcome.startswith("applied"), applied.outcome
        assert applied.resize is not None
        # Eight of them fill eight nodes; the group's max allows five.
        assert (applied.resize.before, applied.resize.after) == (before, 5)
        eks = boto3.client("eks")
        eks.get_waiter("nodegroup_active").wait(
            clusterName="slipway-dev", nodegroupName="primary", WaiterConfig={"Delay": 0.2}
        )
        assert desired() == 5
        (again,) = [one for one in judged(watched).body.recommendations if one.advice is Advice.MORE_CAPACITY]
        assert again.resize is None, "there is no room left, and it says so"
        assert desired() == 5
    eks.update_nodegroup_config(
        clusterName="slipway-dev", nodegroupName="primary", scalingConfig={"desiredSize": before}
    )
    eks.get_waiter("nodegroup_active").wait(
        clusterName="slipway-dev", nodegroupName="primary", WaiterConfig={"Delay": 0.2}
    )


@thorough
def test_without_prometheus_the_rest_stands(watched: Watched) -> None:
    with watched.fault("prometheus-gone"):
        report = judged(watched)
    assert "utilisation over a day and a week, forecasts" in {part.part for part in report.missing}
    (group,) = report.body.groups
    assert group.cpu_day is None
    assert group.cpu_requested > 0
    assert report.body.fleets
