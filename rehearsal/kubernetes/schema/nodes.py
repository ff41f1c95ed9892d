"""Schema nodes: what a value may be, and how its parts merge.

A node is compiled on first use from a definition of the published OpenAPI (package
``kubernetes-validate``, which keeps the ``x-kubernetes-*`` extensions) or from the
``openAPIV3Schema`` of a CustomResourceDefinition.
"""

from __future__ import annotations

import json
import re
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, Literal

from rehearsal.kubernetes.objects import Obj

NodeKind = Literal["any", "scalar", "struct", "map", "list"]

_REF = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META = _META + "ObjectMeta"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
# The published v2 definitions leave out defaults; these take part in associative keys.
_KEY_DEFAULTS = {"protocol": "TCP"}


class Node:
    """One schema position.

    :ivar kind: shape of the value; ``any`` is not looked into.
    :ivar types: JSON type names a scalar may have.
    :ivar definition: name of the published definition, empty for what is inline or custom.
    :ivar raw: the OpenAPI schema it was compiled from, references resolved one step.
    """

    def __init__(self, raw: Obj, definitions: Definitions | None, custom: bool = False, definition: str = "") -> None:
        self.raw = raw
        self.definition = definition
        self.custom = custom
        self._definitions = definitions
        self.format = raw.get("format", "")
        self.is_quantity = raw.get("x-slipway-quantity", False)
        self.preserves_unknown = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.types = self._types()
        self.kind: NodeKind = self._kind()
        self.required: list[str] = raw.get("required") or []
        self.map_keys: list[str] = raw.get("x-kubernetes-list-map-keys") or []
        list_type = raw.get("x-kubernetes-list-type", "atomic")
        self.list_type: str = list_type if self.kind == "list" else ""
        self.atomic = (
            (self.kind == "list" and list_type == "atomic")
            or raw.get("x-kubernetes-map-type") == "atomic"
            or (self.kind == "any" and not self.preserves_unknown)
        )
        self.merge_key: str = raw.get("x-kubernetes-patch-merge-key", "")
        strategy = raw.get("x-kubernetes-patch-strategy", "")
        self.merges: bool = "merge" in strategy.split(",")
        self.retains_keys: bool = "retainKeys" in strategy.split(",")

    def _types(self) -> frozenset[str]:
        if self.raw.get("x-kubernetes-int-or-string"):
            return frozenset({"string", "integer"})
        found = self.raw.get("type", [])
        names = {found} if isinstance(found, str) else set(found)
        return frozenset(names - {"null"})

    def _kind(self) -> NodeKind:
        raw = self.raw
        if "properties" in raw:
            return "struct"
        if isinstance(raw.get("additionalProperties"), dict):
            return "map"
        if "array" in self.types:
            return "list"
        if "object" in self.types:
            return "struct" if self.custom and not self.preserves_unknown else "any"
        return "scalar" if self.types else "any"

    @cached_property
    def fields(self) -> dict[str, Node]:
        """Children of a struct by name."""
        return {name: self._child(schema) for name, schema in (self.raw.get("properties") or {}).items()}

    @cached_property
    def element(self) -> Node:
        """What the values of a map or the items of a list are."""
        if self.kind == "map":
            return self._child(self.raw["additionalProperties"])
        if self.kind == "list":
            return self._child(self.raw.get("items") or {})
        return self

    @cached_property
    def key_defaults(self) -> dict[str, Any]:
        """Values an associative key has where an item leaves it out."""
        result = {}
        for key in self.map_keys:
            field = self.element.fields.get(key)
            if field is not None and "default" in field.raw:
                result[key] = field.raw["default"]
            elif key in _KEY_DEFAULTS and not self.custom:
                result[key] = _KEY_DEFAULTS[key]
        return result

    def knows_version(self, group: str, version: str) -> bool:
        """Whether the schema this node is of has anything in that group and version."""
        return self._definitions is not None and (group, version) in self._definitions.known_versions

    def child(self, name: str) -> Node | None:
        """The node of a field or map value; None when the field is not declared."""
        if self.kind == "struct":
            found = self.fields.get(name)
            if found is None and self.preserves_unknown:
                return ANYTHING
            return found
        if self.kind == "map":
            return self.element
        return ANYTHING if self.kind == "any" else None

    def _child(self, schema: Obj) -> Node:
        if self._definitions is not None and "$ref" in schema:
            return self._definitions.reference(schema)
        if self.custom and schema.get("x-kubernetes-embedded-resource"):
            schema = _embedded(schema)
        if self.custom and "$ref" in schema:
            return builtin_definitions(schema["x-slipway-version"]).node(OBJECT_META)
        return Node(schema, self._definitions, self.custom)


ANYTHING = Node({"x-kubernetes-preserve-unknown-fields": True}, None)


class Definitions:
    """The definitions of one Kubernetes version.

    :ivar version: the minor version they are of, e.g. ``1.36``.
    """

    def __init__(self, version: str, definitions: dict[str, Obj]) -> None:
        self.version = version
        self.raw = definitions
        self._nodes: dict[str, Node] = {}
        self._overridden: dict[str, Node] = {}
        # DeleteOptions is registered in every group and version a kube-apiserver knows, served or not.
        self.known_versions = {
            (gvk["group"], gvk["version"])
            for schema in definitions.values()
            for gvk in schema.get("x-kubernetes-group-version-kind") or []
        }
        self._by_kind = {
            (gvk["group"], gvk["version"], gvk["kind"]): name
            for name, schema in definitions.items()
            for gvk in schema.get("x-kubernetes-group-version-kind") or []
            if len(schema["x-kubernetes-group-version-kind"]) == 1
        }

    def name_for(self, group: str, version: str, kind: str) -> str | None:
        """The definition's name for a kind, None when this version has none."""
        return self._by_kind.get((group, version, kind))

    def node(self, name: str) -> Node:
        """The compiled definition of that name."""
        if name not in self._nodes:
            self._nodes[name] = Node(self._adjusted(name), self, definition=name)
        return self._nodes[name]

    def reference(self, schema: Obj) -> Node:
        """The node of a schema that is a ``$ref``, with what stands beside it applied."""
        target = schema["$ref"].removeprefix(_REF)
        beside = {k: v for k, v in schema.items() if k.startswith("x-kubernetes-")}
        if not beside:
            return self.node(target)
        key = target + json.dumps(beside, sort_keys=True)
        if key not in self._overridden:
            self._overridden[key] = Node({**self._adjusted(target), **beside}, self, definition=target)
        return self._overridden[key]

    def _adjusted(self, name: str) -> Obj:
        raw = self.raw[name]
        if name == _QUANTITY:
            return {"type": ["string", "number"], "x-slipway-quantity": True}
        if name == _INT_OR_STRING:
            return {"type": ["string", "integer"]}
        return raw


@lru_cache(maxsize=4)
def builtin_definitions(version: str) -> Definitions:
    """The published definitions of ``version`` (``major.minor``).

    :raises ValueError: when the installed package holds none for it; the message lists what it has.
    """
    root = resources.files("kubernetes_validate") / "kubernetes-json-schema"
    available = sorted(
        (m.group(1) for entry in root.iterdir() if (m := re.fullmatch(r"v(1\.\d+)\.\d+-local", entry.name))),
        key=lambda text: int(text.split(".")[1]),
    )
    if version not in available:
        raise ValueError(f"Kubernetes version {version!r} has no published schema here: {', '.join(available)}")
    text = (root / f"v{version}.0-local" / "_definitions.json").read_text()
    return Definitions(version, json.loads(text)["$defs"])


def custom_resource(schema: Obj, definitions: Definitions) -> Node:
    """The node of a custom resource from the ``openAPIV3Schema`` of its CRD version."""
    root = dict(schema)
    root.setdefault("type", "object")
    root["properties"] = {**(schema.get("properties") or {}), **_type_and_metadata(definitions.version)}
    return Node(root, None, custom=True)


def _embedded(schema: Obj) -> Obj:
    properties = {**(schema.get("properties") or {}), "apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    properties.setdefault("metadata", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    return {**schema, "properties": properties, "x-kubernetes-embedded-resource": False}


def _type_and_metadata(version: str) -> Obj:
    return {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": _REF + OBJECT_META, "x-slipway-version": version},
    }
