"""From objects to response bodies: JSON, tables and partial metadata."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import PlainTextResponse, Response

from rehearsal.kubernetes.errors import ApiError, PageNotFound
from rehearsal.kubernetes.http import tables
from rehearsal.kubernetes.http.requests import Call
from rehearsal.kubernetes.objects import Obj

_encoder = msgspec.json.Encoder()


def dumps(value: Any) -> bytes:
    """Compact JSON."""
    return _encoder.encode(value)


def json_response(body: Obj, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(dumps(body), code, headers, "application/json")


def error_response(error: ApiError) -> Response:
    """A ``Status`` answer."""
    if isinstance(error, PageNotFound):
        return PlainTextResponse(error.message + "\n", error.code)
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return json_response(error.body(), error.code, headers)


def object_response(call: Call, obj: Obj, code: int = 200) -> Response:
    """One object in the form the client accepts, with the warnings of the call."""
    response = json_response(shaped(call, obj), code)
    for text in call.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{escaped}"')
    return response


def list_response(call: Call, items: list[Obj], metadata: Obj) -> Response:
    """A list in the form the client accepts."""
    resource = call.resource
    form = accepted_form(call.accept)
    if form == "Table":
        return json_response(tables.render(resource, items, metadata, call.query.get("includeObject", "Metadata")))
    kind, version = f"{resource.kind}List", resource.api_version
    if form == "PartialObjectMetadata":
        items = [partial(item) for item in items]
        kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
    return json_response({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})


def shaped(call: Call, obj: Obj) -> Obj:
    """One object as itself, as a table, or as its metadata."""
    form = accepted_form(call.accept)
    if obj.get("kind") == "Status" or form == "":
        return obj
    if form == "Table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        include = call.query.get("includeObject", "Metadata")
        return tables.render(call.resource, [obj], metadata, include)
    return partial(obj)


def partial(obj: Obj) -> Obj:
    """Only the metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def accepted_form(accept: str) -> str:
    """``Table``, ``PartialObjectMetadata`` or empty, by the first media range that can be served.

    :raises ApiError: 406 when none can.
    """
    ranges = [entry.strip() for entry in accept.split(",") if entry.strip()] or ["*/*"]
    for entry in ranges:
        media, *parameters = [part.strip() for part in entry.split(";")]
        if media not in ("application/json", "*/*", "application/*", "application/yaml", "text/html"):
            continue
        form = next((p.removeprefix("as=") for p in parameters if p.startswith("as=")), "")
        if form in ("", "Table"):
            return form
        if form.startswith("PartialObjectMetadata"):
            return "PartialObjectMetadata"
    raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")
