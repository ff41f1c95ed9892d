"""The cheapest fleet that holds a pool's pods with headroom: bin packing by first fit, largest first.

Pods of one workload are alike, so they are placed a node at a time and not one by one: thirty thousand pods of three
hundred workloads are a matter of milliseconds per instance type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slipway.decisions.capacity import allocatable
from slipway.decisions.estimate import HOURS_PER_MONTH
from slipway.model.facts import InstanceType
from slipway.model.scale import DemandFact, FleetOption

HEADROOM = 0.2
# Beyond that a pool is split by people, not packed by us.
MOST_NODES = 2000


@dataclass(slots=True)
class _Bin:
    cpu: int
    memory: int
    pods: int


def pack(demands: Iterable[DemandFact], cpu: int, memory: int, pods: int, headroom: float = HEADROOM) -> int | None:
    """Nodes needed of a size, ``None`` when a pod is too large for one.

    :param cpu: millicores that a node offers; ``memory`` in MiB; ``headroom`` is the share of both kept free.
    """
    found = list(demands)
    daemons = [one for one in found if one.everywhere]
    free = _Bin(
        int(cpu * (1 - headroom)) - sum(one.cpu for one in daemons),
        int(memory * (1 - headroom)) - sum(one.memory for one in daemons),
        pods - len(daemons),
    )
    bins: list[_Bin] = []
    # Largest by the scarcer of both, as shares of a node.
    rest = sorted(
        (one for one in found if not one.everywhere and one.count),
        key=lambda one: -max(one.cpu / max(cpu, 1), one.memory / max(memory, 1)),
    )
    first = 0
    for demand in rest:
        left = demand.count
        for one in bins[first:]:
            taken = min(left, _fits(one, demand))
            _take(one, demand, taken)
            left -= taken
            if not left:
                break
        while left:
            fresh = _Bin(free.cpu, free.memory, free.pods)
            taken = min(left, _fits(fresh, demand))
            if taken <= 0 or len(bins) >= MOST_NODES:
                return None
            _take(fresh, demand, taken)
            bins.append(fresh)
            left -= taken
        # Nodes that are full to the last place need not be asked again.
        while first < len(bins) and (bins[first].pods <= 0 or bins[first].cpu <= 0 or bins[first].memory <= 0):
            first += 1
    return len(bins)


def _fits(one: _Bin, demand: DemandFact) -> int:
    by_cpu = one.cpu // demand.cpu if demand.cpu else one.pods
    by_memory = one.memory // demand.memory if demand.memory else one.pods
    return max(0, min(by_cpu, by_memory, one.pods))


def _take(one: _Bin, demand: DemandFact, count: int) -> None:
    one.cpu -= demand.cpu * count
    one.memory -= demand.memory * count
    one.pods -= count


def options(
    pool: str,
    demands: Sequence[DemandFact],
    instances: Mapping[str, InstanceType],
    prices: Mapping[str, float],
    *,
    current: str,
    at_least: int,
    prefix_delegation: bool,
) -> list[FleetOption]:
    """Fleets of one instance type each that hold a pool, cheapest first; types without price are left out.

    :param current: today's instance type; only types of its architecture are candidates.
    :param at_least: fewest nodes, for replicas that must not share one.
    """
    mine = [one for one in demands if one.pool == pool]
    cpu = sum(one.cpu * one.count for one in mine if not one.everywhere)
    memory = sum(one.memory * one.count for one in mine if not one.everywhere)
    found = []
    architecture = instances[current].architecture if current in instances else "x86_64"
    for name, instance in instances.items():
        if name not in prices or instance.architecture != architecture:
            continue
        offers = allocatable(instance, prefix_delegation=prefix_delegation)
        needed = pack(mine, offers.cpu, offers.memory, offers.pods)
        if needed is None:
            continue
        nodes = max(needed, at_least)
        found.append(
            FleetOption(
                pool=pool,
                instance_type=name,
                nodes=nodes,
                monthly_usd=round(nodes * prices[name] * HOURS_PER_MONTH, 2),
                cpu_share=round(cpu / max(1, nodes * offers.cpu), 3),
                memory_share=round(memory / max(1, nodes * offers.memory), 3),
                current=name == current,
            )
        )
    return sorted(found, key=lambda one: (one.monthly_usd, one.nodes))


def apart(demands: Iterable[DemandFact]) -> int:
    """Fewest nodes that keep replicas of small workloads apart: three brokers want three nodes."""
    sets = [one.count for one in demands if one.kind == "StatefulSet" and 1 < one.count <= 5]
    return max(sets, default=1)


def share(used: float, of: float) -> float:
    """A share, 0 of nothing."""
    return used / of if of and math.isfinite(of) else 0.0
