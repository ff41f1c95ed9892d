"""What workload controllers share: making pods from templates, and reading their state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import (
    Obj,
    clone,
    condition,
    dig,
    is_deleting,
    is_true,
    name_of,
    namespace_of,
    owner_reference,
    parse_time,
    short_hash,
)

CHANGE_CAUSE = "kubernetes.io/change-cause"


def template_hash(template: Obj) -> str:
    """A stable suffix that changes with the pod template."""
    return short_hash(json.dumps(template, sort_keys=True))


def is_active(pod: Obj) -> bool:
    """Neither ended nor being deleted."""
    return not is_deleting(pod) and dig(pod, "status", "phase") not in ("Succeeded", "Failed")


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition holds and it is not going away."""
    return is_true(pod, "Ready") and not is_deleting(pod)


def min_ready_seconds(controller: Controller, owner: Obj) -> float:
    """``spec.minReadySeconds`` of a workload in real seconds: it is compressed as all waiting is."""
    return controller.cluster.settings.seconds(dig(owner, "spec", "minReadySeconds", default=0))


def available_in(pod: Obj, min_ready: float) -> float | None:
    """Real seconds until a pod counts as available: 0 when it does, None when it is not ready.

    :param min_ready: real seconds it has to have been ready.
    """
    ready = condition(pod, "Ready")
    if not is_ready(pod) or ready is None:
        return None
    since = (datetime.now(UTC) - parse_time(ready["lastTransitionTime"])).total_seconds()
    return max(0.0, min_ready - since)


def resolve(value: Any, total: int, round_up: bool) -> int:
    """An int-or-percentage of ``total``."""
    if isinstance(value, int):
        return value
    percent = int(str(value).rstrip("%"))
    return -(-total * percent // 100) if round_up else total * percent // 100


def soonest(waits: Iterable[float | None]) -> float | None:
    """When to count available pods again: the next of several :func:`available_in`, None when none is waited for."""
    return min((wait for wait in waits if wait), default=None)


def from_template(owner: Obj, template: Obj, labels: dict[str, str], **metadata: Any) -> Obj:
    """A pod of a template, owned by ``owner``."""
    source = template.get("metadata") or {}
    merged: Obj = {
        "namespace": namespace_of(owner),
        "labels": {**(source.get("labels") or {}), **labels},
        "ownerReferences": [owner_reference(owner)],
        **metadata,
    }
    if source.get("annotations"):
        merged["annotations"] = dict(source["annotations"])
    if source.get("finalizers"):
        merged["finalizers"] = list(source["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": merged, "spec": clone(template["spec"])}


def create_pod(controller: Controller, owner: Obj, pod: Obj) -> bool:
    """Create a pod; what refuses it becomes a FailedCreate event and False."""
    try:
        made = controller.create("pods", pod)
    except ApiError as error:
        label = pod["metadata"].get("name")
        what = f"create Pod {label} in {owner['kind']} {name_of(owner)} failed error: " if label else "Error creating: "
        controller.record(owner, "Warning", "FailedCreate", what + error.message)
        return False
    controller.record(owner, "Normal", "SuccessfulCreate", f"Created pod: {name_of(made)}")
    return True


def delete_pod(controller: Controller, owner: Obj, pod: Obj) -> None:
    """Delete a pod of a workload."""
    controller.delete("pods", pod)
    controller.record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")


def victims_first(pods: list[Obj]) -> list[Obj]:
    """Pods in the order a shrinking ReplicaSet gives them up: unscheduled, pending, not ready, youngest."""
    return sorted(
        pods,
        key=lambda p: (
            bool(dig(p, "spec", "nodeName")),
            dig(p, "status", "phase") == "Running",
            is_ready(p),
            -int(p["metadata"]["resourceVersion"]),
        ),
    )
