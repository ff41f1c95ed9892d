"""Does the platform fit its node groups? Says which pods do not, and what would hold them.

Pods are placed largest first onto the tightest node that takes them, replicas over zones first. The scheduler may place
them otherwise, but nothing is called fitting here that has no placement at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.decisions.capacity import Allocatable
from slipway.decisions.checks import CPU_REQUEST, memory_request
from slipway.decisions.quantities import mebibytes, millicores
from slipway.model.component import Component
from slipway.model.errors import ConfigurationError, Problem

# More extra nodes than this is a different platform, not an adjustment.
_MOST_EXTRA_NODES = 20


@dataclass(frozen=True, slots=True)
class Demand:
    """Pods of one workload: requests of each pod, CPU in millicores and memory in MiB.

    :param everywhere: a DaemonSet: one pod on every node that takes it.
    :param apart: topology key that no two of these pods may share (required anti-affinity).
    """

    owner: str
    component: str
    pods: int
    cpu: int
    memory: int
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[tuple[str, str, str], ...] = ()
    everywhere: bool = False
    apart: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Nodes of one managed node group in one zone."""

    group: str
    zone: str
    instance_type: str
    offers: Allocatable
    labels: Mapping[str, str]
    taints: tuple[tuple[str, str, str], ...] = ()
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class Misfit:
    """Pods of a workload that found no place."""

    demand: Demand
    pods: int
    why: str


@dataclass(slots=True)
class _Node:
    shape: Shape
    name: str
    cpu: int
    memory: int
    pods: int
    owners: set[str] = field(default_factory=set)

    def takes(self, demand: Demand) -> bool:
        return self.cpu >= demand.cpu and self.memory >= demand.memory and self.pods >= 1

    def put(self, demand: Demand) -> None:
        self.cpu -= demand.cpu
        self.memory -= demand.memory
        self.pods -= 1
        self.owners.add(demand.owner)


@dataclass(frozen=True, slots=True)
class Fit:
    """Verdict: nothing in ``misfits`` means that everything found a place.

    :param free_cpu: millicores left over all nodes; ``free_memory`` in MiB; ``free_pods`` likewise.
    """

    misfits: tuple[Misfit, ...]
    nodes: int
    free_cpu: int
    free_memory: int
    free_pods: int

    @property
    def fits(self) -> bool:
        """Whether every pod found a place."""
        return not self.misfits


def judge_fit(demands: Sequence[Demand], shapes: Sequence[Shape]) -> Fit:
    """Place all demands onto the nodes of all shapes."""
    nodes = [
        _Node(shape, f"{shape.group}/{shape.zone}/{index}", shape.offers.cpu, shape.offers.memory, shape.offers.pods)
        for shape in shapes
        for index in range(shape.nodes)
    ]
    misfits: list[Misfit] = []
    for demand in (one for one in demands if one.everywhere):
        missed = 0
        for node in nodes:
            if not _admits(node.shape, demand):
                continue
            if node.takes(demand):
                node.put(demand)
            else:
                missed += 1
        if missed:
            misfits.append(Misfit(demand, missed, f"a pod for every node, and {missed} nodes are full"))
    for demand in sorted((one for one in demands if not one.everywhere), key=lambda one: (-one.memory, -one.cpu)):
        missed = sum(not _place(demand, nodes) for _ in range(demand.pods))
        if missed:
            misfits.append(Misfit(demand, missed, _why(demand, nodes)))
    return Fit(
        tuple(misfits),
        len(nodes),
        sum(node.cpu for node in nodes),
        sum(node.memory for node in nodes),
        sum(node.pods for node in nodes),
    )


def what_would_hold(demands: Sequence[Demand], shapes: Sequence[Shape], misfits: Iterable[Misfit]) -> str:
    """Smallest addition of nodes to one group that lets everything fit, as a sentence."""
    wanted = {misfit.demand.owner: misfit.demand for misfit in misfits}
    groups = {shape.group for shape in shapes if any(_admits(shape, demand) for demand in wanted.values())}
    if not groups:
        labels = ", ".join(sorted({f"{key}={value}" for one in wanted.values() for key, value in one.selector.items()}))
        return f"no node group has the labels and accepts the taints asked for ({labels or 'taints'}); add one"
    for extra in range(1, _MOST_EXTRA_NODES + 1):
        for group in sorted(groups):
            if judge_fit(demands, _grown(shapes, group, extra)).fits:
                instance = next(shape.instance_type for shape in shapes if shape.group == group)
                return f"{extra} more {instance} in node group {group}"
    return "larger instance types: more nodes of today's do not hold them"


def _grown(shapes: Sequence[Shape], group: str, extra: int) -> list[Shape]:
    """The shapes with ``extra`` more nodes of a group, spread over its zones."""
    members = [index for index, shape in enumerate(shapes) if shape.group == group]
    added = Counter(members[step % len(members)] for step in range(extra))
    return [replace(shape, nodes=shape.nodes + added[index]) for index, shape in enumerate(shapes)]


def _place(demand: Demand, nodes: Sequence[_Node]) -> bool:
    taken = {node.name: node for node in nodes if demand.owner in node.owners}
    zones = {node.shape.zone for node in taken.values()}
    candidates = [
        node
        for node in nodes
        if _admits(node.shape, demand)
        and node.takes(demand)
        and not (demand.apart == "kubernetes.io/hostname" and node.name in taken)
        and not (demand.apart == "topology.kubernetes.io/zone" and node.shape.zone in zones)
    ]
    if not candidates:
        return False
    # Replicas spread over zones first, as the platform's spread constraints ask; then the tightest node that holds it.
    best = min(candidates, key=lambda node: (node.shape.zone in zones, node.name in taken, node.memory, node.name))
    best.put(demand)
    return True


def _admits(shape: Shape, demand: Demand) -> bool:
    if any(shape.labels.get(key) != value for key, value in demand.selector.items()):
        return False
    return all(any(_tolerates(toleration, taint) for toleration in demand.tolerations) for taint in shape.taints)


def _tolerates(toleration: tuple[str, str, str], taint: tuple[str, str, str]) -> bool:
    key, value, effect = toleration
    if taint[2] == "PreferNoSchedule":
        return True
    return (key in {"", taint[0]}) and (value in {"*", taint[1]}) and (effect in {"", taint[2]})


def _why(demand: Demand, nodes: Sequence[_Node]) -> str:
    admitted = [node for node in nodes if _admits(node.shape, demand)]
    if not admitted:
        return "no node has the labels it selects and the taints it tolerates"
    if all(node.shape.offers.cpu < demand.cpu or node.shape.offers.memory < demand.memory for node in admitted):
        return f"asks for {demand.cpu}m CPU and {demand.memory}Mi memory, more than any of its nodes offers to pods"
    reasons = Counter(
        "Insufficient cpu"
        if node.cpu < demand.cpu
        else "Insufficient memory"
        if node.memory < demand.memory
        else "Too many pods"
        if node.pods < 1
        else f"shares {demand.apart} with another of its pods"
        for node in admitted
    )
    return ", ".join(f"{count} of {len(admitted)} nodes: {reason}" for reason, count in reasons.most_common())


def demands_of(component: str, manifests: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """Long-running pods of rendered manifests. Jobs come and go, and are not held against the fleet."""
    found = []
    for manifest in manifests:
        if manifest["kind"] not in {"Deployment", "StatefulSet", "DaemonSet"}:
            continue
        spec = manifest["spec"]
        pod = spec["template"]["spec"]
        cpu, memory = _requests(pod)
        namespace = manifest["metadata"].get("namespace", "default")
        found.append(
            Demand(
                owner=f"{manifest['kind']} {namespace}/{manifest['metadata']['name']}",
                component=component,
                pods=spec.get("replicas", 1),
                cpu=cpu,
                memory=memory,
                selector=pod.get("nodeSelector", {}),
                tolerations=tuple(
                    (
                        one.get("key", ""),
                        "*" if one.get("operator") == "Exists" else one.get("value", ""),
                        one.get("effect", ""),
                    )
                    for one in pod.get("tolerations", [])
                ),
                everywhere=manifest["kind"] == "DaemonSet",
                apart=_apart(pod),
            )
        )
    return found


def all_demands(rendered: Iterable[tuple[Component, Iterable[Mapping[str, Any]]]]) -> list[Demand]:
    """:func:`demands_of` all components.

    :raises ConfigurationError: requests or a shape of a manifest that cannot be read.
    """
    demands: list[Demand] = []
    problems: list[Problem] = []
    for component, manifests in rendered:
        for manifest in manifests:
            try:
                demands += demands_of(component.name, [manifest])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                where = f"include/manifests/{component.stage.value}/{component.name}"
                field = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
                found = f"{type(error).__name__}: {error}"
                allowed = "a workload with containers whose requests are Kubernetes quantities"
                problems.append(Problem(where, field, found, allowed, "correct its manifest"))
    if problems:
        raise ConfigurationError(problems)
    return demands


def largest_check(components: Iterable[Component]) -> list[Demand]:
    """The check pod that needs the most room. Checks come and go, but each of them must find a place once."""
    demands = [
        Demand(
            f"check {component.name}/{check.name}",
            component.name,
            1,
            millicores(CPU_REQUEST),
            mebibytes(memory_request(check)),
        )
        for component in components
        for check in component.spec.checks
    ]
    return sorted(demands, key=lambda one: one.memory)[-1:]


def _requests(pod: Mapping[str, Any]) -> tuple[int, int]:
    """Effective requests of a pod: the sum of its containers, or its largest init container when that asks for more."""

    def ask(container: Mapping[str, Any]) -> tuple[int, int]:
        requests = container.get("resources", {}).get("requests", {})
        return millicores(requests.get("cpu", 0)), mebibytes(requests.get("memory", 0))

    running = [ask(container) for container in pod["containers"]]
    sidecars = [ask(one) for one in pod.get("initContainers", []) if one.get("restartPolicy") == "Always"]
    starting = [ask(one) for one in pod.get("initContainers", []) if one.get("restartPolicy") != "Always"]
    cpu = max([sum(one[0] for one in [*running, *sidecars]), *(one[0] for one in starting)])
    memory = max([sum(one[1] for one in [*running, *sidecars]), *(one[1] for one in starting)])
    return cpu, memory


def _apart(pod: Mapping[str, Any]) -> str | None:
    terms = pod.get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return terms[0]["topologyKey"] if terms else None
