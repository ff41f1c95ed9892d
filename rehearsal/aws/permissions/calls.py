"""The parameters of an HTTP request to any AWS service, by the service's botocore model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

# Names in credential scopes that are not botocore's.
_MODELS = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi", "servicequotas": "service-quotas"}
_ELB_V2 = "2015-12-01"


def parameters(request: Request, service: str, operation: str) -> Mapping[str, Any]:
    """The parameters by the names of the model; of S3 those in the address only, which name bucket and object.

    :param service: as in the credential scope.
    """
    name = _MODELS.get(service, service)
    if service == "elasticloadbalancing":
        name = "elbv2" if request.values.get("Version") == _ELB_V2 else "elb"
    uri: dict[str, Any] = {}
    model = get_service_model(name)
    if model.protocol in ("rest-json", "rest-xml"):
        try:
            _, uri = get_service_router(name).match(request)
        except HTTPException:
            return {}
        if name == "s3":
            return {**uri, **request.args}
    protocol = determine_request_protocol(model, request.content_type)
    parsed: Mapping[str, Any] = PROTOCOL_PARSERS[protocol](model.operation_model(operation)).parse(
        {
            "query_params": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_params": uri,
            "values": request.values,
        }
    )
    return {key: value for key, value in parsed.items() if value is not None}
