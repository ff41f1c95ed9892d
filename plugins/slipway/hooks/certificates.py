"""Self-signed server certificates, for what only the API server calls: admission webhooks.

Whoever calls trusts exactly this certificate, by the ``caBundle`` of the webhook, so an authority of its own would add
nothing but another key to keep.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=2 * 365)
# A deploy renews it in time; who does not deploy for half a year is told by the webhook's alert.
RENEWED_BEFORE = timedelta(days=183)
# Of a webhook configuration: <Secret>/<key> whose certificate its caBundle is.
CA_ANNOTATION = "slipway.dev/ca-from"


def new_pair(names: Sequence[str], now: datetime) -> str:
    """Private key and self-signed certificate for DNS names, as one PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def serves(pair: str | None, names: Sequence[str], now: datetime) -> bool:
    """Whether a pair is there, is for these names and is not about to end."""
    if not pair:
        return False
    try:
        certificate = _certificate(pair)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    same = set(found.get_values_for_type(x509.DNSName)) == set(names)
    return same and certificate.not_valid_after_utc - now > RENEWED_BEFORE


def trusting(objects: Iterable[dict[str, Any]], secrets: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The objects, webhooks that ask for it given the certificate that they are to trust.

    :param secrets: values by Secret and key; a Secret that is not known yet leaves its webhooks as they are.
    """
    return [_with_bundle(item, secrets) for item in objects]


def _with_bundle(item: dict[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    source = (item.get("metadata", {}).get("annotations") or {}).get(CA_ANNOTATION)
    secret, _, key = (source or "").partition("/")
    if key not in secrets.get(secret, {}):
        return item
    public = _certificate(secrets[secret][key]).public_bytes(serialization.Encoding.PEM)
    bundle = base64.b64encode(public).decode()
    webhooks = [{**one, "clientConfig": {**one["clientConfig"], "caBundle": bundle}} for one in item["webhooks"]]
    return {**item, "webhooks": webhooks}


def _certificate(pair: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair[pair.index("-----BEGIN CERTIFICATE-----") :].encode())


def utc_now() -> datetime:
    """The time that certificates are judged by."""
    return datetime.now(UTC)
