"""Predicates of the scheduler over one pod and one node, with kube-scheduler's words for each failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.admission.quota import effective
from rehearsal.kubernetes.objects import Obj, containers_of, dig, is_true, labels_of, name_of, namespace_of
from rehearsal.kubernetes.selectors import label_selector, requirements

_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


@dataclass
class NodeState:
    """A node with what is on it.

    :ivar used: requested amounts in thousandths by resource name.
    :ivar ports: host ports taken, as (protocol, port).
    """

    node: Obj
    pods: list[Obj] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    ports: set[tuple[str, int]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The node's name."""
        return name_of(self.node)

    def add(self, pod: Obj) -> None:
        """Count a pod in."""
        self.pods.append(pod)
        for name, amount in requests_of(pod).items():
            self.used[name] = self.used.get(name, 0) + amount
        self.ports |= host_ports(pod)


def requests_of(pod: Obj) -> dict[str, int]:
    """Effective requests in thousandths."""
    return effective(pod["spec"], "requests")


def host_ports(pod: Obj) -> set[tuple[str, int]]:
    """Ports of the node a pod takes."""
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for _, _, container in containers_of(pod["spec"])
        for port in container.get("ports") or []
        if port.get("hostPort")
    }


def resources(pod: Obj, state: NodeState) -> Iterator[str]:
    """What the node has too little of."""
    allocatable = dig(state.node, "status", "allocatable", default={})
    if len(state.pods) + 1 > int(allocatable.get("pods", 110)):
        yield "Too many pods"
    for name, amount in requests_of(pod).items():
        if not amount:
            continue
        room = quantity.parse(allocatable.get(name, "0")) - state.used.get(name, 0)
        if amount > room:
            yield f"Insufficient {name}"


def untolerated_taint(pod: Obj, node: Obj) -> str:
    """The first taint that keeps the pod away, empty when there is none."""
    taints = list(dig(node, "spec", "taints", default=[]))
    if dig(node, "spec", "unschedulable") and all(t["key"] != _UNSCHEDULABLE["key"] for t in taints):
        taints.insert(0, _UNSCHEDULABLE)
    if not is_true(node, "Ready") and all(t["key"] != _NOT_READY["key"] for t in taints):
        taints.append(_NOT_READY)
    for taint in taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerated(pod, taint):
            if taint["key"] == _UNSCHEDULABLE["key"]:
                return "node(s) were unschedulable"
            shown = taint["key"] + (f": {taint['value']}" if taint.get("value") else ": ")
            return f"node(s) had untolerated taint {{{shown}}}"
    return ""


def tolerated(pod: Obj, taint: Obj) -> bool:
    """Whether some toleration of the pod covers a taint."""
    for toleration in dig(pod, "spec", "tolerations", default=[]):
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        key = toleration.get("key", "")
        if key and key != taint["key"]:
            continue
        if toleration.get("operator") == "Exists" or (key and toleration.get("value", "") == taint.get("value", "")):
            return True
    return False


def affinity_fits(pod: Obj, node: Obj) -> bool:
    """``nodeSelector`` and required node affinity."""
    labels = labels_of(node)
    selector = dig(pod, "spec", "nodeSelector", default={})
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    terms = dig(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
    )
    return terms is None or any(term_fits(term, node) for term in terms)


def term_fits(term: Obj, node: Obj) -> bool:
    """One node selector term; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return requirements(expressions)(labels_of(node)) and requirements(fields)({"metadata.name": name_of(node)})


def daemon_fits(pod: Obj, node: Obj) -> bool:
    """Whether a DaemonSet's pod belongs on a node."""
    wanted = pod["spec"].get("nodeName")
    return (not wanted or wanted == name_of(node)) and affinity_fits(pod, node) and not untolerated_taint(pod, node)


def _term_matches(term: Obj, owner: Obj, other: Obj, namespaces: dict[str, Obj]) -> bool:
    """Whether ``other`` is one of the pods a pod (anti-)affinity term of ``owner`` speaks of."""
    names = term.get("namespaces") or []
    if term.get("namespaceSelector") is not None:
        namespace = namespaces.get(namespace_of(other))
        fits = label_selector(term["namespaceSelector"])(labels_of(namespace) if namespace else {})
        if not fits and namespace_of(other) not in names:
            return False
    elif namespace_of(other) not in (names or [namespace_of(owner)]):
        return False
    return label_selector(term.get("labelSelector"))(labels_of(other))


def _required(pod: Obj, kind: str) -> list[Obj]:
    return list(dig(pod, "spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution", default=[]))


def pod_affinity(pod: Obj, state: NodeState, states: list[NodeState], namespaces: dict[str, Obj]) -> str:
    """Required inter-pod affinity and anti-affinity, in both directions."""
    labels = labels_of(state.node)
    for term in _required(pod, "podAffinity"):
        matching = [other.node for other in states for p in other.pods if _term_matches(term, pod, p, namespaces)]
        domain = labels.get(term["topologyKey"])
        first = not matching and _term_matches(term, pod, pod, namespaces)
        if domain is None or (not first and all(labels_of(n).get(term["topologyKey"]) != domain for n in matching)):
            return "node(s) didn't match pod affinity rules"
    for term in _required(pod, "podAntiAffinity"):
        for other in _same_domain(term["topologyKey"], state, states):
            if any(_term_matches(term, pod, p, namespaces) for p in other.pods):
                return "node(s) didn't match pod anti-affinity rules"
    for other in states:
        for existing in other.pods:
            for term in _required(existing, "podAntiAffinity"):
                domain = labels.get(term["topologyKey"])
                same = domain is not None and labels_of(other.node).get(term["topologyKey"]) == domain
                if same and _term_matches(term, existing, pod, namespaces):
                    return "node(s) didn't satisfy existing pods anti-affinity rules"
    return ""


def _same_domain(key: str, state: NodeState, states: list[NodeState]) -> list[NodeState]:
    domain = labels_of(state.node).get(key)
    return [] if domain is None else [s for s in states if labels_of(s.node).get(key) == domain]


def topology_spread(pod: Obj, state: NodeState, states: list[NodeState]) -> str:
    """``topologySpreadConstraints`` with DoNotSchedule, over the nodes the pod's affinity allows."""
    for constraint in dig(pod, "spec", "topologySpreadConstraints", default=[]):
        if constraint.get("whenUnsatisfiable") != "DoNotSchedule":
            continue
        key = constraint["topologyKey"]
        domain = labels_of(state.node).get(key)
        if domain is None:
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        selector = dict(constraint.get("labelSelector") or {})
        for label in constraint.get("matchLabelKeys") or []:
            if label in labels_of(pod):
                selector["matchLabels"] = {**(selector.get("matchLabels") or {}), label: labels_of(pod)[label]}
        matches = label_selector(selector)
        counts: dict[str, int] = {}
        for other in states:
            where = labels_of(other.node).get(key)
            if where is None or not affinity_fits(pod, other.node) or _taints_excluded(constraint, pod, other):
                continue
            found = sum(
                namespace_of(p) == namespace_of(pod)
                and matches(labels_of(p))
                and "deletionTimestamp" not in p["metadata"]
                for p in other.pods
            )
            counts[where] = counts.get(where, 0) + found
        lowest = min(counts.values(), default=0)
        if len(counts) < constraint.get("minDomains", 1):
            lowest = 0
        if counts.get(domain, 0) + int(matches(labels_of(pod))) - lowest > constraint.get("maxSkew", 1):
            return "node(s) didn't match pod topology spread constraints"
    return ""


def _taints_excluded(constraint: Obj, pod: Obj, state: NodeState) -> bool:
    return constraint.get("nodeTaintsPolicy") == "Honor" and bool(untolerated_taint(pod, state.node))


def volume_fits(volume: Obj, node: Obj) -> bool:
    """A bound volume's node affinity."""
    terms = dig(volume, "spec", "nodeAffinity", "required", "nodeSelectorTerms")
    return terms is None or any(term_fits(term, node) for term in terms)
