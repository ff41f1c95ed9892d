"""Savings on nodes and the control plane: spot, Graviton, commitment, schedules, fewer nodes, an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, fsum

from slipway.decisions.cost_estimate import EXTENDED_SUPPORT, HOURS_PER_MONTH
from slipway.decisions.price_list import graviton
from slipway.decisions.savings import SavingFacts
from slipway.model.cost import Confidence, Saving
from slipway.model.environment import NodeGroup
from slipway.model.resource import Kind, Resource

# Working hours of a week in which a platform for development is needed: twelve a day on five days.
OFFICE_HOURS = 60
WEEK_HOURS = 168
# Room above what a week's 95th percentile needs, so that a day like no other still fits.
HEADROOM = 1.25
_GIB = 1024**3


def compute_savings(facts: SavingFacts) -> Iterator[Saving]:
    """All savings on nodes and the control plane."""
    groups = facts.groups()
    for name, nodes in groups.items():
        spec = facts.platform.environment.node_groups[name]
        on_demand = [one for one in nodes if not one.attributes.get("spot")]
        yield from _spot(facts, name, spec, on_demand)
        yield from _graviton(facts, name, spec, on_demand)
    yield from _savings_plan(facts, groups)
    yield from _schedule(facts, groups)
    yield from _fewer_nodes(facts, groups)
    yield from _requests(facts)
    yield from _extended_support(facts)


def _types(nodes: list[Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for one in nodes:
        found.setdefault(one.text("type"), []).append(one)
    return found


def _spot(facts: SavingFacts, name: str, spec: NodeGroup, nodes: list[Resource]) -> Iterator[Saving]:
    """Spot for nodes whose workload holds no data. The primary group is what everything else falls back to."""
    if spec.workload in facts.stateful or spec.workload == "primary":
        return
    usd, evidence = 0.0, []
    for kind, some in _types(nodes).items():
        price = facts.book.instance(kind)
        if price is None:
            continue
        now = facts.spot.get(kind)
        spot = price * facts.rates.spot if now is None else now
        usd += (price - spot) * HOURS_PER_MONTH * len(some)
        source = "now, mean of the zones" if now is not None else "an assumption: its price could not be read"
        evidence.append(f"{len(some)} x {kind} at {price:g} USD an hour on demand, {spot:g} on spot ({source})")
    if usd > 0:
        yield Saving(
            name=f"spot/{name}",
            title=f"Run {name} on spot",
            monthly_usd=round(usd, 2),
            confidence=Confidence.MEDIUM if facts.spot else Confidence.LOW,
            breaks="Nodes go with two minutes' notice, and there may be none to have: work that cannot be "
            "interrupted must not run there. Its price moves.",
            change=f"{facts.file}: node_groups.{name}.capacity_type: SPOT, and two more instance_types of the same "
            "size; EKS makes the group anew",
            evidence="; ".join(evidence),
            touches=[f"compute/{name}"],
        )


def _graviton(facts: SavingFacts, name: str, spec: NodeGroup, nodes: list[Resource]) -> Iterator[Saving]:
    usd, evidence, twins = 0.0, [], []
    for kind, some in _types(nodes).items():
        twin = graviton(kind)
        price, other = facts.book.instance(kind), facts.book.instance(twin) if twin else None
        if twin and price is not None and other is not None and other < price:
            usd += (price - other) * HOURS_PER_MONTH * len(some)
            twins.append(twin)
            evidence.append(f"{len(some)} x {kind} at {price:g}, {twin} at {other:g} USD an hour")
    if usd > 0:
        yield Saving(
            name=f"graviton/{name}",
            title=f"Run {name} on Graviton",
            monthly_usd=round(usd, 2),
            confidence=Confidence.MEDIUM,
            breaks="Images without an arm64 build do not start there; check each with `docker manifest inspect`.",
            change=f"{facts.file}: node_groups.{name}.instance_types: [{', '.join(twins)}]; EKS makes the group anew",
            evidence="; ".join(evidence),
            touches=[f"compute/{name}"],
        )


def _savings_plan(facts: SavingFacts, groups: dict[str, list[Resource]]) -> Iterator[Saving]:
    """A commitment for what is always there: the minimum of every group, on demand."""
    usd, hourly, parts, assumed = 0.0, 0.0, [], set()
    committed: list[str] = []
    for name, nodes in groups.items():
        spec = facts.platform.environment.node_groups[name]
        on_demand = [one for one in nodes if not one.attributes.get("spot")]
        count = min(len(on_demand), spec.min * _zones(facts, spec))
        if not count:
            continue
        kind = on_demand[0].text("type")
        price = facts.book.instance(kind)
        if price is None:
            continue
        rate = facts.plan.get(kind)
        if rate is None:
            assumed.add(kind)
            rate = price * facts.rates.compute_savings_plan.get(
                kind.partition(".")[0], facts.rates.compute_savings_plan_default
            )
        usd += (price - rate) * HOURS_PER_MONTH * count
        hourly += rate * count
        parts.append(f"{count} x {kind} ({name}) at {price:g} USD an hour on demand, {rate:.4g} under the plan")
        committed.append(name)
    if usd > 0:
        yield Saving(
            name="savings-plan",
            title="Commit to what always runs (Compute Savings Plan, one year, nothing upfront)",
            monthly_usd=round(usd, 2),
            confidence=Confidence.LOW if assumed else Confidence.MEDIUM,
            breaks=f"{hourly:.3f} USD an hour are owed for a year, used or not; it covers other families and regions "
            "too, but not spot.",
            change=f"Billing console, Savings Plans, Compute, 1 year, no upfront, commitment {hourly:.3f} USD/hour",
            evidence=f"minimum sizes: {'; '.join(sorted(parts))}; {_source_of_rates(assumed)}",
            touches=[f"compute/{name}" for name in sorted(committed)],
        )


def _source_of_rates(assumed: set[str]) -> str:
    if not assumed:
        return "rates are AWS's own offers of tonight"
    return f"rates of {', '.join(sorted(assumed))} are a share of the dated table, since AWS's offers could not be read"


def _zones(facts: SavingFacts, spec: NodeGroup) -> int:
    return facts.platform.environment.network.zone_count if spec.zonal else 1


def _schedule(facts: SavingFacts, groups: dict[str, list[Resource]]) -> Iterator[Saving]:
    """Nights and weekends off, where nothing is protected."""
    if facts.platform.environment.protected or not groups:
        return
    nodes = [one for some in groups.values() for one in some]
    cost = facts.cost(*(one.id for one in nodes))
    usd = cost * (1 - OFFICE_HOURS / WEEK_HOURS)
    scaling = sorted({one.tags.get("aws:autoscaling:groupName", "") for one in nodes} - {""})
    group = scaling[0] if scaling else "<the node group's Auto Scaling group>"
    yield Saving(
        name="schedule",
        title="Switch nodes off at night and at weekends",
        monthly_usd=round(usd, 2),
        confidence=Confidence.MEDIUM,
        breaks="Nothing runs outside working hours, nightly jobs included, and the first minutes of the day are the "
        "nodes' start. Volumes and the control plane stay, and cost what they cost.",
        change="for each group: aws autoscaling put-scheduled-update-group-action --auto-scaling-group-name "
        f"{group} --scheduled-action-name night --recurrence '0 19 * * 1-5' --min-size 0 --desired-capacity 0, and "
        "the same with its sizes at '0 7 * * 1-5'; stop the Cluster Autoscaler with it, if it runs",
        evidence=f"{len(nodes)} nodes cost {cost:.2f} USD a month; needed {OFFICE_HOURS} of {WEEK_HOURS} hours",
        touches=[f"compute/{name}" for name in sorted(groups)],
    )


def _fewer_nodes(facts: SavingFacts, groups: dict[str, list[Resource]]) -> Iterator[Saving]:
    """Fewer nodes of the same type, where what pods request leaves whole nodes empty."""
    if facts.cluster is None:
        return
    by_instance = {node.instance: node for node in facts.cluster.nodes}
    for name, instances in groups.items():
        nodes = [by_instance[one.id] for one in instances if one.id in by_instance]
        spec = facts.platform.environment.node_groups[name]
        least = max(1, spec.min * _zones(facts, spec))
        if len(nodes) <= least:
            continue
        names = {node.name for node in nodes}
        pods = [pod for pod in facts.cluster.pods if pod.node in names]
        cpu = fsum(pod.cpu for pod in pods) / fsum(node.cpu for node in nodes)
        memory = fsum(pod.memory for pod in pods) / fsum(node.memory for node in nodes)
        needed = max(least, ceil(len(nodes) * max(cpu, memory) * HEADROOM))
        spare = len(nodes) - needed
        if spare <= 0:
            continue
        per_node = facts.cost(*(one.id for one in instances)) / len(instances)
        yield Saving(
            name=f"fewer-nodes/{name}",
            title=f"Run {name} with {needed} nodes in place of {len(nodes)}",
            monthly_usd=round(spare * per_node, 2),
            confidence=Confidence.LOW,
            breaks="Less room for a node that fails and for pods to come; anti-affinity, zones and the pods' limit may "
            "need the nodes all the same. platform_nightly_scale looks closer.",
            change=f"{facts.file}: node_groups.{name}.desired: {_per_zone(facts, spec, needed)}",
            evidence=f"pods request {cpu:.0%} of its CPU and {memory:.0%} of its memory; {HEADROOM:g} times that fits",
            touches=[f"compute/{name}"],
        )


def _per_zone(facts: SavingFacts, spec: NodeGroup, nodes: int) -> int:
    return ceil(nodes / _zones(facts, spec))


def _requests(facts: SavingFacts) -> Iterator[Saving]:
    """Requests that a week's use never came near. What they free is worth something only with fewer nodes."""
    if facts.cluster is None or facts.weekly is None:
        return
    groups = facts.groups()
    requested: dict[tuple[str, str], list[float]] = {}
    for pod in facts.cluster.pods:
        sums = requested.setdefault((pod.namespace, pod.owner), [0.0, 0.0])
        sums[0] += pod.cpu
        sums[1] += pod.memory
    rows = []
    for key, (cpu, memory) in requested.items():
        used = facts.weekly.get(key)
        if used is not None:
            rows.append((key, max(0.0, cpu - HEADROOM * used.cpu), max(0.0, memory - HEADROOM * used.memory), used))
    capacity_cpu = fsum(node.cpu for node in facts.cluster.nodes)
    capacity_memory = fsum(node.memory for node in facts.cluster.nodes)
    if not rows or not capacity_cpu or not capacity_memory:
        return
    cost = facts.cost(*(one.id for some in groups.values() for one in some))
    # Only what is freed of both can become a node less.
    share = min(
        fsum(row[1] for row in rows) / capacity_cpu,
        fsum(row[2] for row in rows) / capacity_memory,
    )
    top = sorted(rows, key=lambda row: -(row[1] / capacity_cpu + row[2] / capacity_memory))[:5]
    if share <= 0:
        return
    edits = "; ".join(
        f"{namespace}/{owner}: {HEADROOM * used.cpu * 1000:.0f}m CPU, {HEADROOM * used.memory / _GIB:.2f}Gi in all"
        for (namespace, owner), _, _, used in top
    )
    yield Saving(
        name="requests",
        title="Lower requests to what a week's 95th percentile used, and a quarter more",
        monthly_usd=round(share * cost, 2),
        confidence=Confidence.LOW,
        breaks="A pod that needs more than it requests gets it only while its node has it to spare.",
        change=f"the components' manifests, resources.requests: {edits}; then let the nodes go down",
        evidence=f"of all nodes' capacity {share:.0%} is requested and not used, of CPU and memory alike",
        touches=[f"compute/{name}" for name in sorted(groups)],
    )


def _extended_support(facts: SavingFacts) -> Iterator[Saving]:
    for cluster in facts.of(Kind.CLUSTER):
        if cluster.id not in facts.extended:
            continue
        yield Saving(
            name=f"extended-support/{cluster.name}",
            title=f"Leave extended support of Kubernetes {cluster.text('version')}",
            monthly_usd=round(facts.usd(EXTENDED_SUPPORT) * HOURS_PER_MONTH, 2),
            confidence=Confidence.HIGH,
            breaks="An upgrade, one minor version at a time, with all it brings.",
            change=f"{facts.file}: cluster.version, then run platform_upgrade",
            evidence="the version is past its standard support",
            touches=[f"plane/{cluster.name}"],
        )
