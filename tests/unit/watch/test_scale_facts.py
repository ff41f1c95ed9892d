"""Facts about size when Prometheus is down: metrics-server stands in, and the report says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from slipway.catalog.environments import load_platform
from slipway.decisions.scale import group_usage, recommend
from slipway.decisions.scale_policy import permitted
from slipway.decisions.scale_report import markdown
from slipway.hooks import kubernetes_async
from slipway.hooks.scale import ScaleHook
from slipway.model.policies import Policies, Policy
from slipway.model.report import Report
from slipway.model.scale import Advice, DemandFact, GroupFact, NodeFact, ScaleBody, ScaleFacts, ScaleState

from tests.unit.kubernetes.scripted import Scripted, api_for

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
PROMETHEUS = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query"
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
GONE = {"reason": "ServiceUnavailable", "message": 'no endpoints available for service "prometheus"'}


def node_metrics(name: str, cpu: str, memory: str) -> dict[str, Any]:
    """As metrics-server lists a node: nanocores and KiB."""
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-11-22T02:30:00Z", "labels": {}},
        "timestamp": "2026-11-22T02:29:51Z",
        "window": "20.043s",
        "usage": {"cpu": cpu, "memory": memory},
    }


def facts() -> ScaleFacts:
    return ScaleFacts(
        "dev", "us-east-1",
        groups=[GroupFact("primary", "primary", "t3.large", 2, 2, 5, "ACTIVE", True)],
        nodes=[NodeFact(f"node-{index}", "primary", "primary", 2000, 8000, 35) for index in range(3)],
        demands=[DemandFact("apps", "web", "Deployment", "primary", 500, 1000, count=4)],
        pods=4,
    )  # fmt: skip


def gathered(script: Scripted, monkeypatch: pytest.MonkeyPatch) -> tuple[ScaleFacts, ScaleHook]:
    monkeypatch.setattr(kubernetes_async, "_backoff", _at_once)
    found, hook = facts(), ScaleHook(load_platform("dev"))

    async def gather() -> None:
        async with api_for(script) as api:
            await hook._metrics(api, found, NOW)

    asyncio.run(gather())
    return found, hook


_at_once: Callable[..., float] = lambda *_: 0.0  # noqa: E731 - a name for what replaces a function


def test_metrics_server_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [
        # 1.8 of 2 cores; 4000 of 8000 MiB.
        node_metrics("node-0", "1800000000n", "4096000Ki"),
        node_metrics("node-1", "1700123456n", "4000Mi"),
        # A node that left while the list was made.
        node_metrics("stranger", "1n", "1Ki"),
    ]
    script = Scripted().on("GET", PROMETHEUS, 503, GONE).on("GET", METRICS, 200, {"metadata": {}, "items": items})
    found, hook = gathered(script, monkeypatch)
    assert set(found.usage) == {"node-0", "node-1"}
    assert found.usage["node-0"].cpu_day == pytest.approx(0.9)
    assert found.usage["node-0"].memory_day == pytest.approx(0.5)
    assert found.usage["node-0"].cpu_week is None
    assert hook.calls["kubernetes"] == 1
    (missing,) = found.missing
    assert missing.part == "utilisation over a day and a week, forecasts"
    assert "no endpoints available" in missing.reason
    # The moment is judged with what there is: 0.9 and 0.85, on average 0.875, of a node's CPU.
    (usage,) = group_usage(found)
    assert usage.cpu_day == pytest.approx(0.875, abs=0.001)
    assert usage.cpu_week is None
    advice = {one.advice for one in recommend(found, [usage], [], NOW)}
    assert Advice.FEWER_NODES not in advice
    page = markdown(report([usage], found))
    assert "no endpoints available" in page
    assert "what metrics-server measured at one moment" in page
    # One moment is no reason to change a size, whatever the policy.
    more = next(one for one in recommend(found, [usage], [], NOW) if one.advice is Advice.MORE_NODES)
    assert more.resize is not None
    may, why = permitted(more, found, Policies(scale=Policy.AUTO), ScaleState(), NOW)
    assert (may, "one moment" in why) == (False, True)


def report(usage: list[Any], found: ScaleFacts) -> Report[ScaleBody]:
    body = ScaleBody(
        groups=usage,
        recommendations=[],
        forecasts=[],
        fleets=[],
        autoscaler=False,
        nodes=3,
        pods=4,
        momentary=found.momentary,
    )
    return Report[ScaleBody](
        kind="scale", environment="dev", region="us-east-1", run_id="r", started=NOW, ended=NOW, verdict="fits",
        summary="x", body=body, missing=found.missing,
    )  # fmt: skip


def test_neither_prometheus_nor_metrics_server(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"reason": "NotFound", "message": "the server could not find the requested resource"}
    script = Scripted().on("GET", PROMETHEUS, 503, GONE).on("GET", METRICS, 404, refused)
    found, _ = gathered(script, monkeypatch)
    assert [one.part for one in found.missing] == [
        "utilisation over a day and a week, forecasts",
        "metrics-server in place of Prometheus",
    ]
    assert found.usage == {}
    (usage,) = group_usage(found)
    # Requests are known without either.
    assert (usage.cpu_day, usage.cpu_requested > 0) == (None, True)
