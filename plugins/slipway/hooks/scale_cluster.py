"""What a cluster's pods ask of its nodes, summed up page by page: memory grows with workloads, not with pods."""

from __future__ import annotations

from datetime import datetime

import msgspec

from slipway.decisions.quantities import mebibytes, millicores
from slipway.hooks.listing import Container, Lister, Meta, Node, Pod
from slipway.model.scale import DemandFact, NodeFact, ScaleFacts

POOL = "slipway.dev/workload"
GROUP = "eks.amazonaws.com/nodegroup"
PRIMARY = "primary"
_ENDED = frozenset({"Succeeded", "Failed"})


class _Labelled(msgspec.Struct, frozen=True):
    metadata: Meta


class ClusterSums:
    """Gathers nodes and demands into :class:`ScaleFacts`."""

    def __init__(self, lister: Lister, facts: ScaleFacts) -> None:
        self.lister = lister
        self.facts = facts
        self._pools: dict[str, str] = {}
        self._asks: dict[tuple[str, str], int] = {}

    async def gather(self) -> None:
        """Read nodes, then pods, then whether an autoscaler is there."""
        nodes = []
        async for page in self.lister.pages("/api/v1/nodes", Node):
            nodes += [_node(one) for one in page]
        self.facts.nodes = nodes
        self._pools = {node.name: node.pool for node in nodes}
        await self._pods()
        selector = {"labelSelector": "app.kubernetes.io/name=cluster-autoscaler"}
        found = await self.lister.all("/apis/apps/v1/deployments", _Labelled, selector)
        self.facts.autoscaler = bool(found)

    async def _pods(self) -> None:
        demands: dict[tuple[str, str, str, str, int, int], DemandFact] = {}
        count = 0
        async for page in self.lister.pages("/api/v1/pods", Pod):
            for pod in page:
                if pod.status.phase in _ENDED:
                    continue
                count += 1
                self._add(demands, pod)
        self.facts.pods = count
        self.facts.demands = list(demands.values())

    def _add(self, demands: dict[tuple[str, str, str, str, int, int], DemandFact], pod: Pod) -> None:
        kind, workload = pod.workload
        # What asks for no pool and has no node yet will be placed in the one that takes everything.
        pool = self._pools.get(pod.spec.node_name, "") or pod.spec.node_selector.get(POOL, PRIMARY)
        cpu, memory = self._requests(pod)
        key = (pod.metadata.namespace, workload, kind, pool, cpu, memory)
        found = demands.get(key)
        if found is None:
            found = demands[key] = DemandFact(*key[:4], cpu, memory)
        found.count += 1
        if pod.status.phase == "Pending" and not pod.spec.node_name:
            found.pending += 1
            since = pod.metadata.creation_timestamp
            if since is not None:
                found.pending_since = _earlier(found.pending_since, since)

    def _requests(self, pod: Pod) -> tuple[int, int]:
        """Millicores and MiB: the sum of containers and sidecars, or the largest init container."""
        cpu = memory = most_cpu = most_memory = 0
        for one in pod.spec.containers:
            cpu += self._cpu(one)
            memory += self._memory(one)
        for one in pod.spec.init_containers:
            if one.restart_policy == "Always":
                cpu += self._cpu(one)
                memory += self._memory(one)
            else:
                most_cpu, most_memory = max(most_cpu, self._cpu(one)), max(most_memory, self._memory(one))
        return max(cpu, most_cpu), max(memory, most_memory)

    def _cpu(self, container: Container) -> int:
        return self._parsed("cpu", container.resources.requests.get("cpu", 0))

    def _memory(self, container: Container) -> int:
        return self._parsed("memory", container.resources.requests.get("memory", 0))

    def _parsed(self, kind: str, text: str | int | float) -> int:
        """Quantities repeat: thirty thousand pods know a few dozen of them."""
        key = (kind, str(text))
        if key not in self._asks:
            self._asks[key] = millicores(text) if kind == "cpu" else mebibytes(text)
        return self._asks[key]


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _node(node: Node) -> NodeFact:
    offers, labels = node.status.allocatable, node.metadata.labels
    return NodeFact(
        node.metadata.name,
        labels.get(GROUP, ""),
        labels.get(POOL, ""),
        millicores(offers.get("cpu", 0)),
        mebibytes(offers.get("memory", 0)),
        int(offers.get("pods", 0)),
    )
