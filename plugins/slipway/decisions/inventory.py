"""Which objects a component has, what changed in them, and which are left over from an earlier release."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.decisions.kinds import NEVER_PRUNED, Manifest, wave_of
from slipway.model.platform import SYSTEM_NAMESPACE

COMPONENT_LABEL = "slipway.dev/component"
FIELDS_SHOWN = 20

# Set by the API server and by controllers; a difference here is nobody's change.
_SERVER_METADATA = {
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "finalizers",
}
_CONTROLLER_ANNOTATION = re.compile(
    r"^(deployment\.kubernetes\.io|pv\.kubernetes\.io|volume\.(beta\.)?kubernetes\.io)/"
)
_STEP = re.compile(r'\.?([^.\[\]"=]+)|\[([^\]=]+)="?([^\]"]*)"?\]')


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Names one object of a cluster.

    :param namespace: empty for cluster-scoped objects.
    """

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def key(self) -> str:
        """``apiVersion|kind|namespace|name``, as inventories store it."""
        return "|".join((self.api_version, self.kind, self.namespace, self.name))

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Same for every version of the API: moving from ``v1beta1`` to ``v1`` is not another object."""
        group = self.api_version.rpartition("/")[0]
        return group, self.kind, self.namespace, self.name

    @classmethod
    def parse(cls, key: str) -> ObjectRef:
        """Read a key back.

        :raises ValueError: not four parts.
        """
        api_version, kind, namespace, name = key.split("|")
        return cls(api_version, kind, namespace, name)

    @classmethod
    def of(cls, manifest: Manifest) -> ObjectRef:
        """Reference of a manifest or of a live object."""
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or "", metadata["name"])


def digest(manifests: Iterable[Manifest]) -> str:
    """SHA-256 of manifests in canonical JSON, independent of their order, as 64 hexadecimal digits."""
    ordered = sorted(manifests, key=lambda manifest: ObjectRef.of(manifest).key)
    return hashlib.sha256(json.dumps(ordered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def left_over(earlier: Iterable[str], now: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Objects of earlier inventories that are no longer wanted, users first: the reverse of the apply order.

    The namespace that holds the inventories themselves is never among them.
    """
    wanted = {ref.identity for ref in now}
    seen = {ref.identity: ref for ref in map(ObjectRef.parse, earlier)}
    gone = [ref for identity, ref in seen.items() if identity not in wanted]
    kept = [ref for ref in gone if not (ref.kind == "Namespace" and ref.name == SYSTEM_NAMESPACE)]
    return sorted(kept, key=lambda ref: (-wave_of(ref.kind), ref))


def why_kept(live: Manifest, component: str) -> str | None:
    """Why a left-over object is not deleted; ``None`` when it is."""
    metadata = live["metadata"]
    owner = (metadata.get("labels") or {}).get(COMPONENT_LABEL)
    if owner != component:
        return f"left alone: it now belongs to {owner}" if owner else "left alone: it no longer carries our label"
    if live["kind"] in NEVER_PRUNED:
        return "left in place because it holds data or other objects; delete it by hand when it is no longer needed"
    return None


def changed_fields(before: Manifest, after: Manifest) -> list[str]:
    """Dotted paths whose values differ, apart from what servers and controllers write by themselves."""
    return sorted(_differences(_essence(before), _essence(after), ""))[:FIELDS_SHOWN]


def _essence(manifest: Manifest) -> dict[str, Any]:
    kept = {key: value for key, value in manifest.items() if key not in {"status", "apiVersion", "kind"}}
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _SERVER_METADATA}
    annotations = metadata.pop("annotations", None) or {}
    ours = {key: value for key, value in annotations.items() if not _CONTROLLER_ANNOTATION.match(key)}
    if ours:
        metadata["annotations"] = ours
    return {**kept, "metadata": metadata}


def _differences(before: Any, after: Any, path: str) -> Iterable[str]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            dotted = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key), after.get(key), dotted)
    elif _is_named_list(before) and _is_named_list(after):
        old, new = ({item["name"]: item for item in items} for items in (before, after))
        for name in old.keys() | new.keys():
            yield from _differences(old.get(name), new.get(name), f"{path}[{name}]")
        if old == new:
            yield path
    else:
        yield path


def _is_named_list(value: Any) -> bool:
    return (
        bool(value)
        and isinstance(value, Sequence)
        and all(isinstance(item, Mapping) and "name" in item for item in value)
    )


def without_field(manifest: Manifest, field: str) -> dict[str, Any]:
    """Copy of a manifest without one field.

    :param field: path as server-side apply names it: ``.spec.replicas``, ``.webhooks[name="a"].clientConfig.caBundle``.
    """
    copy: dict[str, Any] = json.loads(json.dumps(manifest))
    steps = [match.groups() for match in _STEP.finditer(field)]
    node: Any = copy
    for name, key, value in steps[:-1]:
        if name is not None:
            node = node.get(name) if isinstance(node, dict) else None
        elif isinstance(node, list):
            node = next((item for item in node if str(item.get(key)) == value), None)
        if node is None:
            return copy
    last = steps[-1][0] if steps else None
    if last is not None and isinstance(node, dict):
        node.pop(last, None)
    return copy
