"""Deployments: one ReplicaSet per revision of the template, replaced gradually."""

from __future__ import annotations

from datetime import UTC, datetime

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.pods import CHANGE_CAUSE, resolve, template_hash
from rehearsal.kubernetes.objects import (
    Obj,
    annotations_of,
    clone,
    condition,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    parse_time,
    timestamp,
    with_condition,
)
from rehearsal.kubernetes.rest.options import controller_options

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_SETS = "replicasets.apps"


class Deployments(Controller):
    """Rolls templates out."""

    resource = "deployments.apps"
    watches = (_SETS,)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Move one step towards the newest template."""
        deployment = self.store.get(self.resource, namespace, name)
        if deployment is None or is_deleting(deployment):
            return None
        old, new = self._sets(deployment)
        if not dig(deployment, "spec", "paused"):
            new = self._ensure_new(deployment, old, new)
            if new is not None:
                self._roll(deployment, old, new)
                self._clean_up(deployment, old)
        elif new is not None:
            self._scale(deployment, new, deployment["spec"]["replicas"])
        return self._report(deployment)

    def _sets(self, deployment: Obj) -> tuple[list[Obj], Obj | None]:
        wanted = _bare(deployment["spec"]["template"])
        old: list[Obj] = []
        new = None
        for replica_set in self.store.owned(_SETS, deployment):
            if new is None and _bare(replica_set["spec"]["template"]) == wanted:
                new = replica_set
            else:
                old.append(replica_set)
        return old, new

    def _ensure_new(self, deployment: Obj, old: list[Obj], new: Obj | None) -> Obj | None:
        revision = max((_revision(s) for s in old), default=0) + 1
        if new is None:
            new = self._create_set(deployment, revision)
        elif _revision(new) < revision:
            annotations = {**annotations_of(new), REVISION: str(revision)}
            new = self.registry.edit(_SETS, new, annotations=annotations)
        if new is not None:
            new = self._patient(deployment, new)
        if new is not None:
            annotations = {**annotations_of(deployment), REVISION: annotations_of(new)[REVISION]}
            self.registry.edit(self.resource, deployment, annotations=annotations)
        return new

    def _patient(self, deployment: Obj, new: Obj) -> Obj:
        """``minReadySeconds`` is not part of the template: the newest set takes it over when it changes."""
        wanted = dig(deployment, "spec", "minReadySeconds", default=0)
        if dig(new, "spec", "minReadySeconds", default=0) == wanted:
            return new
        return self._update_set(new, minReadySeconds=wanted)

    def _create_set(self, deployment: Obj, revision: int) -> Obj:
        template = clone(deployment["spec"]["template"])
        suffix = template_hash(template)
        labels = {**labels_of(template), HASH: suffix}
        template.setdefault("metadata", {})["labels"] = labels
        selector = clone(deployment["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: suffix}
        annotations = {REVISION: str(revision)}
        if cause := annotations_of(deployment).get(CHANGE_CAUSE):
            annotations[CHANGE_CAUSE] = cause
        name = f"{name_of(deployment)}-{suffix}"
        existing = self.store.get(_SETS, namespace_of(deployment), name)
        if existing is not None:
            self.delete(_SETS, existing)
        return self.create(
            _SETS,
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": name,
                    "namespace": namespace_of(deployment),
                    "labels": labels,
                    "annotations": annotations,
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": selector,
                    "template": template,
                    "minReadySeconds": dig(deployment, "spec", "minReadySeconds", default=0),
                },
            },
        )

    def _roll(self, deployment: Obj, old: list[Obj], new: Obj) -> None:
        spec = deployment["spec"]
        if spec["strategy"]["type"] == "Recreate":
            for replica_set in old:
                self._scale(deployment, replica_set, 0)
            if all(dig(s, "status", "replicas", default=0) == 0 for s in old):
                self._scale(deployment, new, spec["replicas"])
            return
        surge, unavailable = rolling_limits(spec)
        total = sum(s["spec"]["replicas"] for s in (*old, new))
        room = spec["replicas"] + surge - total
        target = min(spec["replicas"], new["spec"]["replicas"] + max(0, room))
        self._scale(deployment, new, target)
        self._shrink_old(deployment, old, new, unavailable)

    def _shrink_old(self, deployment: Obj, old: list[Obj], new: Obj, unavailable: int) -> None:
        """Give up unhealthy old pods first, then as many available ones as the strategy allows."""
        for replica_set in old:
            idle = replica_set["spec"]["replicas"] - _available(replica_set)
            new_unavailable = new["spec"]["replicas"] - _available(new)
            spare = sum(s["spec"]["replicas"] for s in (*old, new)) - (deployment["spec"]["replicas"] - unavailable)
            drop = min(idle, max(0, spare - max(0, new_unavailable)))
            if drop > 0:
                self._scale(deployment, replica_set, replica_set["spec"]["replicas"] - drop)
        spare = sum(map(_available, (*old, new))) - (deployment["spec"]["replicas"] - unavailable)
        for replica_set in sorted(old, key=_revision):
            drop = min(spare, self._current(replica_set)["spec"]["replicas"])
            if drop > 0:
                self._scale(deployment, replica_set, self._current(replica_set)["spec"]["replicas"] - drop)
                spare -= drop

    def _current(self, obj: Obj) -> Obj:
        return self.store.get(_SETS, namespace_of(obj), name_of(obj)) or obj

    def _scale(self, deployment: Obj, replica_set: Obj, replicas: int) -> None:
        current = self._current(replica_set)
        before = current["spec"]["replicas"]
        if before == replicas:
            return
        self._update_set(current, replicas=replicas)
        word = "up" if replicas > before else "down"
        text = f"Scaled {word} replica set {name_of(current)} from {before} to {replicas}"
        self.record(deployment, "Normal", "ScalingReplicaSet", text)

    def _update_set(self, current: Obj, **changes: int) -> Obj:
        changed = clone(current)
        changed["spec"].update(changes)
        resource = self.cluster.catalog.by_id(_SETS)
        return self.registry.update(resource, namespace_of(current), name_of(current), changed, controller_options())

    def _clean_up(self, deployment: Obj, old: list[Obj]) -> None:
        limit = dig(deployment, "spec", "revisionHistoryLimit", default=10)
        idle = [
            s for s in map(self._current, old)
            if not s["spec"]["replicas"] and not dig(s, "status", "replicas", default=0) and not is_deleting(s)
        ]  # fmt: skip
        for replica_set in sorted(idle, key=_revision)[: max(0, len(idle) - limit)]:
            self.delete(_SETS, replica_set)

    def _report(self, deployment: Obj) -> float | None:
        current = self.store.get(self.resource, namespace_of(deployment), name_of(deployment))
        if current is None:
            return None
        old, new = self._sets(current)
        sets = [*old, *([new] if new else [])]
        status: Obj = {
            "observedGeneration": current["metadata"]["generation"],
            "replicas": sum(dig(s, "status", "replicas", default=0) for s in sets),
            "updatedReplicas": dig(new, "status", "replicas", default=0),
            "readyReplicas": sum(dig(s, "status", "readyReplicas", default=0) for s in sets),
            "availableReplicas": sum(map(_available, sets)),
        }
        status["unavailableReplicas"] = max(0, current["spec"]["replicas"] - status["availableReplicas"])
        status = {key: value for key, value in status.items() if value or key == "observedGeneration"}
        status["conditions"], again = self._conditions(current, status, new, sets)
        self.set_status(current, status)
        return again

    def _conditions(
        self, deployment: Obj, status: Obj, new: Obj | None, sets: list[Obj]
    ) -> tuple[list[Obj], float | None]:
        wanted = deployment["spec"]["replicas"]
        _, unavailable = rolling_limits(deployment["spec"])
        before = dig(deployment, "status", "conditions", default=[])
        enough = status.get("availableReplicas", 0) >= wanted - unavailable
        if enough:
            reason, text = "MinimumReplicasAvailable", "Deployment has minimum availability."
        else:
            reason, text = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
        conditions = with_condition(before, "Available", str(enough), reason, text)
        failure = next((c for s in sets if (c := condition(s, "ReplicaFailure"))), None)
        conditions = [c for c in conditions if c["type"] != "ReplicaFailure"]
        if failure:
            conditions = with_condition(conditions, "ReplicaFailure", "True", "FailedCreate", failure["message"])
        return self._progress(deployment, status, new, conditions)

    def _progress(
        self, deployment: Obj, status: Obj, new: Obj | None, conditions: list[Obj]
    ) -> tuple[list[Obj], float | None]:
        wanted, name = deployment["spec"]["replicas"], name_of(new) if new else name_of(deployment)
        complete = all(status.get(f, 0) == wanted for f in ("replicas", "updatedReplicas", "availableReplicas"))
        previous = condition(deployment, "Progressing")
        if complete:
            text = f'ReplicaSet "{name}" has successfully progressed.'
            done = with_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", text)
            return _stamped(
                done, previous, moved=previous is None or previous.get("reason") != "NewReplicaSetAvailable"
            ), None
        keys = ("updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
        moved = previous is None or any(dig(deployment, "status", k, default=0) != status.get(k, 0) for k in keys)
        # Timestamps have whole seconds, so a compressed deadline below a few of them would fire early.
        simulated = dig(deployment, "spec", "progressDeadlineSeconds", default=600)
        deadline = max(3.0, self.cluster.settings.seconds(simulated))
        left = deadline
        if not moved and previous is not None:
            left = deadline - (datetime.now(UTC) - parse_time(previous["lastUpdateTime"])).total_seconds()
        if left <= 0 or (not moved and previous and previous.get("reason") == "ProgressDeadlineExceeded"):
            text = f'ReplicaSet "{name}" has timed out progressing.'
            failed = with_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded", text)
            return _stamped(failed, previous, moved=False), None
        text = f'ReplicaSet "{name}" is progressing.'
        ongoing = with_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", text)
        return _stamped(ongoing, previous, moved), left + 0.05


def _stamped(conditions: list[Obj], previous: Obj | None, moved: bool) -> list[Obj]:
    """``lastUpdateTime`` of Progressing moves with progress: the deadline counts from it."""
    at = timestamp() if moved or previous is None else previous.get("lastUpdateTime", timestamp())
    return [{**c, "lastUpdateTime": at if c["type"] == "Progressing" else c["lastTransitionTime"]} for c in conditions]


def rolling_limits(spec: Obj) -> tuple[int, int]:
    """``maxSurge`` and ``maxUnavailable`` as numbers of pods."""
    rolling = dig(spec, "strategy", "rollingUpdate", default={})
    replicas = spec["replicas"]
    surge = resolve(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = resolve(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if dig(spec, "strategy", "type") == "Recreate":
        return 0, replicas
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _available(replica_set: Obj) -> int:
    return int(dig(replica_set, "status", "availableReplicas", default=0))


def _revision(replica_set: Obj) -> int:
    return int(annotations_of(replica_set).get(REVISION, "0"))


def _bare(template: Obj) -> Obj:
    """The template without the label that tells revisions apart."""
    metadata = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
