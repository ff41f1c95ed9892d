"""OpenAPI v3 documents, one per group and version, cut from the published definitions.

``kubectl`` reads them to explain kinds, to compute client-side patches and to learn whether the server
validates fields. v2 is served as JSON for the clients that ask for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rehearsal.kubernetes.errors import no_such_path
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.resources import Catalog, Resource

_SCHEMAS = "#/components/schemas/"
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PATCH_TYPES = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
]
_QUERY = ["dryRun", "fieldManager", "fieldValidation"]


class OpenApi:
    """Documents of one cluster, made on first use and forgotten when its resources change."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._documents: dict[str, Obj] = {}
        self._hashes: dict[str, str] = {}

    def forget(self) -> None:
        """Rebuild on next use: a CRD came, changed or went."""
        self._documents.clear()
        self._hashes.clear()

    def index(self) -> Obj:
        """``/openapi/v3``: where each document is, under a URL that changes with its content."""
        paths = {}
        for group, versions in self._catalog.group_versions().items():
            for version in versions:
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._hash(group, version)}"}
        return {"paths": paths}

    def _hash(self, group: str, version: str) -> str:
        key = f"{group}/{version}"
        if key not in self._hashes:
            served = sorted((r.plural, json.dumps(r.node.raw, sort_keys=True)) for r in self._of(group, version))
            text = json.dumps([self._catalog.definitions.version, served])
            self._hashes[key] = hashlib.sha256(text.encode()).hexdigest()[:32].upper()
        return self._hashes[key]

    def _of(self, group: str, version: str) -> list[Resource]:
        return [r for r in self._catalog.all() if r.group == group and r.version == version]

    def document(self, group: str, version: str) -> Obj:
        """The v3 document of a group and version.

        :raises ApiError: 404 when it is not served.
        """
        key = f"{group}/{version}"
        if key not in self._documents:
            resources = self._of(group, version)
            if not resources:
                raise no_such_path()
            self._documents[key] = self._build(resources)
        return self._documents[key]

    def _build(self, resources: list[Resource]) -> Obj:
        schemas: dict[str, Obj] = {}
        paths: dict[str, Obj] = {}
        self._collect(_DELETE_OPTIONS, schemas)
        for resource in resources:
            name = self._schema_name(resource)
            if resource.custom:
                self._collect(_OBJECT_META, schemas)
                schemas[name] = self._custom_schema(resource)
            else:
                self._collect(name, schemas)
            paths.update(_paths(resource, name))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": f"v{self._catalog.definitions.version}.0"},
            "paths": paths,
            "components": {"schemas": schemas},
        }

    def _schema_name(self, resource: Resource) -> str:
        if not resource.custom:
            return resource.definition
        reverse = ".".join(reversed(resource.group.split(".")))
        return f"{reverse}.{resource.version}.{resource.kind}"

    def _custom_schema(self, resource: Resource) -> Obj:
        schema: Obj = _v3(resource.node.raw)
        schema["properties"]["metadata"] = {"allOf": [{"$ref": _SCHEMAS + _OBJECT_META}]}
        gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        schema["x-kubernetes-group-version-kind"] = [gvk]
        return schema

    def _collect(self, name: str, into: dict[str, Obj]) -> None:
        """``name`` and everything it refers to."""
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current in into:
                continue
            raw = self._catalog.definitions.raw[current]
            into[current] = _v3(raw)
            waiting.extend(_references(raw))

    def v2(self) -> Obj:
        """The whole API as Swagger 2.0 definitions, without paths."""
        definitions = json.loads(json.dumps(self._catalog.definitions.raw).replace("#/$defs/", "#/definitions/"))
        info = {"title": "Kubernetes", "version": f"v{self._catalog.definitions.version}.0"}
        return {"swagger": "2.0", "info": info, "paths": {}, "definitions": definitions}


def _v3(raw: Any) -> Any:
    """JSON schema to OpenAPI 3.0: no type lists, references beside other keys wrapped in allOf."""
    if isinstance(raw, list):
        return [_v3(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    result: Obj = {}
    for key, value in raw.items():
        if key == "properties" and isinstance(value, dict):
            result[key] = {name: _v3(schema) for name, schema in value.items()}
        elif key == "type" and isinstance(value, list):
            named = [item for item in value if item != "null"]
            result[key] = named[0] if named else "object"
        elif key == "$ref":
            target = value.replace("#/$defs/", _SCHEMAS)
            if len(raw) == 1:
                result[key] = target
            else:
                result["allOf"] = [{"$ref": target}]
        else:
            result[key] = _v3(value)
    return result


def _references(raw: Any) -> list[str]:
    if isinstance(raw, list):
        return [name for item in raw for name in _references(item)]
    if not isinstance(raw, dict):
        return []
    found = [name for key, value in raw.items() if key != "$ref" for name in _references(value)]
    reference = raw.get("$ref")
    return [*found, reference.removeprefix("#/$defs/")] if isinstance(reference, str) else found


def _paths(resource: Resource, schema: str) -> dict[str, Obj]:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{root}{scope}/{resource.plural}"
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    body = {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}

    def operation(action: str, query: list[str], media: list[str] | None = None) -> Obj:
        result: Obj = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
            "responses": {"200": {"description": "OK", "content": body}},
        }
        if query:
            result["parameters"] = [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in query
            ]
        if media:
            result["requestBody"] = {"content": dict.fromkeys(media, body["application/json"])}
        return result

    paths: dict[str, Obj] = {}
    if "create" in resource.verbs:
        paths[collection] = {"post": operation("post", _QUERY, ["application/json"])}
    if "get" in resource.verbs:
        paths.setdefault(collection, {})["get"] = operation("list", [])
        paths[collection + "/{name}"] = {
            "get": operation("get", []),
            "put": operation("put", _QUERY, ["application/json"]),
            "patch": operation("patch", [*_QUERY, "force"], _PATCH_TYPES),
            "delete": operation("delete", ["dryRun"]),
        }
    return paths
