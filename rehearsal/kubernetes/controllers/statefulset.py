"""StatefulSets: pods with an identity and volumes of their own, in order."""

from __future__ import annotations

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.pods import (
    available_in,
    create_pod,
    delete_pod,
    from_template,
    is_ready,
    min_ready_seconds,
    soonest,
)
from rehearsal.kubernetes.controllers.revisions import REVISION_LABEL, current_revision, template_of
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import (
    Obj,
    clone,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)

_CLAIMS = "persistentvolumeclaims"
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_POD_INDEX = "apps.kubernetes.io/pod-index"


class StatefulSets(Controller):
    """Creates, updates and removes pods by ordinal."""

    resource = "statefulsets.apps"
    watches = ("pods",)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Move one step; ordered sets wait for each pod."""
        owner = self.store.get(self.resource, namespace, name)
        if owner is None or is_deleting(owner):
            return None
        update = name_of(current_revision(self, owner))
        current = dig(owner, "status", "currentRevision", default=update)
        pods = {ordinal(pod): pod for pod in self.store.owned("pods", owner)}
        again = self._step(owner, pods, current, update)
        counted = self._report(owner, current, update)
        return soonest((again, counted))

    def _step(self, owner: Obj, pods: dict[int, Obj], current: str, update: str) -> float | None:
        spec = owner["spec"]
        start = dig(spec, "ordinals", "start", default=0)
        wanted = range(start, start + spec["replicas"])
        parallel = spec["podManagementPolicy"] == "Parallel"
        partition = dig(spec, "updateStrategy", "rollingUpdate", "partition", default=0)
        for index in wanted:
            pod = pods.get(index)
            if pod is not None and dig(pod, "status", "phase") in ("Failed", "Succeeded") and not is_deleting(pod):
                self.record(
                    owner, "Warning", "RecreatingFailedPod", f"StatefulSet is recreating failed Pod {name_of(pod)}"
                )
                self.delete("pods", pod)
                return None
            if pod is None:
                revision = update if index >= partition or current == update else current
                if not self._create(owner, index, revision):
                    return 2.0
                if not parallel:
                    return None
            elif not parallel and (waits := self._unavailable(owner, pod)) is not None:
                return waits or None
        excess = sorted((index for index in pods if index not in wanted), reverse=True)
        for index in excess:
            if not is_deleting(pods[index]):
                delete_pod(self, owner, pods[index])
            if not parallel:
                return None
        if spec["updateStrategy"]["type"] == "RollingUpdate":
            return self._update(owner, pods, update, [i for i in wanted if i >= partition])
        return None

    def _unavailable(self, owner: Obj, pod: Obj) -> float | None:
        """None when the pod is available, else the seconds to wait (0: for an event)."""
        waits = available_in(pod, min_ready_seconds(self, owner))
        if waits is None:
            return 0.0
        return None if waits == 0 else waits

    def _update(self, owner: Obj, pods: dict[int, Obj], update: str, wanted: list[int]) -> float | None:
        """Replace outdated pods from the highest ordinal down, each after the one above is available."""
        for index in sorted(wanted, reverse=True):
            pod = pods.get(index)
            if pod is None:
                return None
            if labels_of(pod).get(REVISION_LABEL) != update:
                if not is_deleting(pod):
                    delete_pod(self, owner, pod)
                return None
            waits = self._unavailable(owner, pod)
            if waits is not None:
                return waits or None
        return None

    def _create(self, owner: Obj, index: int, revision: str) -> bool:
        template = template_of(self, namespace_of(owner), revision, owner["spec"]["template"])
        name = f"{name_of(owner)}-{index}"
        labels = {_POD_NAME: name, _POD_INDEX: str(index), REVISION_LABEL: revision}
        pod = from_template(owner, template, labels, name=name)
        pod["spec"]["hostname"] = name
        if service := owner["spec"].get("serviceName"):
            pod["spec"]["subdomain"] = service
        try:
            self._claims(owner, name, pod)
        except ApiError as error:
            self.record(owner, "Warning", "FailedCreate", error.message)
            return False
        return create_pod(self, owner, pod)

    def _claims(self, owner: Obj, pod_name: str, pod: Obj) -> None:
        for template in owner["spec"].get("volumeClaimTemplates") or []:
            volume = name_of(template)
            claim_name = f"{volume}-{pod_name}"
            volumes = [v for v in pod["spec"].get("volumes") or [] if v["name"] != volume]
            pod["spec"]["volumes"] = [*volumes, {"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}]
            if self.store.get(_CLAIMS, namespace_of(owner), claim_name) is not None:
                continue
            labels = {**labels_of(template), **(dig(owner, "spec", "selector", "matchLabels", default={}))}
            claim = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim_name, "namespace": namespace_of(owner), "labels": labels},
                "spec": clone(template["spec"]),
            }
            policy = dig(owner, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
            if policy == "Delete":
                reference = {**owner_reference(owner), "controller": False, "blockOwnerDeletion": False}
                claim["metadata"]["ownerReferences"] = [reference]
            self.create(_CLAIMS, claim)
            text = f"create Claim {claim_name} Pod {pod_name} in StatefulSet {name_of(owner)} success"
            self.record(owner, "Normal", "SuccessfulCreate", text)

    def _report(self, owner: Obj, current: str, update: str) -> float | None:
        """Write the status; returns when to count again."""
        pods = [pod for pod in self.store.owned("pods", owner) if not is_deleting(pod)]
        replicas = owner["spec"]["replicas"]
        updated = [pod for pod in pods if labels_of(pod).get(REVISION_LABEL) == update]
        min_ready = min_ready_seconds(self, owner)
        waits = [available_in(pod, min_ready) for pod in pods]
        if len(updated) == replicas == sum(map(is_ready, updated)) == len(pods):
            current = update
        status = {
            "observedGeneration": owner["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": sum(map(is_ready, pods)),
            "availableReplicas": sum(wait == 0 for wait in waits),
            "currentReplicas": sum(labels_of(pod).get(REVISION_LABEL) == current for pod in pods),
            "updatedReplicas": len(updated),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        keep = ("observedGeneration", "replicas", "availableReplicas", "collisionCount")
        self.set_status(owner, {key: value for key, value in status.items() if value or key in keep})
        return soonest(waits)


def ordinal(pod: Obj) -> int:
    """The number a pod's name ends with."""
    return int(name_of(pod).rsplit("-", 1)[-1])
