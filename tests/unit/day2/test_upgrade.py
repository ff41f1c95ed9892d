"""Every reason that blocks an upgrade blocks it by itself, and a ready cluster has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.upgrade import (
    Obstacle,
    Reason,
    UpgradeFacts,
    minor,
    next_version,
    readiness,
    window_closes,
)
from slipway.model.facts import VersionFacts

NOW = datetime(2026, 11, 22, tzinfo=UTC)
YEAR = timedelta(days=365)


def offered(*versions: str, standard: datetime = NOW + YEAR) -> dict[str, VersionFacts]:
    return {one: VersionFacts(one, standard, standard + YEAR) for one in versions}


READY = UpgradeFacts(
    cluster={"version": "1.35", "status": "ACTIVE", "upgradePolicy": {"supportType": "STANDARD"}},
    offered=offered("1.34", "1.35", "1.36"),
    addons={"coredns": ("v1.11.0", ["v1.12.0"])},
    nodegroups=[{"nodegroupName": "primary", "status": "ACTIVE", "version": "1.35"}],
    kubelets={"a": "v1.35.2-eks-1"},
    budgets=[{"metadata": {"name": "b", "namespace": "n"}, "status": {"expectedPods": 3, "disruptionsAllowed": 1}}],
    subnets={"subnet-1": 200},
)


def insight(status: str, last: datetime | None = None) -> dict[str, Any]:
    stats = [{"userAgent": "old", "lastRequestTime": last}] if last else []
    return {
        "name": "Deprecated APIs",
        "insightStatus": {"status": status, "reason": "Calls to removed APIs"},
        "categorySpecificSummary": {"deprecationDetails": [{"clientStats": stats}]},
    }


OLD_HPA = {"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
FULL_BUDGET = {
    "metadata": {"name": "kafka", "namespace": "streaming"},
    "status": {"expectedPods": 3, "currentHealthy": 3, "desiredHealthy": 3, "disruptionsAllowed": 0},
}
BLOCKED: dict[Reason, UpgradeFacts] = {
    Reason.NOT_OFFERED: replace(READY, offered=offered("1.35")),
    Reason.NOT_NEXT: replace(READY, cluster={**READY.cluster, "version": "1.34"}),
    Reason.BUSY: replace(READY, cluster={**READY.cluster, "status": "UPDATING"}),
    Reason.UNHEALTHY: replace(READY, cluster={**READY.cluster, "health": {"issues": [{"code": "Ec2SubnetNotFound"}]}}),
    Reason.INSIGHT: replace(READY, insights=[insight("ERROR", NOW)]),
    Reason.REMOVED_API_IN_GIT: replace(READY, in_git=[OLD_HPA]),
    Reason.REMOVED_API_LIVE: replace(READY, live=[ObjectRef.of(OLD_HPA)]),
    Reason.ADDON: replace(READY, addons={"coredns": ("v1.11.0", [])}),
    Reason.SKEW: replace(READY, kubelets={"a": "v1.32.0"}),
    Reason.NODE_GROUP: replace(
        READY, nodegroups=[{"nodegroupName": "primary", "status": "DEGRADED", "version": "1.35"}]
    ),
    Reason.DISRUPTION_BUDGET: replace(READY, budgets=[FULL_BUDGET]),
    Reason.ADDRESSES: replace(READY, subnets={"subnet-1": 4}),
    Reason.SUPPORT: replace(READY, offered=offered("1.35", "1.36", standard=NOW - timedelta(days=1))),
    Reason.NOT_READY: replace(READY, unready={"kafka": "1 of 3 pods is ready"}),
    Reason.UNKNOWN: replace(READY, unread={"Kubernetes API": "does not answer"}),
}


def blocking(facts: UpgradeFacts) -> list[Obstacle]:
    return [one for one in readiness(facts, "1.36", NOW) if one.blocks]


def test_a_ready_cluster_has_no_obstacle() -> None:
    assert readiness(READY, "1.36", NOW) == []


def test_every_reason_is_tried() -> None:
    assert set(BLOCKED) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_blocks_alone_and_says_how_to_mend_it(reason: Reason) -> None:
    found = blocking(BLOCKED[reason])
    assert {one.reason for one in found} == {reason}
    assert all(one.mend and one.found for one in found)


def test_node_groups_too_far_behind_block() -> None:
    facts = replace(READY, nodegroups=[{"nodegroupName": "old", "status": "ACTIVE", "version": "1.32"}])
    assert [one.subject for one in blocking(facts)] == ["node group old"]


def test_a_removed_api_that_nobody_calls_any_more_is_a_warning() -> None:
    facts = replace(READY, insights=[insight("ERROR", NOW - timedelta(days=9)), insight("WARNING")])
    found = readiness(facts, "1.36", NOW)
    assert [one.blocks for one in found] == [False, False]


def test_support_that_ends_soon_is_a_warning() -> None:
    facts = replace(READY, offered=offered("1.35", "1.36", standard=NOW + timedelta(days=30)))
    assert [one.reason for one in readiness(facts, "1.36", NOW)] == [Reason.SUPPORT]
    assert blocking(facts) == []


def test_a_budget_without_pods_hinders_nothing() -> None:
    empty = {"metadata": {"name": "b", "namespace": "n"}, "status": {"expectedPods": 0, "disruptionsAllowed": 0}}
    assert blocking(replace(READY, budgets=[empty])) == []


def test_versions_and_window() -> None:
    assert next_version("1.35") == "1.36"
    assert minor("v1.36.3-eks-1") == 36
    with pytest.raises(ValueError, match="no Kubernetes version"):
        minor("latest")
    assert window_closes(NOW) == NOW + timedelta(days=7)
