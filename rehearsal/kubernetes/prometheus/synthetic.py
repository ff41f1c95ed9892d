"""Series of the rehearsal, computed for any time from what the cluster holds now.

Use follows the pods' requests, a working day, a week and a slow growth; noise depends on series and hour alone, so that
the same question has the same answer. Faults change the last values, not the history.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of

if TYPE_CHECKING:
    from rehearsal.kubernetes.faults.model import Fault, Faults
    from rehearsal.kubernetes.store import Store

Labels = tuple[tuple[str, str], ...]
Value = Callable[[float], float]
POOL = "slipway.dev/workload"
_DAY = 86400.0
_GIB = 1024.0**3
# Busiest at 14:00 UTC; a fifth less on weekends; 1 % more every day.
_PEAK, _SWING, _WEEKEND, _GROWTH, _NOISE = 14 * 3600.0, 0.25, 0.8, 0.01, 0.05
# What a node does apart from pods, as a share of it.
_SYSTEM_CPU, _SYSTEM_MEMORY = 0.04, 0.08
# What pods use of what they ask for, on average.
_CPU_USE, _MEMORY_USE = 0.45, 0.75
_BYTES_PER_CORE = 8e6
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_SUFFIX = re.compile(r"-[a-z0-9]{5,10}(-[a-z0-9]{5})?$")


@dataclass
class State:
    """Sums over the cluster's objects.

    :ivar nodes: allocatable cores and bytes, and pool, by name.
    """

    nodes: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    node_requests: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    workloads: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    components: set[str] = field(default_factory=set)
    jobs: set[tuple[str, str]] = field(default_factory=set)
    claims: dict[tuple[str, str], float] = field(default_factory=dict)
    consumers: bool = False


def observe(store: Store) -> State:
    """Sum up a cluster."""
    state = State()
    for node in store.scan("nodes"):
        offers = dig(node, "status", "allocatable", default={})
        pool = labels_of(node).get(POOL, "")
        state.nodes[name_of(node)] = _number(offers.get("cpu", 0)), _number(offers.get("memory", 0)), pool
    for pod in store.scan("pods"):
        if dig(pod, "status", "phase") not in ("Succeeded", "Failed"):
            _add(state, pod)
    for claim in store.scan("persistentvolumeclaims"):
        if dig(claim, "status", "phase") == "Bound":
            asked = dig(claim, "status", "capacity", "storage") or dig(
                claim, "spec", "resources", "requests", "storage", default="1Gi"
            )
            state.claims[namespace_of(claim), name_of(claim)] = _number(asked)
    return state


def _add(state: State, pod: Obj) -> None:
    cpu = memory = 0.0
    for container in pod["spec"]["containers"]:
        asked = dig(container, "resources", "requests", default={})
        cpu += _number(asked.get("cpu", "50m"))
        memory += _number(asked.get("memory", "64Mi"))
    namespace, name = namespace_of(pod), name_of(pod)
    owner = next((one for one in dig(pod, "metadata", "ownerReferences", default=[]) if one.get("controller")), None)
    workload = name if owner is None else str(owner["name"])
    if owner is not None and owner["kind"] in ("ReplicaSet", "Job"):
        workload = _SUFFIX.sub("", workload) if owner["kind"] == "ReplicaSet" else re.sub(r"-\d{8,}$", "", workload)
    state.owners[namespace, name] = workload
    node = dig(pod, "spec", "nodeName", default="")
    if node:
        for index, value in enumerate((cpu, memory, 1.0)):
            state.node_requests[node][index] += value
        for index, value in enumerate((cpu, memory)):
            state.workloads[namespace, workload][index] += value
    component = labels_of(pod).get("slipway.dev/component", "")
    if annotations_of(pod).get("prometheus.io/scrape") == "true":
        state.jobs.add((namespace, labels_of(pod).get("app.kubernetes.io/name", name)))
        if component:
            state.components.add(component)
    state.consumers = state.consumers or component == "kafka"


@dataclass(frozen=True)
class SyntheticSeries:
    """One series: its value at a Unix time."""

    name: str
    labels: Labels
    value: Value


def all_series(state: State, faults: Faults, now: float) -> Iterator[SyntheticSeries]:
    """Everything that the recording rules would have recorded."""
    yield from _nodes(state, now)
    yield from _workloads(state, now)
    yield from _pools(state, now)
    yield from _claims(state, faults, now)
    yield from _targets(state, faults, now)


def _nodes(state: State, now: float) -> Iterator[SyntheticSeries]:
    for node, (cpu, memory, pool) in state.nodes.items():
        asked = state.node_requests[node]
        labels = (("node", node),)
        busy = _wave(node + "cpu", min(0.6, _SYSTEM_CPU + _CPU_USE * asked[0] / max(cpu, 0.1)), now)
        full = _flat(node + "memory", min(0.72, _SYSTEM_MEMORY + _MEMORY_USE * asked[1] / max(memory, 1.0)))
        traffic = _wave(node + "network", _BYTES_PER_CORE * (0.2 + asked[0]), now)
        yield SyntheticSeries("slipway:node_pool:info", (("node", node), ("pool", pool)), lambda at: 1.0)
        for name, unit, value in (
            ("cpu", "ratio", busy),
            ("memory", "ratio", full),
            ("network", "bytes_rate", traffic),
        ):
            yield SyntheticSeries(f"slipway:node_{name}:{unit}", labels, value)
            for window, days in (("1d", 1), ("7d", 7)):
                yield SyntheticSeries(f"slipway:node_{name}:{unit}_p95_{window}", labels, _percentile(value, days))


def _workloads(state: State, now: float) -> Iterator[SyntheticSeries]:
    for (namespace, pod), workload in state.owners.items():
        of_pod = (("namespace", namespace), ("pod", pod), ("workload", workload))
        yield SyntheticSeries("slipway:pod_workload:info", of_pod, _constant(1.0))
    for (namespace, workload), (cpu, memory) in state.workloads.items():
        labels = (("namespace", namespace), ("workload", workload))
        used_cpu = _wave(workload + "cpu", _CPU_USE * cpu, now)
        used_memory = _flat(workload + "memory", _MEMORY_USE * memory)
        yield SyntheticSeries("slipway:workload_cpu:cores", labels, used_cpu)
        yield SyntheticSeries("slipway:workload_memory:bytes", labels, used_memory)
        yield SyntheticSeries("slipway:workload_cpu:cores_p95_7d", labels, _percentile(used_cpu, 7))
        yield SyntheticSeries("slipway:workload_memory:bytes_p95_7d", labels, _percentile(used_memory, 7))
        yield SyntheticSeries("slipway:workload_cpu_requested:cores", labels, _constant(cpu))
        yield SyntheticSeries("slipway:workload_memory_requested:bytes", labels, _constant(memory))


def _pools(state: State, now: float) -> Iterator[SyntheticSeries]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for node, (_, _, pool) in state.nodes.items():
        for index, value in enumerate(state.node_requests[node]):
            sums[pool][index] += value
    for pool, (cpu, memory, pods) in sums.items():
        labels = (("pool", pool),)
        yield SyntheticSeries("slipway:pool_cpu_used:cores", labels, _wave(pool + "cpu", _CPU_USE * cpu, now))
        used = _wave(pool + "memory", _MEMORY_USE * memory, now, swing=0.05)
        yield SyntheticSeries("slipway:pool_memory_used:bytes", labels, used)
        yield SyntheticSeries("slipway:pool_cpu_requested:cores", labels, _grown(cpu, now))
        yield SyntheticSeries("slipway:pool_memory_requested:bytes", labels, _grown(memory, now))
        yield SyntheticSeries("slipway:pool_pods:count", labels, _rounded(_grown(pods, now)))


def _claims(state: State, faults: Faults, now: float) -> Iterator[SyntheticSeries]:
    for (namespace, name), size in state.claims.items():
        labels = (("namespace", namespace), ("persistentvolumeclaim", name))
        # Between a fifth and two fifths full, filling within years: nobody need be told.
        share = 0.2 + 0.2 * _unit(namespace + name)
        daily = 0.0003 * size
        ratio = faults.value("claim-full", "ratio", namespace=namespace, name=name)
        if ratio is not None:
            share, daily = ratio, 0.02 * size
        growth = faults.value("claim-filling", "bytesPerDay", namespace=namespace, name=name)
        daily = daily if growth is None else growth

        def used(at: float, share: float = share, daily: float = daily, size: float = size) -> float:
            return max(0.02 * size, share * size + daily * (at - now) / _DAY)

        yield SyntheticSeries("slipway:claim_used:bytes", labels, used)
        yield SyntheticSeries("slipway:claim_used:ratio", labels, _divided(used, size))
        yield SyntheticSeries("slipway:claim_growth:bytes_per_day", labels, _constant(daily))


def _targets(state: State, faults: Faults, now: float) -> Iterator[SyntheticSeries]:
    for namespace, job in sorted(state.jobs):
        count = faults.value("target-down", "targets", job=job) or 0.0
        yield SyntheticSeries("slipway:targets_down:count", (("job", job), ("namespace", namespace)), _constant(count))
    for component in sorted(state.components):
        down = faults.value("target-down", "targets", component=component)
        value = _constant(1.0 if down is None else 0.5)
        yield SyntheticSeries("slipway:component_up:ratio", (("component", component),), value)
    for fault in faults.of("error-budget-spent"):
        labels = (("component", fault.text("component", "maze")), ("slo", fault.text("slo", "requests succeed")))
        yield SyntheticSeries(
            "slipway:error_budget:remaining_ratio", labels, _constant(fault.number("remaining", -0.2))
        )
        if "errors" in fault.spec:
            # What is left of a budget was used up by something: the share of events that fail, over every window.
            failing = _constant(fault.number("errors", 0))
            for window in _WINDOWS:
                yield SyntheticSeries(f"slipway:slo_errors:ratio_{window}", labels, failing)
    lagging = {(one.text("group", "etl"), one.text("topic", "events")): one for one in faults.of("consumer-lagging")}
    groups = {*lagging, *([("etl", "events")] if state.consumers else [])}
    for group, topic in sorted(groups):
        late: Fault | None = lagging.get((group, topic))
        lag = late.number("lag", 250_000.0) if late else 20.0 * _unit(group)
        growth = late.number("growth", 40_000.0) if late else 0.0
        labels = (("consumergroup", group), ("topic", topic))
        yield SyntheticSeries("slipway:consumer_lag:messages", labels, _constant(lag))
        yield SyntheticSeries("slipway:consumer_lag:growth_15m", labels, _constant(growth))


def _number(text: str | int | float) -> float:
    return quantity.parse(text) / 1000


def _constant(value: float) -> Value:
    return lambda at: value


def _grown(base: float, now: float) -> Value:
    return lambda at: base * max(0.1, 1 + _GROWTH * (at - now) / _DAY)


def _rounded(of: Value) -> Value:
    return lambda at: float(round(of(at)))


def _divided(of: Value, by: float) -> Value:
    return lambda at: of(at) / by


def _flat(seed: str, base: float) -> Value:
    return lambda at: base * (1 + 0.2 * _NOISE * _noise(seed, at))


def _wave(seed: str, base: float, now: float, swing: float = _SWING) -> Value:
    """Day, week, growth and noise around a base."""

    def value(at: float) -> float:
        day = 1 + swing * math.cos(2 * math.pi * (at - _PEAK) / _DAY)
        # The epoch was a Thursday: days 2 and 3 of each week since are a weekend.
        week = _WEEKEND if int(at // _DAY) % 7 in (2, 3) else 1.0
        growth = max(0.1, 1 + _GROWTH * (at - now) / _DAY)
        return max(0.0, base * day * week * growth * (1 + _NOISE * _noise(seed, at)))

    return value


def _percentile(of: Value, days: int) -> Value:
    def value(at: float) -> float:
        hours = sorted(of(at - 3600 * hour) for hour in range(0, 24 * days, days))
        return hours[min(len(hours) - 1, int(0.95 * len(hours)))]

    return value


def _noise(seed: str, at: float) -> float:
    return 2 * _unit(f"{seed}{int(at // 3600)}") - 1


@lru_cache(maxsize=65536)
def _unit(seed: str) -> float:
    """A number from 0 to 1 that only depends on the seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32


def labels_as_json(one: SyntheticSeries) -> Mapping[str, str]:
    """Labels with the name, as Prometheus shows them."""
    return {"__name__": one.name, **dict(one.labels)}
