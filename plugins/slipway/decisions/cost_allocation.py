"""Who the cluster's cost is for: components and teams, by what their pods ask for and use.

A node's price is split between its CPU and its memory in the ratio that OpenCost assumes (0.031611 USD per core and
hour to 0.004237 USD per GiB and hour). A pod is charged the larger of what it requested and what it used, and what
nobody is charged with is idle: it is shown apart, since no component can lower it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from slipway.model.cost import Allocation, Share

CPU_WEIGHT = 0.031611
GIB_WEIGHT = 0.004237
_GIB = 1024**3
NOBODY = "(none)"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node. :param instance: EC2 instance id, empty when unknown."""

    name: str
    instance: str
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod that has a node.

    :param cpu: requested cores; ``memory`` in bytes.
    :param owner: workload, as recorded series name it.
    :param claims: persistent volume claims that it mounts.
    """

    namespace: str
    name: str
    node: str
    component: str
    team: str
    cpu: float
    memory: float
    owner: str = ""
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """A bound persistent volume claim. :param volume: EBS volume id."""

    namespace: str
    name: str
    volume: str
    component: str
    team: str


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What runs in the cluster, and on what."""

    nodes: list[NodeFacts]
    pods: list[PodFacts]
    claims: list[ClaimFacts]


@dataclass(frozen=True, slots=True)
class Used:
    """What a workload's pods use together. :param cpu: cores; ``memory`` in bytes."""

    cpu: float
    memory: float


def allocate(
    facts: ClusterFacts,
    costs: Mapping[str, float],
    node_disks: Mapping[str, float],
    total_usd: float,
    usage: Mapping[tuple[str, str], Used] | None = None,
) -> Allocation:
    """Split the estimate.

    :param costs: USD a month by resource id: instances, volumes.
    :param node_disks: USD a month of the root volumes of an instance, by its id.
    :param total_usd: the whole estimate; what is neither node nor claimed volume is shared.
    :param usage: by namespace and workload; ``None`` when Prometheus could not be asked.
    """
    prices = {node.name: costs.get(node.instance, 0.0) + node_disks.get(node.instance, 0.0) for node in facts.nodes}
    charged, idle = _compute(facts, prices, _shares(facts.pods, usage))
    storage = [(claim, costs.get(claim.volume, 0.0)) for claim in facts.claims]
    compute_usd, storage_usd = fsum(prices.values()), fsum(usd for _, usd in storage)
    return Allocation(
        basis="requests" if usage is None else "requests and usage",
        components=_by(charged, storage, lambda one: one.component),
        teams=_by(charged, storage, lambda one: one.team),
        idle_usd=round(idle, 4),
        shared_usd=round(total_usd - compute_usd - storage_usd, 4),
        total_usd=round(total_usd, 4),
    )


def _shares(
    pods: Sequence[PodFacts], usage: Mapping[tuple[str, str], Used] | None
) -> dict[tuple[str, str], tuple[float, float]]:
    """What each pod is charged for: the larger of request and use, the workload's use split between its pods."""
    counts: dict[tuple[str, str], int] = {}
    for pod in pods:
        counts[pod.namespace, pod.owner] = counts.get((pod.namespace, pod.owner), 0) + 1
    found = {}
    for pod in pods:
        used = (usage or {}).get((pod.namespace, pod.owner))
        count = counts[pod.namespace, pod.owner]
        cpu = max(pod.cpu, used.cpu / count if used else 0.0)
        memory = max(pod.memory, used.memory / count if used else 0.0)
        found[pod.namespace, pod.name] = (cpu, memory)
    return found


def _compute(
    facts: ClusterFacts, prices: Mapping[str, float], shares: Mapping[tuple[str, str], tuple[float, float]]
) -> tuple[list[tuple[PodFacts, float]], float]:
    """USD of each pod, and what is left of the nodes."""
    charged: list[tuple[PodFacts, float]] = []
    idle = 0.0
    for node in facts.nodes:
        mine = [pod for pod in facts.pods if pod.node == node.name]
        cpu_price, memory_price = _split(node, prices[node.name])
        asked = [shares[pod.namespace, pod.name] for pod in mine]
        # More than there is, by bursts, is charged in proportion.
        cpu_unit = cpu_price / max(node.cpu, fsum(cpu for cpu, _ in asked), 1e-9)
        memory_unit = memory_price / max(node.memory, fsum(memory for _, memory in asked), 1e-9)
        amounts = [cpu * cpu_unit + memory * memory_unit for cpu, memory in asked]
        charged += zip(mine, amounts, strict=True)
        idle += prices[node.name] - fsum(amounts)
    return charged, idle


def _split(node: NodeFacts, price: float) -> tuple[float, float]:
    cpu, memory = node.cpu * CPU_WEIGHT, node.memory / _GIB * GIB_WEIGHT
    whole = cpu + memory
    return (price * cpu / whole, price * memory / whole) if whole else (0.0, 0.0)


def _by(
    charged: Iterable[tuple[PodFacts, float]],
    storage: Iterable[tuple[ClaimFacts, float]],
    name: Callable[[PodFacts | ClaimFacts], str],
) -> list[Share]:
    pods: dict[str, list[float]] = {}
    disks: dict[str, list[float]] = {}
    for pod, usd in charged:
        pods.setdefault(name(pod) or NOBODY, []).append(usd)
    for claim, usd in storage:
        disks.setdefault(name(claim) or NOBODY, []).append(usd)
    found = [
        Share(
            name=one,
            pods=len(pods.get(one, [])),
            compute_usd=round(fsum(pods.get(one, [])), 4),
            storage_usd=round(fsum(disks.get(one, [])), 4),
        )
        for one in {*pods, *disks}
    ]
    return sorted(found, key=lambda share: (-share.usd, share.name))
