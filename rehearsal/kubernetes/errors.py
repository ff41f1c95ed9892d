"""Failures of the API, each rendered as the ``Status`` object a kube-apiserver answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rehearsal.kubernetes.objects import Obj


@dataclass(frozen=True)
class Cause:
    """One field's fault: ``reason`` is a FieldValue… word, ``field`` a dotted path."""

    reason: str
    message: str
    field: str

    def text(self) -> str:
        """As it appears in the message of the whole error."""
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """An answer other than success; ``body`` is its ``Status`` object."""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after

    def body(self) -> Obj:
        """The ``Status`` object."""
        status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            status["reason"] = self.reason
        details = dict(self.details)
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        if details:
            status["details"] = details
        return status


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``; the bare plural in the core group."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, kind: str, group: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for an object."""
    return ApiError(404, "NotFound", f'{qualified(plural, group)} "{name}" not found', _details(name, plural, group))


def no_such_path() -> ApiError:
    """404 for a path nothing serves; clients tell it apart from an absent object by its text."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


class PageNotFound(ApiError):
    """404 in plain text: no API group or version is served under the path at all."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 on create."""
    text = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", text, _details(name, plural, group))


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    """409 when a precondition does not hold."""
    text = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", text, _details(name, plural, group))


def stale(plural: str, group: str, name: str) -> ApiError:
    """409 on an outdated resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(plural, group, name, why)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403 from admission."""
    text = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", text, _details(name, plural, group))


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """422 with one cause per faulty field."""
    texts = [cause.text() for cause in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(name, kind, group)
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401; says nothing of why, as the real one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def unsupported_media_type(found: str, allowed: list[str]) -> ApiError:
    """415."""
    text = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(allowed)} (found {found or 'none'})"
    )
    return ApiError(415, "UnsupportedMediaType", text)


def method_not_allowed() -> ApiError:
    """405."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(message: str) -> ApiError:
    """410 on a list continuation or watch that starts before what is remembered."""
    return ApiError(410, "Expired", message)


# Field faults, worded as k8s.io/apimachinery field errors are.


def required(field: str, hint: str = "") -> Cause:
    """A field that must be given."""
    return Cause("FieldValueRequired", "Required value" + (f": {hint}" if hint else ""), field)


def bad_value(field: str, value: Any, why: str) -> Cause:
    """A value that is not acceptable."""
    return Cause("FieldValueInvalid", f"Invalid value: {_shown(value)}: {why}", field)


def not_supported(field: str, value: Any, allowed: list[str]) -> Cause:
    """A value outside a closed list."""
    listed = ", ".join(f'"{item}"' for item in allowed)
    return Cause("FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {listed}", field)


def forbidden_field(field: str, why: str) -> Cause:
    """A field that may not be set or changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def duplicate(field: str, value: Any) -> Cause:
    """A key used twice in an associative list."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {_shown(value)}", field)


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
