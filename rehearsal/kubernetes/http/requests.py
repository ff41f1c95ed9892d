"""What a request asks for, from its path, method and query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml
from starlette.requests import Request

from rehearsal.kubernetes.errors import (
    ApiError,
    Cause,
    PageNotFound,
    bad_request,
    forbidden_field,
    invalid,
    method_not_allowed,
    no_such_path,
    not_supported,
    required,
    unsupported_media_type,
)
from rehearsal.kubernetes.http import protobuf
from rehearsal.kubernetes.identity import Identity
from rehearsal.kubernetes.resources import Catalog, Resource
from rehearsal.kubernetes.rest.options import WriteOptions

_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_COLLECTION_VERBS = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_BODY_TYPES = ["application/json", "application/yaml"]


@dataclass
class Call:
    """One API call on a resource.

    :ivar verb: the RBAC verb.
    :ivar namespace: empty for cluster-scoped resources and lists over all namespaces.
    """

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: dict[str, str]
    content_type: str
    accept: str
    user: Identity
    user_agent: str
    warnings: list[str] = field(default_factory=list)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored.

        :raises ApiError: 422 for a value other than ``All``.
        """
        value = self.query.get("dryRun", "")
        if value not in ("", "All"):
            raise self._invalid_option(not_supported("dryRun", [value], ["All"]))
        return value == "All"

    def _invalid_option(self, cause: Cause) -> ApiError:
        kind = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
        return invalid(kind.get(self.verb, "DeleteOptions"), "meta.k8s.io", "", [cause])

    def check_patch(self, applies: bool) -> None:
        """An apply needs a field manager; only an apply can be forced.

        :raises ApiError: 422.
        """
        if applies and not self.query.get("fieldManager"):
            raise self._invalid_option(required("fieldManager", "is required for apply patch"))
        if not applies and self.flag("force"):
            raise self._invalid_option(forbidden_field("force", "may not be specified for non-apply patch"))

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return _is_true(self.query.get(name, ""))

    def write_options(self) -> WriteOptions:
        """Options of a write as the query gives them."""
        validation = self.query.get("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            raise self._invalid_option(not_supported("fieldValidation", validation, ["Ignore", "Strict", "Warn"]))
        manager = self.query.get("fieldManager") or self.user_agent.split("/")[0] or "unknown"
        return WriteOptions(
            user=self.user,
            manager=manager[:128],
            dry_run=self.dry_run,
            field_validation=validation,
            force=self.flag("force"),
            subresource=self.subresource if self.subresource == "status" else "",
            warnings=self.warnings,
        )


def _is_true(value: str) -> bool:
    """As Go parses booleans; the Python client writes ``True``."""
    return value.lower() in ("true", "t", "1")


def parse(catalog: Catalog, request: Request, user: Identity) -> Call:
    """The call behind ``/api/v1/…`` or ``/apis/<group>/<version>/…``.

    :raises ApiError: 404 for a path nothing serves, 405 for a method the resource does not have, 400 for a
        namespaced object under an empty namespace (``/namespaces//configmaps/one``).
    """
    parts = [part for part in request.url.path.split("/") if part]
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        group, version, rest = parts[1], parts[2], parts[3:]
    if version not in catalog.group_versions().get(group, ()):
        raise PageNotFound
    namespace = ""
    nameless = "/namespaces//" in request.url.path and rest[0] == "namespaces" and len(rest) > 1
    in_namespace = rest[0] == "namespaces" and len(rest) >= 3 and (group or rest[2] not in _NAMESPACE_SUBRESOURCES)
    if nameless:
        rest = rest[1:]
    elif in_namespace:
        namespace, rest = rest[1], rest[2:]
    resource = catalog.by_path(group, version, rest[0])
    if resource is None or (len(rest) > 3 and rest[2] != "proxy"):
        raise no_such_path()
    if (in_namespace or nameless) and not resource.namespaced:
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    query = dict(request.query_params)
    if nameless and name:
        _verb(request.method, resource, name, subresource, query)
        raise bad_request("Namespace parameter required.")
    _check_shape(resource, namespace, name, subresource)
    return Call(
        verb=_verb(request.method, resource, name, subresource, query),
        resource=resource,
        namespace=namespace,
        name=name,
        subresource=subresource,
        query=query,
        content_type=request.headers.get("content-type", "").split(";")[0].strip(),
        accept=request.headers.get("accept", ""),
        user=user,
        user_agent=request.headers.get("user-agent", ""),
    )


def _check_shape(resource: Resource, namespace: str, name: str, subresource: str) -> None:
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    if subresource and subresource not in resource.subresources:
        raise no_such_path()


def _verb(method: str, resource: Resource, name: str, subresource: str, query: dict[str, str]) -> str:
    verb = (_OBJECT_VERBS if name else _COLLECTION_VERBS).get(method)
    if verb is None or (verb == "create" and name and not subresource):
        raise method_not_allowed()
    if verb == "list" and _is_true(query.get("watch", "")):
        verb = "watch"
    if verb not in resource.verbs and not subresource:
        raise method_not_allowed()
    return verb


async def read_body(request: Request, accept_empty: bool = False) -> Any:
    """The decoded JSON or YAML body.

    :raises ApiError: 400 when it cannot be parsed, 415 for another media type.
    """
    raw = await request.body()
    media = request.headers.get("content-type", "application/json").split(";")[0].strip()
    if not raw and accept_empty:
        return {}
    if media == protobuf.MEDIA:
        return protobuf.decode(raw)
    if media.endswith("cbor"):
        raise unsupported_media_type(media, _BODY_TYPES)
    try:
        if media.endswith("yaml"):
            return _decode_yaml(raw)
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding the body: {error}") from error


def _decode_yaml(raw: bytes) -> Any:
    """Clients mostly send JSON, which is YAML, and parses far faster as JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return yaml.load(raw, Loader=_Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):
    """YAML without timestamps: Kubernetes reads them as strings."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
