"""Deletion: preconditions, propagation, grace, finalizers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rehearsal.kubernetes.errors import conflict
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, name_of, timestamp, uid_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.options import DeleteOptions
from rehearsal.kubernetes.rest.registry import Registry

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def delete(registry: Registry, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> Obj:
    """Delete an object, or mark it where something has to happen first.

    :returns: a ``Status`` when the object is gone, else the marked object.
    :raises ApiError: 404, 409 on a failed precondition.
    """
    obj = registry.get(resource, namespace, name)
    _check_preconditions(resource, obj, options)
    finalizers = list(obj["metadata"].get("finalizers") or [])
    if not is_deleting(obj):
        finalizers = _with_propagation(finalizers, options.propagation)
    grace = _grace(resource, obj, options)
    waits = bool(finalizers or grace) or resource.id == "namespaces"
    if options.dry_run:
        return obj if waits else _gone(resource, obj)
    if not waits:
        registry.store.remove(resource.id, namespace, name)
        return _gone(resource, obj)
    marked = _mark(resource, obj, finalizers, grace)
    if marked == obj:
        return obj
    stored = registry.store.put(resource.id, marked)
    if registry.remove_if_final(resource, stored):
        return _gone(resource, obj)
    return stored


def _check_preconditions(resource: Resource, obj: Obj, options: DeleteOptions) -> None:
    if options.uid and options.uid != uid_of(obj):
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {uid_of(obj)}"
        raise conflict(resource.plural, resource.group, name_of(obj), why)
    version = obj["metadata"]["resourceVersion"]
    if options.resource_version and options.resource_version != version:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {version}"
        )
        raise conflict(resource.plural, resource.group, name_of(obj), why)


def _with_propagation(finalizers: list[str], propagation: str | None) -> list[str]:
    kept = [f for f in finalizers if f not in (FOREGROUND, ORPHAN)]
    if propagation == "Foreground":
        return [*kept, FOREGROUND]
    if propagation == "Orphan":
        return [*kept, ORPHAN]
    return kept if propagation == "Background" else finalizers


def _grace(resource: Resource, obj: Obj, options: DeleteOptions) -> int:
    """Seconds a pod has to stop: none before it is on a node or after it ended."""
    if resource.id != "pods":
        return 0
    if not dig(obj, "spec", "nodeName") or dig(obj, "status", "phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_seconds is not None:
        return max(0, options.grace_seconds)
    return int(dig(obj, "spec", "terminationGracePeriodSeconds", default=30))


def _mark(resource: Resource, obj: Obj, finalizers: list[str], grace: int) -> Obj:
    metadata = dict(obj["metadata"])
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    before = metadata.get("deletionGracePeriodSeconds")
    if "deletionTimestamp" not in metadata or (before is not None and grace < before):
        metadata["deletionTimestamp"] = timestamp(datetime.now(UTC) + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
    marked = {**obj, "metadata": metadata}
    if resource.id == "namespaces":
        marked["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return marked


def _gone(resource: Resource, obj: Obj) -> Obj:
    details = {"name": name_of(obj), "group": resource.group, "kind": resource.plural, "uid": uid_of(obj)}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


__all__ = ["FOREGROUND", "ORPHAN", "delete"]
