"""Which service, region and operation does an HTTP request mean, and who signed it?"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from rehearsal.aws.local import client
from rehearsal.aws.protocol import Caller

# Signing names that differ from botocore's service names, for services whose operations are in the URL.
_BY_SIGNING_NAME = {"elasticfilesystem": "efs", "aps": "amp", "execute-api": "apigateway", "aws-marketplace": "pricing"}
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Identified:
    """What a request is about."""

    service: str
    region: str
    operation: str
    access_key: str


def identify(request: Request) -> Identified:
    """Read the credential scope of a signed or presigned request and find its operation."""
    access_key, region, service = _scope(request)
    return Identified(service, region, _operation(request, service), access_key)


def _scope(request: Request) -> tuple[str, str, str]:
    header = request.headers.get("Authorization", "")
    credential = header.partition("Credential=")[2].partition(",")[0] or request.args.get("X-Amz-Credential", "")
    parts = credential.strip().split("/")
    if len(parts) < 5:
        return "", _DEFAULT_REGION, "s3" if not request.form.get("Action") else "sts"
    return "/".join(parts[:-4]), parts[-3], parts[-2]


def _operation(request: Request, service: str) -> str:
    target = request.headers.get("X-Amz-Target")
    if target:
        return str(target.rpartition(".")[2])
    action = request.args.get("Action") or _form_action(request)
    if action:
        return str(action)
    try:
        operation, _ = get_service_router(_BY_SIGNING_NAME.get(service, service)).match(request)
    except (HTTPException, UnknownServiceError, NotImplementedError):
        return f"{request.method} {request.path}"
    return str(operation.name)


def _form_action(request: Request) -> str:
    if not (request.content_type or "").startswith("application/x-www-form-urlencoded"):
        return ""
    return str(parse_qs(request.get_data(cache=True).decode("utf-8", "replace")).get("Action", [""])[0])


def caller(identified: Identified) -> Caller:
    """Who ``GetCallerIdentity`` says signed the request."""
    answer = client("sts", identified.region, identified.access_key or "rehearsal").get_caller_identity()
    return Caller(answer["Account"], answer["Arn"])
