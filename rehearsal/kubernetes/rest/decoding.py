"""From a request body to an object of the right type."""

from __future__ import annotations

import re
from typing import Any

from rehearsal.kubernetes.errors import ApiError, Cause, bad_request, invalid
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
    if faults.malformed:
        raise _unreadable(resource, resource.kind, resource.version, faults.malformed[0])
    if faults.unknown:
        _unknown(resource, faults.unknown, options)
    obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
    obj.setdefault("metadata", {})
    return obj


def _check_type(resource: Resource, body: Obj) -> None:
    kind, version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        group, _, number = version.rpartition("/")
        if resource.node.knows_version(group, number):
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({resource.api_version})"
            )
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        raise _unreadable(resource, kind, version.rpartition("/")[2], why)
    if kind != resource.kind:
        target = f"{resource.group.partition('.')[0] or 'core'}.{resource.kind}"
        why = f"converting ({resource.version}.{kind}) to ({target}): unknown conversion"
        raise _unreadable(resource, kind, resource.version, why)


def _unreadable(resource: Resource, kind: str, version: str, why: str) -> ApiError:
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}')


def _wrong_types(resource: Resource, obj: Obj, faults: Faults) -> Exception:
    if resource.custom:
        causes = [
            Cause(
                "FieldValueTypeInvalid",
                f'Invalid value: "{fault.found}": {fault.path} in body must be of type {fault.wanted}: "{fault.found}"',
                fault.path,
            )
            for fault in faults.types
        ]
        return invalid(resource.kind, resource.group, str(name_of(obj)), causes)
    fault = faults.types[0]
    found = {"boolean": "bool", "integer": "number"}.get(fault.found, fault.found)
    # Go names the innermost struct and leaves out indexes.
    path = re.sub(r"\[[0-9]+\]", "", fault.path)
    why = f"json: cannot unmarshal {found} into Go struct field {fault.owner}.{path} of type {fault.wanted}"
    return _unreadable(resource, resource.kind, resource.version, why)


def _unknown(resource: Resource, paths: list[str], options: WriteOptions) -> None:
    texts = [f'unknown field "{path}"' for path in paths]
    if options.field_validation == "Strict":
        raise _unreadable(resource, resource.kind, resource.version, f"strict decoding error: {', '.join(texts)}")
    if options.field_validation == "Warn":
        options.warnings.extend(texts)


def decoded_for_apply(resource: Resource, body: Any) -> Obj:
    """``body`` as an applied configuration: undeclared fields are errors, whatever was asked for.

    :raises ApiError: 400; 500 for undeclared fields and wrong types.
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
    problems += [f".{fault.path}: expected {fault.wanted}, got {fault.found}" for fault in faults.types]
    problems += faults.malformed
    if problems:
        metadata = body.get("metadata") or {}
        where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; "
        # A kube-apiserver answers this one with 500 and no reason.
        raise ApiError(
            500,
            "",
            f"failed to create typed patch object ({where}{resource.api_version}, Kind={resource.kind}): "
            + (problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems)),
        )
    obj.setdefault("metadata", {})
    return obj
