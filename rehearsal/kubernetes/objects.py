"""Helpers for Kubernetes objects held as plain JSON values.

Stored objects are shared between readers and must never be changed in place: :func:`clone` first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]


def clone(value: Any) -> Any:
    """Deep copy of a JSON value; several times faster than ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """The value at ``path``, or ``default`` when any step is absent or null."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return default
        if value is None:
            return default
    return value


def name_of(obj: Obj) -> str:
    """``metadata.name``, empty when it has none."""
    return str(dig(obj, "metadata", "name", default=""))


def namespace_of(obj: Obj) -> str:
    """``metadata.namespace``, empty for cluster-scoped objects."""
    return str(dig(obj, "metadata", "namespace", default=""))


def uid_of(obj: Obj) -> str:
    """``metadata.uid``."""
    return str(dig(obj, "metadata", "uid", default=""))


def labels_of(obj: Obj) -> dict[str, str]:
    """``metadata.labels``, empty when there are none."""
    labels: dict[str, str] = dig(obj, "metadata", "labels", default={})
    return labels


def annotations_of(obj: Obj) -> dict[str, str]:
    """``metadata.annotations``, empty when there are none."""
    annotations: dict[str, str] = dig(obj, "metadata", "annotations", default={})
    return annotations


def is_deleting(obj: Obj) -> bool:
    """Whether deletion was requested."""
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference marked ``controller: true``."""
    for reference in dig(obj, "metadata", "ownerReferences", default=[]):
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_reference(owner: Obj) -> Obj:
    """A controlling, deletion-blocking reference to ``owner``."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def timestamp(at: datetime | None = None) -> str:
    """RFC 3339 in UTC with seconds, as ``metav1.Time`` is written."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp() -> str:
    """RFC 3339 with microseconds, as ``metav1.MicroTime`` is written."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Inverse of :func:`timestamp`; also reads fractions and offsets."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def condition(obj: Obj, kind: str) -> Obj | None:
    """The entry of ``status.conditions`` of that type."""
    for entry in dig(obj, "status", "conditions", default=[]):
        if entry.get("type") == kind:
            return dict(entry)
    return None


def is_true(obj: Obj, kind: str) -> bool:
    """Whether the condition of that type is ``"True"``."""
    found = condition(obj, kind)
    return found is not None and found["status"] == "True"


def with_condition(conditions: list[Obj], kind: str, status: str, reason: str = "", message: str = "") -> list[Obj]:
    """``conditions`` with one set; ``lastTransitionTime`` moves only when its status changes."""
    now = timestamp()
    entry: Obj = {"type": kind, "status": status, "lastTransitionTime": now}
    if reason:
        entry["reason"] = reason
    if message:
        entry["message"] = message
    result = []
    placed = False
    for old in conditions:
        if old["type"] != kind:
            result.append(old)
            continue
        placed = True
        if old["status"] == status:
            entry["lastTransitionTime"] = old.get("lastTransitionTime", now)
        result.append({**{k: v for k, v in old.items() if k not in ("reason", "message")}, **entry})
    if not placed:
        result.append(entry)
    return result


def containers_of(pod_spec: Obj) -> Iterator[tuple[str, int, Obj]]:
    """Each container with the list it is in and its index: init containers first, as they run."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(pod_spec.get(field) or []):
            yield field, index, container


def claims_of(pod: Obj) -> list[str]:
    """Names of the claims a pod mounts."""
    names = [
        name
        for volume in dig(pod, "spec", "volumes", default=[])
        if (name := dig(volume, "persistentVolumeClaim", "claimName"))
    ]
    names += [f"{name_of(pod)}-{v['name']}" for v in dig(pod, "spec", "volumes", default=[]) if "ephemeral" in v]
    return names


def short_hash(value: str, length: int = 10) -> str:
    """A stable lower-case suffix without vowels, like the ones controllers put into names."""
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    digest = hashlib.sha256(value.encode()).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])
