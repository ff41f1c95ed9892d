"""From a request body to an object of the right type."""

from __future__ import annotations

from typing import Any

from rehearsal.kubernetes.errors import Cause, bad_request, bad_value, invalid
from rehearsal.kubernetes.objects import Obj, name_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.options import WriteOptions
from rehearsal.kubernetes.schema import Faults, decode


def decoded(resource: Resource, body: Any, options: WriteOptions) -> Obj:
    """``body`` without nulls and undeclared fields.

    :raises ApiError: 400 when it is not of the resource's type, has values of the wrong type, or has
        undeclared or misspelt fields under strict validation; custom resources answer 422 for types.
    """
    if not isinstance(body, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is not an object")
    _check_type(resource, body)
    faults = Faults()
    obj: Obj = decode(resource.node, body, faults)
    if faults.types:
        raise _wrong_types(resource, obj, faults)
    if faults.unknown:
        _unknown(resource, faults.unknown, options)
    obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
    obj.setdefault("metadata", {})
    return obj


def _check_type(resource: Resource, body: Obj) -> None:
    kind, version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        found = f"{resource.api_version}, Kind={kind}" if resource.group else f"/{version}, Kind={kind}"
        raise bad_request(f"{kind} in the data does not match the expected kind {resource.kind} ({found})")


def _wrong_types(resource: Resource, obj: Obj, faults: Faults) -> Exception:
    if resource.custom:
        causes = [
            bad_value(path, found, f'{path} in body must be of type {wanted}: "{found}"')
            for path, found, wanted in faults.types
        ]
        causes = [Cause("FieldValueTypeInvalid", c.message, c.field) for c in causes]
        return invalid(resource.kind, resource.group, str(name_of(obj)), causes)
    path, found, wanted = faults.types[0]
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: json: cannot '
        f"unmarshal {'bool' if found == 'boolean' else found} into Go struct field {resource.kind}.{path} "
        f"of type {wanted}"
    )


def _unknown(resource: Resource, paths: list[str], options: WriteOptions) -> None:
    texts = [f'unknown field "{path}"' for path in paths]
    if options.field_validation == "Strict":
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {', '.join(texts)}"
        )
    if options.field_validation == "Warn":
        options.warnings.extend(texts)


def decoded_for_apply(resource: Resource, body: Any) -> Obj:
    """``body`` as an applied configuration: undeclared fields are errors, whatever was asked for.

    :raises ApiError: 400.
    """
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: the body is not an object")
    for field in ("apiVersion", "kind"):
        if not body.get(field):
            raise bad_request(f"Object '{field}' is missing in the applied configuration")
    _check_type(resource, body)
    if (body.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    faults = Faults()
    obj: Obj = decode(resource.node, body, faults)
    problems = [f".{path}: field not declared in schema" for path in faults.unknown]
    problems += [f".{path}: expected {wanted}, got {found}" for path, found, wanted in faults.types]
    if problems:
        metadata = body.get("metadata") or {}
        where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; "
        raise bad_request(
            f"failed to create typed patch object ({where}{resource.api_version}, Kind={resource.kind}): "
            + (problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems))
        )
    obj.setdefault("metadata", {})
    return obj
