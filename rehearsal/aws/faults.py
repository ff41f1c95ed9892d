"""Faults of AWS itself on purpose: an action that is denied or throttled, a version whose support ends soon.

They are put in through ``/_rehearsal/faults`` and end with the process.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

_KINDS = {
    "denied": "service and operation of a call that is refused",
    "throttled": "service and operation of a call that is throttled `times` times",
    "version-support-ends": "version and the days that standard support lasts",
}
# What botocore's parsers for the protocols in use read alike.
_DENIED = "AccessDeniedException"
_THROTTLED = "ThrottlingException"
_XML = {"ec2", "iam", "sts", "cloudformation", "autoscaling", "elasticloadbalancing"}


class Faults:
    """The active faults."""

    def __init__(self) -> None:
        self._active: list[dict[str, Any]] = []

    def add(self, fault: dict[str, Any]) -> None:
        """Let one happen.

        :raises ValueError: no such kind.
        """
        if fault.get("kind") not in _KINDS:
            known = "; ".join(f"{kind}: {text}" for kind, text in _KINDS.items())
            raise ValueError(f"no fault is called {fault.get('kind')!r}; there are {known}")
        self._active.append(dict(fault))

    def clear(self) -> None:
        """End all."""
        self._active.clear()

    def all(self) -> list[dict[str, Any]]:
        """The active ones."""
        return list(self._active)

    def days_of_support(self, version: str) -> float | None:
        """Days of standard support that a version has left on purpose."""
        for fault in self._active:
            if fault["kind"] == "version-support-ends" and fault.get("version") == version:
                return float(fault.get("days", 10))
        return None

    def refusal(self, service: str, operation: str) -> Response | None:
        """The answer to a call that is refused on purpose; ``None`` for all others."""
        for fault in list(self._active):
            if (fault.get("service"), fault.get("operation")) != (service, operation):
                continue
            if fault["kind"] == "denied":
                return refused(service, operation, _DENIED, 403, "User is not authorized to perform this action")
            if fault["kind"] == "throttled":
                fault["times"] = int(fault.get("times", 1)) - 1
                if fault["times"] <= 0:
                    self._active.remove(fault)
                return refused(service, operation, _THROTTLED, 400, "Rate exceeded")
        return None


def refused(service: str, operation: str, code: str, status: int, message: str) -> Response:
    """An error in the form of the service's protocol."""
    text = f"{message}: {service}:{operation}"
    if service == "ec2":
        code = {"AccessDeniedException": "UnauthorizedOperation", "ThrottlingException": "RequestLimitExceeded"}[code]
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors></Response>"
        return Response(body, status, mimetype="text/xml")
    if service in _XML or service == "s3":
        error = f"<Error><Code>{code.removesuffix('Exception')}</Code><Message>{text}</Message></Error>"
        body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
        return Response(body, status, mimetype="text/xml")
    answer = Response(json.dumps({"__type": code, "message": text}), status, mimetype="application/x-amz-json-1.1")
    answer.headers["x-amzn-ErrorType"] = code
    return answer
