"""``metadata.managedFields``: who owns which field, and what an apply or an update does to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rehearsal.kubernetes.apply import typed
from rehearsal.kubernetes.apply.fieldset import FieldSet, difference, intersection, paths, union
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import Obj, timestamp
from rehearsal.kubernetes.schema import Node

# Written by the server; nobody owns them.
_UNOWNED_METADATA = frozenset({
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields",
    "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName",
})  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """Identity of a field manager for one operation."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def key(self) -> tuple[str, str, str, str]:
        """What tells managers apart: appliers are the same at every version."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)

    def text(self) -> str:
        """As conflict messages name it."""
        name = f'"{self.manager}"'
        if self.subresource:
            name += f' with subresource "{self.subresource}"'
        return name if self.operation == "Apply" else f"{name} using {self.api_version}"


class Ownership:
    """The parsed ``managedFields`` of one object."""

    def __init__(self, entries: list[Obj]) -> None:
        self._sets: dict[tuple[str, str, str, str], FieldSet] = {}
        self._writers: dict[tuple[str, str, str, str], Writer] = {}
        self._times: dict[tuple[str, str, str, str], str] = {}
        for entry in entries:
            writer = Writer(
                entry.get("manager", ""),
                entry.get("operation", "Update"),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            )
            self.set(writer, entry.get("fieldsV1") or {}, entry.get("time", timestamp()))

    def get(self, writer: Writer) -> FieldSet:
        """Fields the writer owns."""
        return self._sets.get(writer.key(), {})

    def set(self, writer: Writer, fields: FieldSet, at: str | None = None) -> None:
        """Replace what the writer owns; an empty set removes the writer."""
        key = writer.key()
        if not fields:
            for table in (self._sets, self._writers, self._times):
                table.pop(key, None)
            return
        changed = self._sets.get(key) != fields or self._writers[key] != writer
        self._sets[key], self._writers[key] = fields, writer
        if changed:
            self._times[key] = at or timestamp()

    def others(self, writer: Writer) -> list[tuple[Writer, FieldSet]]:
        """Every other writer with its fields."""
        return [(self._writers[k], fields) for k, fields in self._sets.items() if k != writer.key()]

    def everything(self) -> FieldSet:
        """All owned fields."""
        result: FieldSet = {}
        for fields in self._sets.values():
            result = union(result, fields)
        return result

    def entries(self) -> list[Obj]:
        """The wire form: appliers first, then by time, as a kube-apiserver sorts them."""
        keys = sorted(self._sets, key=lambda k: (k[1] != "Apply", self._times[k], k[0]))
        result = []
        for key in keys:
            writer = self._writers[key]
            entry = {
                "manager": writer.manager,
                "operation": writer.operation,
                "apiVersion": writer.api_version,
                "time": self._times[key],
                "fieldsType": "FieldsV1",
                "fieldsV1": self._sets[key],
            }
            if writer.subresource:
                entry["subresource"] = writer.subresource
            result.append(entry)
        return result


def ownable(obj: Obj, subresource: str, has_status: bool) -> Obj:
    """The part of an object whose fields can be owned through an endpoint."""
    if subresource == "status":
        return {"status": obj["status"]} if "status" in obj else {}
    result = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    if has_status:
        result.pop("status", None)
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _UNOWNED_METADATA}
    if metadata:
        result["metadata"] = metadata
    return result


def apply(node: Node, live: Obj, applied: Obj, writer: Writer, force: bool, has_status: bool) -> Obj:
    """Server-side apply of ``applied`` onto ``live``; the result carries new ``managedFields``.

    :raises ApiError: 409 naming managers and fields when others own what would change.
    """
    ownership = Ownership(live.get("metadata", {}).get("managedFields") or [])
    last = ownership.get(writer)
    base = ownable(live, writer.subresource, has_status)
    config = ownable(applied, writer.subresource, has_status)
    merged = typed.merge(node, base, config)
    ownership.set(writer, typed.to_set(node, config) or {})
    if last:
        merged = typed.prune(node, merged, last, ownership.everything())
    _settle(node, base, merged, ownership, writer, force)
    return _assembled(live, merged, ownership)


def _assembled(live: Obj, merged: Obj, ownership: Ownership) -> Obj:
    result = {**live, **merged}
    for key in live:
        if key not in merged and key not in ("apiVersion", "kind", "metadata", "status"):
            del result[key]
    server_side = {k: v for k, v in live.get("metadata", {}).items() if k in _UNOWNED_METADATA}
    kept = merged.get("metadata", {})
    if "metadata" not in merged and "status" in merged and len(merged) == 1:
        kept = {k: v for k, v in live.get("metadata", {}).items() if k not in _UNOWNED_METADATA}
        result = {**live, "status": merged["status"]}
    result["metadata"] = {**server_side, **kept, "managedFields": ownership.entries()}
    return result


def _settle(node: Node, old: Obj, new: Obj, ownership: Ownership, writer: Writer, force: bool) -> typed.Comparison:
    """Take changed and removed fields from their other owners, or raise where that is a conflict."""
    comparison = typed.compare(node, old, new)
    changed = union(comparison.modified, comparison.added)
    conflicts = []
    for other, fields in ownership.others(writer):
        contested = intersection(fields, changed)
        if contested:
            conflicts.append((other, contested))
    if conflicts and not force:
        raise _conflict(conflicts)
    for other, contested in conflicts:
        ownership.set(other, difference(ownership.get(other), contested))
    if comparison.removed:
        for other, fields in ownership.others(writer):
            ownership.set(other, difference(fields, comparison.removed))
    return comparison


def _conflict(conflicts: list[tuple[Writer, FieldSet]]) -> ApiError:
    causes: list[dict[str, Any]] = []
    lines = []
    for writer, fields in conflicts:
        found = list(paths(fields))
        if len(found) == 1:
            lines.append(f"conflict with {writer.text()}: {found[0]}")
        else:
            lines.append(f"conflicts with {writer.text()}:\n" + "\n".join(f"- {path}" for path in found))
        causes.extend(
            {"reason": "FieldManagerConflict", "message": f"conflict with {writer.text()}", "field": path}
            for path in found
        )
    plural = "conflict" if len(causes) == 1 else "conflicts"
    text = f"Apply failed with {len(causes)} {plural}: " + "\n".join(lines)
    return ApiError(409, "Conflict", text, {"causes": causes})


def track_update(node: Node, old: Obj | None, new: Obj, writer: Writer, has_status: bool) -> list[Obj]:
    """``managedFields`` after a create (``old`` None), update or patch by ``writer``."""
    before = ownable(old, writer.subresource, has_status) if old else {}
    after = ownable(new, writer.subresource, has_status)
    given = new["metadata"].get("managedFields") or []
    if given == [{}]:
        ownership = Ownership([])
    else:
        ownership = Ownership(given or (old["metadata"].get("managedFields") or [] if old else []))
    comparison = _settle(node, before, after, ownership, writer, force=True)
    if not comparison.is_same():
        mine = difference(ownership.get(writer), comparison.removed)
        ownership.set(writer, union(mine, union(comparison.modified, comparison.added)))
    return ownership.entries()
