"""Facts from a Kubernetes API that refuses, throttles, forgets and leaves things out: each part by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from slipway.catalog.environments import load_platform
from slipway.decisions.health import judge, verdict
from slipway.hooks import kubernetes_async
from slipway.hooks.health_cluster import ClusterFacts
from slipway.hooks.kubernetes_async import KubernetesApiError
from slipway.hooks.lease import LeaseHook
from slipway.model.health import Before, ControlPlaneFact, FindingKind, HealthFacts, HealthState, NodeGroupFact, Verdict
from slipway.model.lease import Lease
from slipway.operators.health import _leave_alone

from tests.unit.kubernetes.scripted import Scripted, api_for

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD = "2026-11-20T00:00:00Z"
LISTS = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/batch/v1/jobs",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/resourcequotas",
    "/api/v1/secrets",
)
DENIED = {"reason": "Forbidden", "message": 'pods is forbidden: User "slipway" cannot list resource "pods"'}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_async, "_backoff", lambda *_: 0.0)


def listed(*items: Any, following: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": following} if following else {}, "items": list(items)}


def node(name: str = "node-1", ready: str = "True") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": OLD, "labels": {"eks.amazonaws.com/nodegroup": "primary"}},
        "status": {"conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": OLD}]},
    }


def pod(name: str, phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "apps", "creationTimestamp": OLD},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase},
    }


def script(**answers: Any) -> Scripted:
    """Empty lists everywhere, but for the last part of a path that is given: its items, or status and body."""
    made = Scripted()
    for path in LISTS:
        given = answers.get(path.rsplit("/", 1)[-1], [])
        for one in given if isinstance(given, tuple) else (given,):
            status, body = one if isinstance(one, tuple) else (200, listed(*one))
            made.on("GET", path, status, body)
    return made


def gathered(made: Scripted) -> HealthFacts:
    facts = HealthFacts("dev", "us-east-1", control_plane=ControlPlaneFact("ACTIVE", "1.36"))

    async def gather() -> None:
        async with api_for(made) as api:
            await ClusterFacts(api, facts).gather()

    asyncio.run(gather())
    return facts


def test_an_empty_cluster_is_healthy() -> None:
    facts = gathered(script())
    assert (facts.counts["nodes"], facts.counts["pods"], facts.counts["workloads"]) == (0, 0, 0)
    assert facts.missing == []
    assert judge(facts, NOW, Before()) == []


def test_an_empty_cluster_that_should_have_nodes_is_down() -> None:
    facts = gathered(script())
    facts.node_groups = [NodeGroupFact("primary", "ACTIVE", 2, NOW - timedelta(days=1))]
    assert verdict(judge(facts, NOW, Before(desired={"primary": 2}))) is Verdict.DOWN


def test_a_list_that_is_refused_is_named_and_the_rest_is_judged() -> None:
    facts = gathered(script(pods=((403, DENIED),), nodes=[node(ready="False")]))
    (missing,) = facts.missing
    assert missing.part == "pods"
    assert 'cannot list resource "pods"' in missing.reason
    assert "pods" not in facts.counts, "what was not read is not counted as none"
    assert [one.kind for one in judge(facts, NOW, Before())] == [FindingKind.NODE_NOT_READY]


def test_throttling_is_waited_out() -> None:
    busy = (429, {"reason": "TooManyRequests", "message": "please try again"})
    made = script(pods=(busy, busy, (200, listed(pod("web"))), (200, listed(pod("web")))))
    facts = gathered(made)
    assert (facts.missing, facts.counts["pods"]) == ([], 1)
    assert len([path for path, _, _ in made.sent("GET") if path == "/api/v1/pods"]) == 3


def test_a_list_that_expires_midway_goes_on_from_the_start() -> None:
    expired = (410, {"reason": "Expired", "message": "The provided continue parameter is too old"})
    first = (200, listed(pod("a"), following="more"))
    made = script(pods=(first, expired, (200, listed(pod("a"), pod("b")))))
    facts = gathered(made)
    assert facts.missing == []
    # The page that came twice counts twice, rather than a pod not at all.
    assert facts.counts["pods"] == 3


def test_objects_with_parts_left_out_are_read() -> None:
    bare = {"metadata": {"name": "bare"}}
    facts = gathered(
        script(
            nodes=[{"metadata": {"name": "new-node"}}],
            pods=[{"metadata": {"name": "bare", "namespace": "apps"}, "spec": {"containers": []}, "status": {}}],
            deployments=[{"metadata": {"name": "web", "namespace": "apps"}, "spec": {}, "status": {}}],
            services=[{**bare, "spec": {}}],
            endpointslices=[{**bare, "endpoints": None}],
            jobs=[bare],
            resourcequotas=[bare],
            secrets=[
                {"metadata": {"name": "tls", "namespace": "apps"}, "data": {"tls.crt": "bm90IGEgY2VydGlmaWNhdGU="}}
            ],
        )
    )
    assert [one.part for one in facts.missing] == ["certificate in Secret apps/tls"]
    kinds = {one.kind for one in judge(facts, NOW, Before())}
    # A node without conditions is not ready; a pod without a date is older than five minutes.
    assert kinds == {FindingKind.NODE_NOT_READY, FindingKind.POD_PENDING}


def test_an_api_that_is_away_is_asked_once_and_not_eleven_times() -> None:
    made = script(nodes=((503, {"message": "etcd is away"}),))
    with pytest.raises(KubernetesApiError, match="etcd is away"):
        gathered(made)
    assert {path for path, _, _ in made.sent("GET")} == {"/api/v1/nodes"}


def lease(dag_id: str) -> Lease:
    return Lease(platform="slipway-dev", holder="manual__1", dag_id=dag_id, since=NOW, until=NOW + timedelta(hours=1))


@pytest.mark.parametrize("status", ["DELETING", "FAILED"])
def test_a_cluster_that_is_deleted_on_purpose_is_left_alone(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, state = load_platform("dev"), HealthState(seen_cluster=True)
    facts = HealthFacts("dev", "us-east-1", control_plane=ControlPlaneFact(status, "1.36"))
    monkeypatch.setattr(LeaseHook, "__init__", lambda *_: None)
    monkeypatch.setattr(LeaseHook, "read", lambda _: lease("platform_teardown"))
    with pytest.raises(AirflowSkipException, match="is being taken down"):
        _leave_alone(platform, facts, state)
    # Nobody's teardown: somebody deletes it by hand, and that is the worst of news.
    monkeypatch.setattr(LeaseHook, "read", lambda _: None)
    _leave_alone(platform, facts, state)
    (finding,) = judge(facts, NOW, Before())
    assert (finding.kind, finding.severity) == (FindingKind.CONTROL_PLANE, Verdict.DOWN)
    assert status in finding.what


def test_a_worker_whose_clock_is_wrong_judges_by_aws_clock() -> None:
    """Ages are told by the time of S3's answer, so a wrong clock makes no pod old; it is a finding of its own."""
    facts = HealthFacts("dev", "us-east-1", control_plane=ControlPlaneFact("ACTIVE", "1.36"), skew_seconds=3600.0)
    (finding,) = judge(facts, NOW, Before())
    assert finding.kind is FindingKind.CLOCK_SKEW
    assert "+3600 s" in finding.what


def test_s3s_date_is_the_clock() -> None:
    from slipway.hooks.health_account import server_time

    answer = SimpleNamespace(headers={"date": "Sun, 22 Nov 2026 12:00:00 GMT"})
    assert server_time({"ResponseMetadata": {"HTTPHeaders": answer.headers}}) == NOW
