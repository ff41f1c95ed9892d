"""Node lifecycle: taints of nodes that are not ready, and the eviction of what does not tolerate them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import (
    Obj,
    condition,
    dig,
    is_deleting,
    is_true,
    name_of,
    namespace_of,
    parse_time,
    timestamp,
    with_condition,
)
from rehearsal.kubernetes.scheduler.filters import tolerated
from rehearsal.kubernetes.store import Event

_NOT_READY = "node.kubernetes.io/not-ready"
_CSI_NODES = "csinodes.storage.k8s.io"
_LEASES = "leases.coordination.k8s.io"


class Nodes(Controller):
    """Taints, evicts, and removes what belonged to nodes that are gone."""

    resource = "nodes"

    @property
    def component(self) -> str:
        """As events name it."""
        return "node-controller"

    def affected(self, event: Event) -> Iterable[Name]:
        """The node, also when it is gone."""
        return [("", name_of(event.obj))] if event.resource == self.resource else []

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bring one node's taints and pods in line with its condition."""
        node = self.store.get(self.resource, "", name)
        if node is None:
            self._forget(name)
            return None
        self._lease(node)
        ready = is_true(node, "Ready")
        self._taint(node, ready)
        if ready:
            return self._evict_untolerated(node)
        self._mark_pods(node)
        return self._evict_untolerated(node)

    def _pods(self, name: str) -> list[Obj]:
        return [p for p in self.store.scan("pods") if dig(p, "spec", "nodeName") == name]

    def _forget(self, name: str) -> None:
        """Pods of a vanished node are removed at once: there is no kubelet left to stop them."""
        for pod in self._pods(name):
            self.store.remove("pods", namespace_of(pod), name_of(pod))
        for resource_id, namespace in ((_CSI_NODES, ""), (_LEASES, "kube-node-lease")):
            self.store.remove(resource_id, namespace, name)

    def _lease(self, node: Obj) -> None:
        name = name_of(node)
        if self.store.get(_LEASES, "kube-node-lease", name) is None:
            self.create(
                _LEASES,
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name, "namespace": "kube-node-lease"},
                    "spec": {"holderIdentity": name, "leaseDurationSeconds": 40},
                },
            )
        if self.store.get(_CSI_NODES, "", name) is None:
            body = {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name}}
            self.create(_CSI_NODES, {**body, "spec": {"drivers": []}})

    def _taint(self, node: Obj, ready: bool) -> None:
        taints = [t for t in dig(node, "spec", "taints", default=[]) if t["key"] != _NOT_READY]
        if not ready:
            added = [{"key": _NOT_READY, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
            before = {t["effect"]: t for t in dig(node, "spec", "taints", default=[]) if t["key"] == _NOT_READY}
            taints += [before.get(t["effect"], {**t, "timeAdded": timestamp()}) for t in added]
        if taints == dig(node, "spec", "taints", default=[]):
            return
        spec = {key: value for key, value in node["spec"].items() if key != "taints"}
        if taints:
            spec["taints"] = taints
        self.store.put(self.resource, {**node, "metadata": dict(node["metadata"]), "spec": spec})

    def _mark_pods(self, node: Obj) -> None:
        """Pods of a node that is not ready are not ready either."""
        resource = self.cluster.catalog.by_id("pods")
        for pod in self._pods(name_of(node)):
            if is_true(pod, "Ready"):
                conditions = with_condition(pod["status"]["conditions"], "Ready", "False", "NodeNotReady")
                self.registry.set_status(resource, pod, {**pod["status"], "conditions": conditions})
                self.record(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _evict_untolerated(self, node: Obj) -> float | None:
        """NoExecute taints end pods at once, or after their ``tolerationSeconds`` (compressed)."""
        waits: list[float] = []
        current = self.store.get(self.resource, "", name_of(node)) or node
        for taint in dig(current, "spec", "taints", default=[]):
            if taint["effect"] != "NoExecute":
                continue
            since = taint.get("timeAdded") or (condition(node, "Ready") or {}).get("lastTransitionTime") or timestamp()
            elapsed = (datetime.now(UTC) - parse_time(since)).total_seconds()
            for pod in self._pods(name_of(node)):
                limit = _tolerance(pod, taint)
                if limit is None or is_deleting(pod):
                    continue
                left = self.cluster.settings.seconds(limit) - elapsed
                if left > 0:
                    waits.append(left)
                else:
                    self.record(
                        pod,
                        "Normal",
                        "TaintManagerEviction",
                        f"Marking for deletion Pod {namespace_of(pod)}/{name_of(pod)}",
                    )
                    self.delete("pods", pod, grace=0)
        return min(waits) if waits else None


def _tolerance(pod: Obj, taint: Obj) -> float | None:
    """Simulated seconds a pod bears a taint; None means for ever."""
    covering = [
        t for t in dig(pod, "spec", "tolerations", default=[]) if tolerated({"spec": {"tolerations": [t]}}, taint)
    ]
    if not covering:
        return 0.0
    limits = [t.get("tolerationSeconds") for t in covering]
    return None if None in limits else float(min(limits))
