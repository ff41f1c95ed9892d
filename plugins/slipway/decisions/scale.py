"""From utilisation to recommendations: seed.md's four thresholds, right-sized requests, and which limit comes when.

- CPU above 70 % of a group's nodes: more workers.
- Memory above 80 %: memory-optimised nodes.
- A pod pending for more than 5 minutes: more capacity.
- Network above 80 % of the instance's baseline: better placement.

A threshold counts when both a day's and a week's 95th percentile are above it, or the day's alone is far above: one
busy afternoon is no reason to buy nodes. Numbers are means over a group's nodes, since more nodes help none of them if
only one is busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from statistics import fmean

from slipway.decisions.estimate import HOURS_PER_MONTH
from slipway.decisions.fleet import apart, options, pack, share
from slipway.model.scale import (
    Advice,
    DemandFact,
    FleetOption,
    GroupFact,
    GroupUsage,
    NodeFact,
    Recommendation,
    Resize,
    ScaleFacts,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds."""

    cpu: float = 0.70
    memory: float = 0.80
    network: float = 0.80
    pending: timedelta = timedelta(minutes=5)
    far_above: float = 0.15
    idle: float = 0.30
    aimed_cpu: float = 0.55
    right_size: float = 0.5
    margin: float = 1.2
    least_saving: float = 0.1
    most_workloads: int = 20


DEFAULT = Limits()


def group_usage(facts: ScaleFacts) -> list[GroupUsage]:
    """How busy each node group is."""
    found = []
    for group in facts.groups:
        nodes = [node for node in facts.nodes if node.group == group.name]
        usage = [facts.usage[node.name] for node in nodes if node.name in facts.usage]
        mine = [one for one in facts.demands if one.pool == group.pool]
        pool = [node for node in facts.nodes if node.pool == group.pool]

        def mean(name: str, usage: list[object] = usage) -> float | None:  # type: ignore[assignment]
            values = [value for one in usage if (value := getattr(one, name)) is not None]
            return round(fmean(values), 4) if values else None

        baseline = facts.network.get(group.instance_type)
        network = {name: mean(name) for name in ("network_day", "network_week")}
        found.append(
            GroupUsage(
                name=group.name,
                pool=group.pool,
                instance_type=group.instance_type,
                nodes=len(nodes),
                minimum=group.minimum,
                maximum=group.maximum,
                cpu_day=mean("cpu_day"),
                cpu_week=mean("cpu_week"),
                memory_day=mean("memory_day"),
                memory_week=mean("memory_week"),
                **{
                    name: None if value is None or not baseline else round(value / baseline, 4)
                    for name, value in network.items()
                },
                cpu_requested=round(share(sum(one.cpu * one.count for one in mine), sum(n.cpu for n in pool)), 4),
                memory_requested=round(
                    share(sum(one.memory * one.count for one in mine), sum(n.memory for n in pool)), 4
                ),
            )
        )
    return found


def recommend(
    facts: ScaleFacts,
    usage: Sequence[GroupUsage],
    fleets: Sequence[FleetOption],
    now: datetime,
    limits: Limits = DEFAULT,
) -> list[Recommendation]:
    """Everything worth doing, each with its evidence."""
    groups = {group.name: group for group in facts.groups}
    found: list[Recommendation] = []
    for one in usage:
        found += _group(groups[one.name], one, facts, limits)
    found += _pending(facts, now, limits)
    found += _cheaper(facts, fleets, limits)
    found += _requests(facts, limits)
    return found


def _exceeds(day: float | None, week: float | None, limit: float, limits: Limits) -> bool:
    if day is None:
        return False
    return (day > limit and week is not None and week > limit) or day > limit + limits.far_above


def _group(group: GroupFact, one: GroupUsage, facts: ScaleFacts, limits: Limits) -> Iterator[Recommendation]:
    subject = f"node group {group.name}"
    evidence: dict[str, float | str] = {
        key: value
        for key in ("cpu_day", "cpu_week", "memory_day", "memory_week", "network_day", "network_week")
        if (value := getattr(one, key)) is not None
    } | {"nodes": one.nodes, "cpu_requested": one.cpu_requested, "memory_requested": one.memory_requested}
    rate = facts.prices.get(group.instance_type)

    def cost(nodes: int) -> float | None:
        return None if rate is None else round(-nodes * rate * HOURS_PER_MONTH, 2)

    if _exceeds(one.cpu_day, one.cpu_week, limits.cpu, limits):
        wanted = max(group.desired + 1, ceil(one.nodes * (one.cpu_day or 0.0) / limits.aimed_cpu))
        after = min(wanted, group.maximum)
        why = f"CPU is at {one.cpu_day:.0%} over the last day, above {limits.cpu:.0%}"
        if after > group.desired:
            how = f"desired {group.desired} -> {after} (max {group.maximum})"
            resize = Resize(nodegroup=group.name, before=group.desired, after=after)
            yield Recommendation(
                advice=Advice.MORE_NODES, subject=subject, why=why, how=how, evidence=evidence, resize=resize,
                monthly_usd=cost(after - group.desired),
            )  # fmt: skip
        else:
            how = f"raise max above {group.maximum} in include/environments, to {wanted}"
            yield Recommendation(advice=Advice.MORE_NODES, subject=subject, why=why, how=how, evidence=evidence)
    if _exceeds(one.memory_day, one.memory_week, limits.memory, limits):
        why = f"memory is at {one.memory_day:.0%} over the last day, above {limits.memory:.0%}"
        how = f"instance_types of {group.name}: a memory-optimised type (r family) in place of {group.instance_type}"
        yield Recommendation(advice=Advice.MEMORY_OPTIMISED, subject=subject, why=why, how=how, evidence=evidence)
    if _exceeds(one.network_day, one.network_week, limits.network, limits):
        why = f"network is at {one.network_day:.0%} of {group.instance_type}'s baseline, above {limits.network:.0%}"
        how = "spread what talks most over more nodes, or keep talkers in one zone; or a type with more bandwidth"
        yield Recommendation(advice=Advice.BETTER_PLACEMENT, subject=subject, why=why, how=how, evidence=evidence)
    quiet = [one.cpu_day, one.cpu_week, one.memory_day, one.memory_week]
    if all(value is not None and value < limits.idle for value in quiet) and group.desired > group.minimum:
        busiest = max(one.cpu_requested, one.memory_requested)
        needed = max(group.minimum, ceil(one.nodes * busiest / 0.8))
        after = max(needed, group.desired - 1)
        if after < group.desired:
            why = f"CPU and memory stay below {limits.idle:.0%}, and {busiest:.0%} is requested"
            resize = Resize(nodegroup=group.name, before=group.desired, after=after)
            saving = cost(after - group.desired)
            yield Recommendation(
                advice=Advice.FEWER_NODES, subject=subject, why=why, how=f"desired {group.desired} -> {after}",
                evidence=evidence, resize=resize, monthly_usd=saving,
            )  # fmt: skip


def _pending(facts: ScaleFacts, now: datetime, limits: Limits) -> Iterator[Recommendation]:
    waiting = [
        one
        for one in facts.demands
        if one.pending and one.pending_since is not None and now - one.pending_since >= limits.pending
    ]
    for pool in sorted({one.pool for one in waiting}):
        mine = [one for one in waiting if one.pool == pool]
        node = max((n for n in facts.nodes if n.pool == pool), key=lambda n: (n.cpu, n.memory), default=None)
        large = [one for one in mine if node is not None and (one.cpu > node.cpu or one.memory > node.memory)]
        for one in large:
            how = f"no node of {pool} offers {one.cpu}m and {one.memory}Mi: larger instances, or smaller requests"
            yield _more_capacity(f"{one.namespace}/{one.workload}", [one], how, now)
        rest = [one for one in mine if one not in large]
        if rest:
            yield _grown(facts, pool, node, rest, now)


def _grown(
    facts: ScaleFacts, pool: str, node: NodeFact | None, waiting: Sequence[DemandFact], now: datetime
) -> Recommendation:
    """As many nodes more as what waits fills, in the pool's first group that may grow."""
    group = next((g for g in facts.groups if g.pool == pool and g.desired < g.maximum and g.ours), None)
    if group is None or node is None:
        how = f"no node group of {pool or 'this pool'} may grow: raise max, or add a group, in include/environments"
        return _more_capacity(f"pool {pool}", waiting, how, now)
    alone = [replace(one, count=one.pending) for one in waiting]
    extra = pack(alone, node.cpu, node.memory, node.pods, headroom=0.0) or 1
    after = min(group.maximum, group.desired + extra)
    resize = Resize(nodegroup=group.name, before=group.desired, after=after)
    short = f"; {extra} would be needed, max allows {after - group.desired}" if after < group.desired + extra else ""
    how = f"{group.name}: desired {resize.before} -> {resize.after}{short}"
    return _more_capacity(f"pool {pool}", waiting, how, now, resize)


def _more_capacity(
    subject: str, waiting: Sequence[DemandFact], how: str, now: datetime, resize: Resize | None = None
) -> Recommendation:
    first = min(one.pending_since for one in waiting if one.pending_since is not None)
    minutes, pods = (now - first).total_seconds() / 60, sum(one.pending for one in waiting)
    evidence: dict[str, float | str] = {
        "pods": pods,
        "minutes": round(minutes),
        "cpu_millicores": sum(one.cpu * one.pending for one in waiting),
        "memory_mib": sum(one.memory * one.pending for one in waiting),
    }
    why = f"{pods} pods pending, the first for {minutes:.0f} min"
    return Recommendation(
        advice=Advice.MORE_CAPACITY, subject=subject, why=why, how=how, evidence=evidence, resize=resize
    )


def _cheaper(facts: ScaleFacts, fleets: Sequence[FleetOption], limits: Limits) -> Iterator[Recommendation]:
    for pool in sorted({one.pool for one in fleets}):
        mine = [one for one in fleets if one.pool == pool]
        groups = [group for group in facts.groups if group.pool == pool]
        now = sum(facts.prices.get(g.instance_type, 0.0) * g.desired * HOURS_PER_MONTH for g in groups)
        best = min(mine, key=lambda one: one.monthly_usd)
        if now and best.monthly_usd <= now * (1 - limits.least_saving):
            today = ", ".join(f"{group.desired} x {group.instance_type}" for group in groups)
            yield Recommendation(
                advice=Advice.CHEAPER_FLEET,
                subject=f"pool {pool}",
                why=f"everything fits {best.nodes} x {best.instance_type} with a fifth of CPU and memory free",
                how=f"{today} -> {best.nodes} x {best.instance_type} in include/environments; nodes are replaced",
                evidence={"monthly_usd_now": round(now, 2), "monthly_usd_then": best.monthly_usd,
                          "cpu_requested": best.cpu_share, "memory_requested": best.memory_share},
                monthly_usd=round(now - best.monthly_usd, 2),
            )  # fmt: skip


def _requests(facts: ScaleFacts, limits: Limits) -> Iterator[Recommendation]:
    """Requests that a week's use is far from; the largest differences first."""
    found: list[tuple[float, Recommendation]] = []
    for (namespace, workload), one in facts.workloads.items():
        subject = f"{namespace}/{workload}"
        for what, used, asked, unit, weight in (
            ("cpu", one.cpu, one.cpu_requested, 1000.0, 1.0),
            ("memory", one.memory, one.memory_requested, 1 / 1024**2, 1 / (4 * 1024**3)),
        ):
            if asked <= 0 or used <= 0:
                continue
            wanted = used * limits.margin
            suffix = "m" if what == "cpu" else "Mi"
            evidence: dict[str, float | str] = {
                "p95_week": round(used * unit),
                "requested": round(asked * unit),
                "unit": suffix,
            }
            how = f"{what} requests of all its pods together: {asked * unit:.0f}{suffix} -> {wanted * unit:.0f}{suffix}"
            if used > asked:
                why = f"its pods used {used / asked:.0%} of the {what} they request (95th percentile of a week)"
                found.append((abs(wanted - asked) * weight, Recommendation(
                    advice=Advice.RAISE_REQUESTS, subject=subject, why=why, how=how, evidence=evidence)))  # fmt: skip
            elif wanted < asked * limits.right_size:
                why = f"its pods used {used / asked:.0%} of the {what} they request (95th percentile of a week)"
                found.append((abs(asked - wanted) * weight, Recommendation(
                    advice=Advice.LOWER_REQUESTS, subject=subject, why=why, how=how, evidence=evidence)))  # fmt: skip
    found.sort(key=lambda pair: -pair[0])
    yield from (one for _, one in found[: limits.most_workloads])


def fleets(facts: ScaleFacts, most: int = 5) -> list[FleetOption]:
    """The cheapest fleets of each pool, and today's instance type."""
    found: list[FleetOption] = []
    for pool in sorted({group.pool for group in facts.groups}):
        groups = [group for group in facts.groups if group.pool == pool]
        mine = [one for one in facts.demands if one.pool == pool]
        least = max(sum(group.minimum for group in groups), apart(mine), 1)
        ranked = options(
            pool,
            facts.demands,
            facts.instances,
            facts.prices,
            current=groups[0].instance_type,
            at_least=least,
            prefix_delegation=facts.prefix_delegation,
        )
        found += [one for index, one in enumerate(ranked) if index < most or one.current]
    return found
