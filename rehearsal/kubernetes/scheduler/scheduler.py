"""Places pods on nodes one at a time, and says why it cannot."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.controllers.volumes import SELECTED_NODE
from rehearsal.kubernetes.objects import (
    Obj,
    annotations_of,
    claims_of,
    condition,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
    with_condition,
)
from rehearsal.kubernetes.scheduler import filters
from rehearsal.kubernetes.scheduler.filters import NodeState
from rehearsal.kubernetes.store import Event

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_CLAIMS = "persistentvolumeclaims"
_BINDING_TIMEOUT = 600.0
_ZONE = "topology.kubernetes.io/zone"


class Unschedulable(Exception):
    """No node fits for a reason that has nothing to do with nodes."""


class Scheduler(Controller):
    """Binds pending pods."""

    resource = "pods"
    watches = ("nodes", _CLAIMS, "persistentvolumes")

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._assumed: dict[str, tuple[str, float]] = {}

    @property
    def component(self) -> str:
        """As events name it."""
        return "default-scheduler"

    def affected(self, event: Event) -> Iterable[Name]:
        """A new pod; or all pending ones when room may have been made."""
        if event.resource == "pods":
            if event.type == "DELETED":
                self._assumed.pop(uid_of(event.obj), None)
            if event.type == "DELETED" or _ended(event):
                return self._pending()
            obj = event.obj
            if _assigned(event):
                return [n for n in self._pending() if (p := self.store.get("pods", *n)) and _heeds_neighbours(p)]
            waiting = not dig(obj, "spec", "nodeName") and event.type == "ADDED"
            ungated = event.old is not None and bool(dig(event.old, "spec", "schedulingGates"))
            return [(namespace_of(obj), name_of(obj))] if waiting or ungated else []
        if event.resource == "nodes" and event.old is not None and _relevant(event.old) == _relevant(event.obj):
            return []
        return self._pending()

    def _pending(self) -> list[Name]:
        waiting = [p for p in self.store.scan("pods") if not dig(p, "spec", "nodeName") and not is_deleting(p)]
        waiting.sort(key=lambda p: (-dig(p, "spec", "priority", default=0), int(p["metadata"]["resourceVersion"])))
        return [(namespace_of(p), name_of(p)) for p in waiting]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bind one pod, or record why it fits nowhere."""
        pod = self.store.get("pods", namespace, name)
        if pod is None or dig(pod, "spec", "nodeName") or is_deleting(pod):
            return None
        if dig(pod, "status", "phase") != "Pending" or dig(pod, "spec", "schedulerName") != "default-scheduler":
            return None
        if dig(pod, "spec", "schedulingGates"):
            self._set_condition(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return None
        if (waiting := self._waits_for_volumes(pod)) is not None:
            return waiting or None
        try:
            node, refusals, total = self._choose(pod)
        except Unschedulable as error:
            self._refuse(pod, str(error))
            return None
        if node is None:
            self._refuse(pod, explain(refusals, total))
            return None
        if not self._unbound(pod):
            self._bind(pod, node.name)
            return None
        self._reserve(pod, node.name)
        return self._waits_for_volumes(pod)

    def _unbound(self, pod: Obj) -> list[Obj]:
        """The pod's claims without a volume."""
        found = (self.store.get(_CLAIMS, namespace_of(pod), name) for name in claims_of(pod))
        return [claim for claim in found if claim is not None and dig(claim, "status", "phase") != "Bound"]

    def _reserve(self, pod: Obj, node: str) -> None:
        """Hold the pod's place, and tell late-binding claims where it is: their provisioner does the rest."""
        self._assumed[uid_of(pod)] = (node, time.monotonic() + self.cluster.settings.seconds(_BINDING_TIMEOUT))
        for claim in self._unbound(pod):
            self.registry.edit(_CLAIMS, claim, annotations={**annotations_of(claim), SELECTED_NODE: node})

    def _waits_for_volumes(self, pod: Obj) -> float | None:
        """Bind a reserved pod whose volumes have come; None when it has no place reserved.

        :returns: seconds until the reservation ends, 0 when the pod was bound.
        """
        reserved = self._assumed.get(uid_of(pod))
        if reserved is None:
            return None
        node, until = reserved
        if self.store.get("nodes", "", node) is None:
            del self._assumed[uid_of(pod)]
            return None
        if not self._unbound(pod):
            self._bind(pod, node)
            return 0.0
        left = until - time.monotonic()
        if left > 0:
            return left
        del self._assumed[uid_of(pod)]
        text = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
        self._refuse(pod, text)
        return None

    def _choose(self, pod: Obj) -> tuple[NodeState | None, Counter[str], int]:
        volumes = self._volumes(pod)
        states = self._states()
        namespaces = {name_of(n): n for n in self.store.scan("namespaces")} if _has_pod_affinity(pod, states) else {}
        refusals: Counter[str] = Counter()
        fitting = []
        for state in states:
            reasons = list(self._refusals(pod, state, states, volumes, namespaces))
            if reasons:
                refusals.update(reasons)
            else:
                fitting.append(state)
        best = min(fitting, key=lambda s: _score(pod, s, states), default=None)
        return best, refusals, len(states)

    def _states(self) -> list[NodeState]:
        states = {name_of(node): NodeState(node) for node in self.store.objects("nodes")}
        for pod in self.store.scan("pods"):
            reserved, _ = self._assumed.get(uid_of(pod), ("", 0.0))
            state = states.get(dig(pod, "spec", "nodeName", default=reserved))
            if state is not None and dig(pod, "status", "phase") not in ("Succeeded", "Failed"):
                state.add(pod)
        return list(states.values())

    def _refusals(
        self, pod: Obj, state: NodeState, states: list[NodeState], volumes: list[Obj], namespaces: dict[str, Obj]
    ) -> Iterable[str]:
        """The first failing predicate of a node; resources may give several reasons, as kube-scheduler does."""
        if taint := filters.untolerated_taint(pod, state.node):
            return [taint]
        if not filters.affinity_fits(pod, state.node):
            return ["node(s) didn't match Pod's node affinity/selector"]
        if filters.host_ports(pod) & state.ports:
            return ["node(s) didn't have free ports for the requested pod ports"]
        if lacking := list(filters.resources(pod, state)):
            return lacking
        if not all(filters.volume_fits(volume, state.node) for volume in volumes):
            return ["node(s) didn't match PersistentVolume's node affinity"]
        if spread := filters.topology_spread(pod, state, states):
            return [spread]
        affinity = filters.pod_affinity(pod, state, states, namespaces)
        return [affinity] if affinity else []

    def _volumes(self, pod: Obj) -> list[Obj]:
        """Bound volumes of the pod's claims.

        :raises Unschedulable: when a claim is absent, being deleted, or immediate and not bound yet.
        """
        bound = []
        for name in claims_of(pod):
            claim = self.store.get(_CLAIMS, namespace_of(pod), name)
            if claim is None:
                raise Unschedulable(f'persistentvolumeclaim "{name}" not found')
            if is_deleting(claim):
                raise Unschedulable(f'persistentvolumeclaim "{name}" is being deleted')
            volume = self.store.get("persistentvolumes", "", dig(claim, "spec", "volumeName", default=""))
            if volume is not None and dig(claim, "status", "phase") == "Bound":
                bound.append(volume)
            elif not self._binds_late(claim):
                raise Unschedulable("pod has unbound immediate PersistentVolumeClaims")
        return bound

    def _binds_late(self, claim: Obj) -> bool:
        found = self.store.get("storageclasses.storage.k8s.io", "", dig(claim, "spec", "storageClassName", default=""))
        return found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"

    def _bind(self, pod: Obj, node: str) -> None:
        self._assumed.pop(uid_of(pod), None)
        conditions = with_condition(dig(pod, "status", "conditions", default=[]), "PodScheduled", "True")
        conditions = [{k: v for k, v in c.items() if k not in ("reason", "message")} for c in conditions]
        spec = {**pod["spec"], "nodeName": node}
        status = {**pod["status"], "conditions": conditions}
        bound = {**pod, "metadata": dict(pod["metadata"]), "spec": spec, "status": status}
        self.store.put("pods", bound)
        text = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
        self.record(pod, "Normal", "Scheduled", text)

    def _refuse(self, pod: Obj, message: str) -> None:
        previous = condition(pod, "PodScheduled")
        if previous is None or previous.get("message") != message:
            self._set_condition(pod, "Unschedulable", message)
            self.record(pod, "Warning", "FailedScheduling", message)

    def _set_condition(self, pod: Obj, reason: str, message: str) -> None:
        conditions = with_condition(
            dig(pod, "status", "conditions", default=[]), "PodScheduled", "False", reason, message
        )
        self.set_status(pod, {**pod["status"], "conditions": conditions})


def explain(refusals: Counter[str], total: int) -> str:
    """kube-scheduler's summary of why no node fits."""
    if not total:
        return "no nodes available to schedule pods"
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items()))
    shown = f"0/{total} nodes are available: {listed}."
    return f"{shown} preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."


def _score(pod: Obj, state: NodeState, states: list[NodeState]) -> tuple[float, float, str]:
    """Lower is better: few of the same owner's pods in the zone and on the node, then least allocated."""
    owner = dig(pod, "metadata", "ownerReferences", 0, "uid")
    zone = labels_of(state.node).get(_ZONE)
    alike_here = sum(dig(p, "metadata", "ownerReferences", 0, "uid") == owner for p in state.pods) if owner else 0
    alike_zone = sum(
        dig(p, "metadata", "ownerReferences", 0, "uid") == owner
        for s in states
        if labels_of(s.node).get(_ZONE) == zone
        for p in s.pods
    ) if owner else 0  # fmt: skip
    allocatable = dig(state.node, "status", "allocatable", default={})
    share = 0.0
    for name in ("cpu", "memory"):
        most = quantity.parse(allocatable.get(name, "0"))
        share += state.used.get(name, 0) / most if most else 1.0
    return alike_here + alike_zone / 10, share, state.name


def _has_pod_affinity(pod: Obj, states: list[NodeState]) -> bool:
    return any(
        dig(p, "spec", "affinity", kind)
        for kind in ("podAffinity", "podAntiAffinity")
        for p in (pod, *(q for s in states for q in s.pods))
    )


def _assigned(event: Event) -> bool:
    """Whether a pod has got its node just now."""
    return bool(dig(event.obj, "spec", "nodeName")) and (event.old is None or not dig(event.old, "spec", "nodeName"))


def _heeds_neighbours(pod: Obj) -> bool:
    """Whether another pod's arrival can make room for this one: affinity to it, or a skew that it evens out."""
    return bool(dig(pod, "spec", "affinity", "podAffinity") or dig(pod, "spec", "topologySpreadConstraints"))


def _ended(event: Event) -> bool:
    if event.old is None:
        return False
    ended = ("Succeeded", "Failed")
    return dig(event.obj, "status", "phase") in ended and dig(event.old, "status", "phase") not in ended


def _relevant(node: Obj) -> tuple[object, ...]:
    return (
        labels_of(node),
        node.get("spec"),
        dig(node, "status", "allocatable"),
        dig(condition(node, "Ready"), "status"),
    )
