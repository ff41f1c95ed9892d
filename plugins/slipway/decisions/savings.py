"""What would make a platform cheaper, and how much of it can be had at once.

Each saving is priced alone. Several of them work on the same cost (spot and Graviton for the same nodes, say), so the
sum that people are told is that of the best choice of savings which share no part of the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from slipway.decisions.cost_allocation import ClusterFacts, Used
from slipway.decisions.cost_estimate import Item, price_of
from slipway.model.bill import BillLine
from slipway.model.cost import Saving, Savings
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook, SavingsRates
from slipway.model.resource import Kind, Resource

# Below this a saving is not worth the reader's time.
WORTH_USD = 0.5
# Up to so many savings that overlap, the best choice is found by trying; beyond, the dearest goes first.
EXACT = 22


@dataclass(frozen=True, slots=True)
class SavingFacts:
    """What savings are found in.

    :param resources: the platform's own.
    :param items: what of them costs money.
    :param spot: USD per hour now, by instance type, the mean of the zones.
    :param plan: USD per hour under a one-year Compute Savings Plan without upfront payment, by instance type.
    :param lines: the bill of the last whole day.
    :param stateful: workloads of components that hold data.
    :param cluster: what runs; ``None`` when it could not be read.
    :param weekly: what workloads used at the 95th percentile of a week; ``None`` when Prometheus could not be asked.
    :param extended: names of clusters in extended support.
    """

    platform: Platform
    resources: Sequence[Resource]
    items: Sequence[Item]
    book: PriceBook
    rates: SavingsRates
    spot: Mapping[str, float] = field(default_factory=dict)
    plan: Mapping[str, float] = field(default_factory=dict)
    lines: Sequence[BillLine] = ()
    stateful: frozenset[str] = frozenset()
    cluster: ClusterFacts | None = None
    weekly: Mapping[tuple[str, str], Used] | None = None
    extended: frozenset[str] = frozenset()

    @property
    def file(self) -> str:
        """The environment's file, where most changes are made."""
        return f"include/environments/{self.platform.environment.name}.yaml"

    def of(self, *kinds: str) -> list[Resource]:
        """Resources of some kinds."""
        return [one for one in self.resources if one.kind in kinds]

    def cost(self, *resources: str) -> float:
        """USD a month of some resources, by their ids."""
        wanted = set(resources)
        return fsum(
            one.count * price[1]
            for one in self.items
            if one.resource in wanted and (price := price_of(one.key, self.book, self.spot))
        )

    def usd(self, key: str) -> float:
        """List price per unit, 0 when it is not known."""
        found = self.book.find(key)
        return 0.0 if found is None else found.usd

    def groups(self) -> dict[str, list[Resource]]:
        """Instances by the environment's node group; zonal groups are one."""
        names = sorted(self.platform.environment.node_groups, key=len, reverse=True)
        found: dict[str, list[Resource]] = {}
        for one in self.of(Kind.INSTANCE):
            placed = one.tags.get("eks:nodegroup-name", "")
            source = next((name for name in names if placed == name or placed.startswith(f"{name}-")), "")
            if source:
                found.setdefault(source, []).append(one)
        return found


def choose(candidates: Sequence[Saving]) -> Savings:
    """Order savings, and mark and sum the best choice of those that share nothing.

    Exact for groups of up to :data:`EXACT` savings that overlap, directly or through others; beyond that the dearest
    goes first.
    """
    worth = sorted((one for one in candidates if one.monthly_usd >= WORTH_USD), key=lambda one: -one.monthly_usd)
    counted: set[str] = set()
    for group in _overlapping(worth):
        chosen = _best(group) if len(group) <= EXACT else _greedy(group)
        counted |= {one.name for one in chosen}
    items = [one.model_copy(update={"counted": one.name in counted}) for one in worth]
    return Savings(items=items, total_usd=round(fsum(one.monthly_usd for one in items if one.counted), 2))


def _overlapping(items: Sequence[Saving]) -> list[list[Saving]]:
    """Groups of savings that touch each other, directly or through others."""
    groups: list[tuple[set[str], list[Saving]]] = []
    for one in items:
        touched, members = set(one.touches), [one]
        apart = []
        for parts, some in groups:
            if parts & touched:
                touched |= parts
                members = some + members
            else:
                apart.append((parts, some))
        groups = [*apart, (touched, members)]
    return [sorted(members, key=lambda one: -one.monthly_usd) for _, members in groups]


def _greedy(items: Sequence[Saving]) -> list[Saving]:
    chosen: list[Saving] = []
    taken: set[str] = set()
    for one in items:
        if not taken & set(one.touches):
            chosen.append(one)
            taken |= set(one.touches)
    return chosen


def _best(items: Sequence[Saving]) -> list[Saving]:
    """The choice with the largest sum, by branch and bound; the items are in falling order."""
    rest = [fsum(one.monthly_usd for one in items[index:]) for index in range(len(items) + 1)]
    best: list[Saving] = _greedy(items)
    best_usd = fsum(one.monthly_usd for one in best)

    def search(index: int, chosen: list[Saving], taken: frozenset[str], usd: float) -> None:
        nonlocal best, best_usd
        if usd > best_usd:
            best, best_usd = chosen, usd
        if index == len(items) or usd + rest[index] <= best_usd:
            return
        one = items[index]
        touches = frozenset(one.touches)
        if not taken & touches:
            search(index + 1, [*chosen, one], taken | touches, usd + one.monthly_usd)
        search(index + 1, chosen, taken, usd)

    search(0, [], frozenset(), 0.0)
    return best
