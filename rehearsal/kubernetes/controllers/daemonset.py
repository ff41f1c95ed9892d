"""DaemonSets: one pod on every node that fits."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.controllers.pods import (
    available_in,
    create_pod,
    delete_pod,
    from_template,
    is_ready,
    min_ready_seconds,
    resolve,
    soonest,
)
from rehearsal.kubernetes.controllers.revisions import REVISION_LABEL, current_revision
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, labels_of, name_of, namespace_of
from rehearsal.kubernetes.scheduler import filters
from rehearsal.kubernetes.store import Event

_TOLERATED = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
]


class DaemonSets(Controller):
    """Keeps one pod per eligible node; the scheduler places each by node affinity."""

    resource = "daemonsets.apps"
    watches = ("pods", "nodes")

    def affected(self, event: Event) -> Iterable[Name]:
        """Every set when nodes come, go or change in what matters to placement."""
        if event.resource != "nodes":
            return super().affected(event)
        if event.type == "MODIFIED" and event.old is not None and _placement(event.old) == _placement(event.obj):
            return []
        return [(namespace_of(obj), name_of(obj)) for obj in self.store.scan(self.resource)]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Add missing pods, remove those on wrong nodes, update by the strategy."""
        owner = self.store.get(self.resource, namespace, name)
        if owner is None or is_deleting(owner):
            return None
        revision = labels_of(current_revision(self, owner))[REVISION_LABEL]
        template_pod = daemon_pod(owner, "", revision)
        nodes = {name_of(n): n for n in self.store.objects("nodes") if filters.daemon_fits(template_pod, n)}
        by_node: dict[str, list[Obj]] = {}
        for pod in self.store.owned("pods", owner):
            by_node.setdefault(target_node(pod), []).append(pod)
        failed = False
        for node, pods in by_node.items():
            for pod in pods:
                ended = dig(pod, "status", "phase") in ("Failed", "Succeeded")
                if (node not in nodes or ended) and not is_deleting(pod):
                    delete_pod(self, owner, pod)
        for node in nodes:
            if not by_node.get(node):
                failed = not create_pod(self, owner, daemon_pod(owner, node, revision)) or failed
        if dig(owner, "spec", "updateStrategy", "type") == "RollingUpdate":
            self._update(owner, revision, by_node, len(nodes))
        again = self._report(owner, nodes, revision)
        return 2.0 if failed else again

    def _update(self, owner: Obj, revision: str, by_node: dict[str, list[Obj]], total: int) -> None:
        rolling = dig(owner, "spec", "updateStrategy", "rollingUpdate", default={})
        most = max(1, resolve(rolling.get("maxUnavailable", 1), total, round_up=True))
        pods = [pods[0] for pods in by_node.values() if pods]
        min_ready = min_ready_seconds(self, owner)
        unavailable = sum(available_in(pod, min_ready) != 0 for pod in pods)
        for pod in pods:
            if labels_of(pod).get(REVISION_LABEL) == revision or is_deleting(pod):
                continue
            if available_in(pod, min_ready) != 0:
                delete_pod(self, owner, pod)
            elif unavailable < most:
                unavailable += 1
                delete_pod(self, owner, pod)

    def _report(self, owner: Obj, nodes: dict[str, Obj], revision: str) -> float | None:
        """Write the status; returns when to count again."""
        pods = [p for p in self.store.owned("pods", owner) if not is_deleting(p)]
        placed = [p for p in pods if target_node(p) in nodes]
        min_ready = min_ready_seconds(self, owner)
        waits = [available_in(pod, min_ready) for pod in placed]
        available = waits.count(0)
        status = {
            "currentNumberScheduled": len(placed),
            "desiredNumberScheduled": len(nodes),
            "numberMisscheduled": len(pods) - len(placed),
            "numberReady": sum(map(is_ready, placed)),
            "numberAvailable": available,
            "numberUnavailable": len(nodes) - available,
            "updatedNumberScheduled": sum(labels_of(p).get(REVISION_LABEL) == revision for p in placed),
            "observedGeneration": owner["metadata"]["generation"],
        }
        keep = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
        self.set_status(owner, {key: value for key, value in status.items() if value or key in keep})
        return soonest(waits)


def daemon_pod(owner: Obj, node: str, revision: str) -> Obj:
    """The set's pod for a node, tolerating what daemons tolerate."""
    pod = from_template(owner, owner["spec"]["template"], {REVISION_LABEL: revision}, generateName=f"{name_of(owner)}-")
    spec = pod["spec"]
    tolerations = spec.setdefault("tolerations", [])
    tolerations += [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    if spec.get("hostNetwork"):
        key = "node.kubernetes.io/network-unavailable"
        tolerations.append({"key": key, "operator": "Exists", "effect": "NoSchedule"})
    if node:
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
    return pod


def target_node(pod: Obj) -> str:
    """The node a daemon pod is on or meant for."""
    if node := dig(pod, "spec", "nodeName"):
        return str(node)
    path = ("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    return str(dig(pod, *path, 0, "matchFields", 0, "values", 0, default=""))


def _placement(node: Obj) -> tuple[object, object]:
    return labels_of(node), node.get("spec")
