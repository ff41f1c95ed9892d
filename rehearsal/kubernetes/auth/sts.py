"""EKS tokens: a presigned ``sts:GetCallerIdentity`` URL, checked and asked of the rehearsal's STS.

Source: https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from rehearsal.kubernetes.errors import unauthorized

PREFIX = "k8s-aws-v1."
_HEADER = "x-k8s-aws-id"
_LONGEST = 900
_CLOCK_SKEW = timedelta(minutes=5)
_ARN = re.compile(r"<Arn>([^<]+)</Arn>")
_PUBLIC_HOST = re.compile(r"^sts(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?$")
_ALLOWED = {
    "Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
    "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
}  # fmt: skip


@dataclass(frozen=True)
class Presigned:
    """A decoded token."""

    host: str
    path: str
    query: str
    access_key: str
    expires: datetime


def decode(token: str, cluster: str, sts_host: str, secrets: dict[str, str], now: datetime) -> Presigned:
    """Check everything about a token that needs no STS.

    :param secrets: secret keys by access key id; where known, the signature is verified, and with it
        that the token was made for ``cluster``.
    :raises ApiError: 401.
    """
    url = _url(token)
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.netloc != sts_host and not _PUBLIC_HOST.match(parts.netloc):
        raise unauthorized()
    if parts.path not in ("", "/") or set(query) - _ALLOWED or query.get("Action") != "GetCallerIdentity":
        raise unauthorized()
    signed = query.get("X-Amz-SignedHeaders", "").split(";")
    if _HEADER not in signed:
        raise unauthorized()
    expires = _expiry(query, now)
    access_key = query.get("X-Amz-Credential", "").split("/")[0]
    secret = secrets.get(access_key)
    if secret is not None and not _signature_fits(parts.netloc, query, signed, cluster, secret):
        raise unauthorized()
    return Presigned(parts.netloc, parts.path or "/", parts.query, access_key, expires)


def _url(token: str) -> str:
    encoded = token.removeprefix(PREFIX)
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise unauthorized() from error


def _expiry(query: dict[str, str], now: datetime) -> datetime:
    try:
        seconds = int(query["X-Amz-Expires"])
        made = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except (KeyError, ValueError) as error:
        raise unauthorized() from error
    # The authenticator accepts a token for 15 minutes from its making, whatever X-Amz-Expires says.
    expires = made + timedelta(seconds=_LONGEST)
    if not 0 <= seconds <= _LONGEST or now > expires or made > now + _CLOCK_SKEW:
        raise unauthorized()
    return expires


def _signature_fits(host: str, query: dict[str, str], signed: list[str], cluster: str, secret: str) -> bool:
    """AWS Signature Version 4 of the presigned request with the header this cluster expects."""
    headers = {"host": host, _HEADER: cluster}
    if set(signed) - set(headers):
        return False
    canonical_query = "&".join(
        f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}"
        for key, value in sorted(query.items())
        if key != "X-Amz-Signature"
    )
    canonical_headers = "".join(f"{name}:{headers[name]}\n" for name in signed)
    empty = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(["GET", "/", canonical_query, canonical_headers, ";".join(signed), empty])
    scope = query.get("X-Amz-Credential", "").split("/", 1)[-1]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, digest])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, query.get("X-Amz-Signature", ""))


async def caller(presigned: Presigned, cluster: str, endpoint: str) -> str:
    """The caller's ARN according to the STS at ``endpoint``.

    :raises ApiError: 401 when STS does not vouch for the URL, or cannot be reached.
    """
    headers = {_HEADER: cluster, "Host": presigned.host, "Accept": "application/xml"}
    try:
        async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
            answer = await client.get(f"{endpoint}{presigned.path}?{presigned.query}", headers=headers)
    except httpx.HTTPError as error:
        raise unauthorized() from error
    match = _ARN.search(answer.text)
    if answer.status_code != 200 or match is None:
        raise unauthorized()
    return match.group(1)


def canonical_arn(arn: str) -> str:
    """The IAM principal behind a caller: a role for its sessions, ``iam`` for ``sts`` users."""
    match = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    if match:
        return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}"
    return re.sub(r"^arn:([^:]+):sts::", r"arn:\1:iam::", arn)
