"""Presigned requests: signed in the query string instead of a header, as EKS tokens are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.request import Request
from werkzeug.wrappers import Response

# Whatever X-Amz-Expires says, which EKS tokens set to 60 s for old authenticators only.
# Source: pkg/token/token.go of https://github.com/kubernetes-sigs/aws-iam-authenticator, at requestPresignParam.
_STS_LIFE = timedelta(minutes=15)
_EXPIRED = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>SignatureDoesNotMatch</Code><Message>Signature expired: {ended} is now earlier than {now}</Message>"
    "</Error><RequestId>rehearsal</RequestId></ErrorResponse>"
)


def prepare(environ: dict[str, Any], request: Request, service: str) -> Response | None:
    """Let moto see a presigned request as a signed one: without the header it takes all of them for S3's.

    :returns: the refusal of a request whose time is over, None for all others.
    """
    credential = request.args.get("X-Amz-Credential")
    if not credential or service == "s3" or request.headers.get("Authorization"):
        return None
    ended, now = _end(request, service), datetime.now(UTC)
    if ended is not None and ended < now:
        return Response(_EXPIRED.format(ended=ended.isoformat(), now=now.isoformat()), 403, mimetype="text/xml")
    signed, signature = request.args.get("X-Amz-SignedHeaders", ""), request.args.get("X-Amz-Signature", "")
    environ["HTTP_AUTHORIZATION"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
    )
    return None


def _end(request: Request, service: str) -> datetime | None:
    try:
        begin = datetime.strptime(request.args["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        life = _STS_LIFE if service == "sts" else timedelta(seconds=int(request.args["X-Amz-Expires"]))
    except (KeyError, ValueError):
        return None
    return begin + life
