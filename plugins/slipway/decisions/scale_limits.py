"""Which limit is reached when, by a forecast of what grows towards it."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.decisions.trend import path
from slipway.model.scale import Advice, LimitForecast, Recommendation, ScaleFacts

HORIZON_DAYS = 60
LEVEL = 80


def forecasts(facts: ScaleFacts, horizon: int = HORIZON_DAYS, level: int = LEVEL) -> list[LimitForecast]:
    """When each limit is reached, by histories that are long enough to say."""
    ceilings = _ceilings(facts)
    found = []
    for history in facts.histories:
        ceiling = ceilings.get((history.what, history.subject))
        if ceiling is None or not history.values:
            continue
        limit, unit = ceiling
        ahead = path(history.values, horizon, level)
        found.append(
            LimitForecast(
                what=history.what,
                subject=history.subject,
                now=round(history.values[-1], 3),
                limit=round(limit, 3),
                unit=unit,
                days=_first(ahead.expected, limit),
                earliest=_first(ahead.upper, limit),
                method=ahead.method,
                level=level,
                history_days=len(history.values),
                errors={name: round(error, 4) for name, error in ahead.errors.items()},
            )
        )
    return sorted(found, key=lambda one: (one.earliest is None, one.earliest or 0, one.subject))


def ahead(forecasts: Sequence[LimitForecast]) -> list[Recommendation]:
    """Limits that come within the horizon, as recommendations."""
    return [
        Recommendation(
            advice=Advice.LIMIT_AHEAD,
            subject=one.subject,
            why=(
                f"{one.what} reaches {one.limit:g} {one.unit} "
                + (f"in {one.days} days" if one.days is not None else "only beyond the horizon")
                + f", at the earliest in {one.earliest} "
                + f"({one.level} % interval, {one.method}, {one.history_days} days seen)"
            ),
            how=_RAISE.get(one.what, "raise the limit"),
            evidence={"now": one.now, "limit": one.limit},
        )
        for one in forecasts
        if one.earliest is not None
    ]


_RAISE = {
    "cpu requests": "raise max of the pool's node groups in include/environments, or lower requests",
    "memory requests": "raise max of the pool's node groups in include/environments, or lower requests",
    "pods": "prefix delegation, larger instances, or a higher max",
    "volume": "raise the claim's size in the component's manifest",
    "subnet addresses": "a secondary CIDR for pods, or prefix delegation",
    "vCPU quota": "ask for a higher quota of running on-demand standard instances (L-1216C47A)",
}


def _first(values: Sequence[float], limit: float) -> int | None:
    return next((day for day, value in enumerate(values, 1) if value >= limit), None)


def _ceilings(facts: ScaleFacts) -> dict[tuple[str, str], tuple[float, str]]:
    """Limits by what and subject: node groups at their max, addresses, quota, volumes."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for pool in {group.pool for group in facts.groups}:
        cpu = memory = pods = 0.0
        for group in (one for one in facts.groups if one.pool == pool):
            node = next((n for n in facts.nodes if n.group == group.name), None)
            if node is not None:
                cpu += group.maximum * node.cpu / 1000
                memory += group.maximum * node.memory / 1024
                pods += group.maximum * node.pods
        if cpu:
            found["cpu requests", f"pool {pool}"] = (cpu, "cores at max size")
            found["memory requests", f"pool {pool}"] = (memory, "GiB at max size")
            found["pods", f"pool {pool}"] = (pods, "pods at max size")
    if facts.free_addresses is not None:
        found["subnet addresses", "all pods"] = (facts.pods + facts.free_addresses, "addresses")
    if facts.vcpu_quota is not None and facts.nodes:
        # Pods on a vCPU today tell how many pods the quota bears.
        vcpus = facts.vcpus_used or sum(node.cpu for node in facts.nodes) / 1000
        if vcpus and facts.pods:
            found["vCPU quota", "all pods"] = (facts.vcpu_quota * facts.pods / vcpus, "pods at today's density")
    for claim, size in facts.claims.items():
        found["volume", f"claim {claim}"] = (size / 1024**3, "GiB")
    return found
