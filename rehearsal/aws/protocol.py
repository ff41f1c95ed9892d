"""From an HTTP request to a plain function and back, by a service's botocore model.

A service is a set of functions named like boto3's methods (``create_cluster``) that take a :class:`Call` and
return the response as a plain dict in the model's member names. Routing, parsing and serialisation are
moto's, validation is ours; nothing here knows any one service.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from botocore import xform_name
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from rehearsal.aws.errors import AwsError, invalid_parameter
from rehearsal.aws.validation import problems

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who asks: the account and the ARN that ``GetCallerIdentity`` would return."""

    account: str
    arn: str


@dataclass(frozen=True)
class Call:
    """One API call, parsed and valid by its input shape."""

    operation: str
    region: str
    caller: Caller
    params: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A required parameter."""
        return self.params[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An optional parameter."""
        value = self.params.get(name)
        return default if value is None else value


Handler = Callable[[Call], Mapping[str, Any]]


def handlers_of(modules: Iterable[ModuleType], operation_names: Iterable[str], *bound: Any) -> dict[str, Handler]:
    """Find each operation's function in ``modules``.

    :param bound: leading arguments of every function, usually the service's state.
    """
    found: dict[str, Handler] = {}
    by_name = {name: value for module in modules for name, value in vars(module).items()}
    for operation in operation_names:
        function = by_name.get(xform_name(operation))
        if function is not None:
            found[operation] = _bind(function, bound)
    return found


def _bind(function: Callable[..., Mapping[str, Any]], bound: tuple[Any, ...]) -> Handler:
    return lambda call: function(*bound, call)


class ModelledService:
    """One AWS service answered by plain functions.

    :param name: botocore's service name, e.g. ``eks``.
    :param handlers: operation name -> function.
    :param validation_error: the code with which the service refuses a malformed request.
    """

    def __init__(
        self, name: str, handlers: Mapping[str, Handler], validation_error: str = "InvalidParameterException"
    ) -> None:
        self.name = name
        self.model = get_service_model(name)
        self._handlers = handlers
        self._validation_error = validation_error

    def answer(self, request: Request, region: str, caller: Caller) -> Response:
        """Answer one HTTP request; every failure is an AWS error response."""
        try:
            operation, uri_params = get_service_router(self.name).match(request)
        except NotFound:
            return Response("<UnknownOperationException/>", status=404)
        protocol = determine_request_protocol(self.model, request.content_type)
        result: Any
        try:
            params = self._parse(request, operation, protocol, uri_params)
            result = self._handle(Call(operation.name, region, caller, params))
        except AwsError as error:
            result = error
        except Exception as error:
            _LOG.exception("%s:%s failed", self.name, operation.name)
            result = AwsError("ServerException", f"The rehearsal failed at {self.name}:{operation.name}: {error!r}")
        if isinstance(result, AwsError) and result.code not in {shape.name for shape in self.model.error_shapes}:
            return _unmodelled(result)
        serialised = get_serializer_class(self.name, protocol)(operation).serialize(result)
        return Response(serialised["body"], serialised["status_code"], dict(serialised["headers"]))

    def _parse(self, request: Request, operation: Any, protocol: str, uri_params: dict[str, Any]) -> dict[str, Any]:
        parsed = PROTOCOL_PARSERS[protocol](operation).parse(
            {
                "query_params": request.values,
                "headers": request.headers,
                "body": request.get_data(),
                "url_params": uri_params,
                "values": request.values,
            }
        )
        params = {name: value for name, value in parsed.items() if not _absent(operation, name, value)}
        found = list(problems(operation.input_shape, params)) if operation.input_shape else []
        if found:
            plural = "error" if len(found) == 1 else "errors"
            raise AwsError(self._validation_error, f"{len(found)} validation {plural} detected: {'; '.join(found)}")
        return params

    def _handle(self, call: Call) -> Mapping[str, Any]:
        handler = self._handlers.get(call.operation)
        if handler is None:
            offered = ", ".join(sorted(self._handlers))
            message = f"The rehearsal does not offer {self.name}:{call.operation}; it has {offered}"
            raise AwsError("NotImplementedException", message)
        return handler(call)


def _absent(operation: Any, name: str, value: Any) -> bool:
    """Whether the request did not have this parameter; a list in the query string is parsed to ``[]`` then."""
    in_query = operation.input_shape.members[name].serialization.get("location") == "querystring"
    return value is None or (value == [] and in_query)


def _unmodelled(error: AwsError) -> Response:
    """An error that every AWS service may answer with, or that only the rehearsal has."""
    body = json.dumps({"__type": error.code, "message": error.message})
    status = 501 if error.code == "NotImplementedException" else 400
    return Response(body, status, {"X-Amzn-Errortype": error.code}, mimetype="application/json")


def page(items: list[Any], call: Call, default: int = 100) -> tuple[list[Any], dict[str, str]]:
    """Cut one page out of ``items``.

    :returns: the page, and ``{"nextToken": ...}`` when more follows (an empty dict otherwise).
    """
    token = call.get("nextToken", "0")
    if not str(token).isdigit():
        raise invalid_parameter(f"nextToken is {token!r}; allowed is a token that an earlier response returned")
    start = int(token)
    end = start + int(call.get("maxResults", default))
    return items[start:end], ({"nextToken": str(end)} if end < len(items) else {})
