"""ReplicaSets: as many pods as asked for."""

from __future__ import annotations

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.pods import (
    available_in,
    create_pod,
    delete_pod,
    from_template,
    is_active,
    is_ready,
    min_ready_seconds,
    soonest,
    victims_first,
)
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, labels_of, name_of, with_condition
from rehearsal.kubernetes.selectors import label_selector


class ReplicaSets(Controller):
    """Creates and deletes pods, and counts them."""

    resource = "replicasets.apps"
    watches = ("pods",)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bring the number of pods to ``spec.replicas``."""
        owner = self.store.get(self.resource, namespace, name)
        if owner is None:
            return None
        pods = [pod for pod in self.store.owned("pods", owner) if is_active(pod)]
        failed = False
        if not is_deleting(owner):
            failed = self._scale(owner, pods)
        return self._count(owner, failed)

    def _scale(self, owner: Obj, pods: list[Obj]) -> bool:
        wanted = dig(owner, "spec", "replicas", default=0)
        for _ in range(wanted - len(pods)):
            template = owner["spec"]["template"]
            pod = from_template(owner, template, {}, generateName=f"{name_of(owner)}-")
            if not create_pod(self, owner, pod):
                return True
        for pod in victims_first(pods)[: max(0, len(pods) - wanted)]:
            delete_pod(self, owner, pod)
        return False

    def _count(self, owner: Obj, failed: bool) -> float | None:
        pods = [pod for pod in self.store.owned("pods", owner) if is_active(pod)]
        min_ready = min_ready_seconds(self, owner)
        waits = [available_in(pod, min_ready) for pod in pods]
        labelled = label_selector({"matchLabels": labels_of(owner["spec"]["template"])})
        status: Obj = {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(labelled(labels_of(pod)) for pod in pods),
            "readyReplicas": sum(map(is_ready, pods)),
            "availableReplicas": sum(wait == 0 for wait in waits),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        conditions = dig(owner, "status", "conditions", default=[])
        if failed:
            events = self.cluster.manager.recorder.last_message(owner, "FailedCreate")
            conditions = with_condition(conditions, "ReplicaFailure", "True", "FailedCreate", events)
        else:
            conditions = [c for c in conditions if c["type"] != "ReplicaFailure"]
        if conditions:
            status["conditions"] = conditions
        self.set_status(owner, {key: value for key, value in status.items() if value or key in _SHOWN})
        return 2.0 if failed else soonest(waits)


_SHOWN = ("replicas", "observedGeneration")
