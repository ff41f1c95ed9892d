"""Reads any exception that a task may meet as a failure of a class."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from slipway.decisions import failures
from slipway.model.errors import ErrorClass, Problem, RefusedError, SlipwayError, StuckError


@dataclass(frozen=True, slots=True)
class Reading:
    """What an exception says.

    :param doing: the call or resource that failed, empty when the exception does not tell.
    :param mend: the next step it names; empty for what goes for its class.
    """

    error_class: ErrorClass
    why: str
    doing: str = ""
    mend: str = ""


def read(error: BaseException) -> Reading:
    """Read an exception, or the cause it was raised from, whichever says more."""
    first: Reading | None = None
    for one in _chain(error):
        reading = _ours(one) or _botocore(one) or _kubernetes(one) or _network(one) or _airflow(one)
        if reading is not None:
            if reading.error_class not in {ErrorClass.UNCLASSIFIED, ErrorClass.VERDICT}:
                why = reading.why if one is error else str(error) or reading.why
                return Reading(reading.error_class, why, reading.doing, reading.mend)
            first = first or reading
    return first or Reading(ErrorClass.UNCLASSIFIED, f"{type(error).__name__}: {error}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__


def _ours(error: BaseException) -> Reading | None:
    if not isinstance(error, SlipwayError):
        return None
    problem: Problem | None = getattr(error, "problem", None)
    if isinstance(error, RefusedError) and problem is not None:
        return Reading(error.error_class, problem.found, problem.where, problem.mend)
    if isinstance(error, StuckError):
        return Reading(failures.of_reasons(error.reasons), str(error), error.resource, error.mend)
    return Reading(error.error_class, str(error))


def _botocore(error: BaseException) -> Reading | None:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    from slipway.hooks.answers import UNREADABLE

    if isinstance(error, exceptions.ClientError):
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        kind = ErrorClass.UNKNOWN_OUTCOME if code == UNREADABLE else failures.of_aws(code, message, status)
        return Reading(kind, f"{code}: {message}", f"AWS {error.operation_name}")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return Reading(ErrorClass.UNAUTHENTICATED, str(error))
    if isinstance(error, exceptions.ParamValidationError | exceptions.NoRegionError):
        return Reading(ErrorClass.BAD_INPUT, str(error))
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError):
        return Reading(ErrorClass.RETRY_LATER, str(error))
    # The request was on its way when the connection ended, or what came back was damaged.
    damaged = (exceptions.HTTPClientError, exceptions.IncompleteReadError, exceptions.FlexibleChecksumError)
    if isinstance(error, (*damaged, ResponseParserError)):
        return Reading(ErrorClass.UNKNOWN_OUTCOME, str(error))
    return None


def _kubernetes(error: BaseException) -> Reading | None:
    """The official clients' errors, which the provider's operators raise. Ours knows its own class."""
    if type(error).__name__ != "ApiException" or not hasattr(error, "status"):
        return None
    message = _message(getattr(error, "body", None)) or str(error)
    reason = str(getattr(error, "reason", ""))
    return Reading(failures.of_kubernetes(int(error.status or 0), reason, message), message)


def _message(body: object) -> str:
    try:
        return str(json.loads(str(body)).get("message", ""))
    except (ValueError, AttributeError):
        return ""


def _network(error: BaseException) -> Reading | None:
    if isinstance(error, UnicodeDecodeError):
        return Reading(ErrorClass.UNKNOWN_OUTCOME, f"an answer could not be read: {error}")
    if isinstance(error, ConnectionError | TimeoutError | ssl.SSLError | socket.gaierror):
        return Reading(ErrorClass.RETRY_LATER, f"{type(error).__name__}: {error}")
    if type(error).__module__.split(".")[0] in {"urllib3", "aiohttp", "requests"}:
        return Reading(ErrorClass.UNKNOWN_OUTCOME, f"{type(error).__name__}: {error}")
    return None


def _airflow(error: BaseException) -> Reading | None:
    from airflow.sdk import exceptions

    if isinstance(error, exceptions.AirflowFailException):
        # Operators raise it bare for what somebody has judged, and from a cause for everything else.
        kind = getattr(error, "error_class", ErrorClass.VERDICT)
        return Reading(kind, str(error))
    if isinstance(error, exceptions.AirflowTaskTimeout | SystemExit):
        return Reading(ErrorClass.UNKNOWN_OUTCOME, f"{type(error).__name__}: {error}")
    if isinstance(error, exceptions.TaskDeferralError | exceptions.TaskDeferralTimeout):
        return Reading(ErrorClass.RETRY_LATER, f"its wait ended without an answer: {error}")
    return None
