"""Answers of AWS that arrive cut short or corrupted.

botocore takes JSON that it cannot read for an empty success, and raises ``UnicodeDecodeError`` or its parser's own
error for other damage; none of these is retried. Here every answer is read once before botocore reads it, and one that
cannot be is passed on as the failure of the service that it is: botocore asks again, with backoff, and if that goes on
there is an error with a code.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.etree.ElementTree import fromstring as parse_xml

# What `hooks.failures` knows it by.
UNREADABLE = "UnreadableResponse"
# botocore retries this one.
_STATUS = 503
_JSON = frozenset({"json", "rest-json"})
_XML = frozenset({"query", "ec2", "rest-xml"})


def refuse_unreadable(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Make an answer that cannot be read a retryable error; botocore's ``before-parse`` event.

    :param response_dict: ``status_code``, ``headers`` and ``body``, changed in place.
    """
    protocol = operation_model.service_model.resolved_protocol
    if operation_model.has_streaming_output and response_dict["status_code"] < 300:
        return
    if protocol not in _JSON | _XML or readable(protocol, response_dict, expected=_has_body(operation_model)):
        return
    text = f"the answer of {operation_model.name} was cut short or corrupted, so its outcome is not known"
    response_dict["status_code"] = _STATUS
    response_dict["headers"]["x-amzn-errortype"] = UNREADABLE
    if protocol in _JSON:
        response_dict["body"] = json.dumps({"__type": UNREADABLE, "message": text}).encode()
        return
    error = f"<Error><Code>{UNREADABLE}</Code><Message>{text}</Message></Error>"
    wrapped = {
        "ec2": f"<Response><Errors>{error}</Errors><RequestID>none</RequestID></Response>",
        "query": f"<ErrorResponse>{error}<RequestId>none</RequestId></ErrorResponse>",
        "rest-xml": error,
    }
    response_dict["body"] = wrapped[protocol].encode()


def count_as_refused(response: Any, **_: object) -> None:
    """Have botocore go by the status that :func:`refuse_unreadable` gave; its ``needs-retry`` event, before its own.

    :param response: the HTTP response and what was parsed of it; ``None`` when none came.
    """
    if response is None:
        return
    http, parsed = response
    if parsed.get("Error", {}).get("Code") == UNREADABLE:
        http.status_code = _STATUS


def watch(session: Any) -> None:
    """Have the clients of a session read every answer first.

    :param session: of boto3, whose ``events`` is its emitter, or of aiobotocore.
    """
    botocore_session = getattr(session, "_session", session)
    emitter = botocore_session.get_component("event_emitter")
    # As specific as can be, since the more specific is called first: before what decides on retries.
    emitter.register("before-parse.*.*", refuse_unreadable, unique_id="slipway-refuse-unreadable")
    emitter.register_first("needs-retry.*.*", count_as_refused, unique_id="slipway-count-as-refused")


def readable(protocol: str, response: dict[str, Any], *, expected: bool) -> bool:
    """Whether a body can be read as what its protocol says.

    :param expected: whether an answer of this operation has a body.
    """
    status, body = response["status_code"], response["body"]
    if not isinstance(body, bytes):
        return True
    if not body:
        return not expected or status != 200
    try:
        if status >= 300:
            # Gateways send errors as HTML; botocore copes with any text.
            body.decode()
        elif protocol in _JSON:
            json.loads(body)
        else:
            parse_xml(body)  # noqa: S314 - of AWS, and botocore reads it the same way next
    except (ValueError, ParseError):
        return False
    return True


def _has_body(operation_model: Any) -> bool:
    """Whether the output has required members that travel in the body; of others nothing may be all there is."""
    shape = operation_model.output_shape
    if shape is None or operation_model.service_model.resolved_protocol == "rest-xml":
        return False
    return bool(shape.members) and not shape.serialization.get("payload")
