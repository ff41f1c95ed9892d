"""Service account tokens, signed by the cluster."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rehearsal.kubernetes.errors import unauthorized
from rehearsal.kubernetes.identity import Identity, service_account
from rehearsal.kubernetes.objects import Obj, timestamp, uid_of
from rehearsal.kubernetes.store import Store

_ALGORITHM = "ES256"
_AUDIENCE = "https://kubernetes.default.svc"


class ServiceAccountTokens:
    """Issues and verifies JWTs.

    :param key_pem: private key; made when None.
    """

    def __init__(self, store: Store, issuer: str, key_pem: str | None = None) -> None:
        self._store = store
        self.issuer = issuer
        key = (
            serialization.load_pem_private_key(key_pem.encode(), None)
            if key_pem
            else ec.generate_private_key(ec.SECP256R1())
        )
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the service account key must be an elliptic curve key")
        self._key = key

    def key_pem(self) -> str:
        """The private key, for the snapshot."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def issue(
        self, namespace: str, name: str, uid: str, seconds: int, audiences: list[str] | None = None
    ) -> tuple[str, str]:
        """A token and when it expires."""
        now = datetime.now(UTC)
        expires = now + timedelta(seconds=seconds)
        claims = {
            "iss": self.issuer,
            "aud": audiences or [_AUDIENCE],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }
        return jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": self._key_id()}), timestamp(expires)

    def verify(self, token: str) -> Identity:
        """The service account a token is of.

        :raises ApiError: 401 when it is not ours, expired, or its account was replaced or deleted.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key.public_key(), [_ALGORITHM], audience=_AUDIENCE, issuer=self.issuer
            )
            bound = claims["kubernetes.io"]
            namespace, account = bound["namespace"], bound["serviceaccount"]
        except (jwt.PyJWTError, KeyError) as error:
            raise unauthorized() from error
        found = self._store.get("serviceaccounts", namespace, account["name"])
        if found is None or uid_of(found) != account["uid"]:
            raise unauthorized()
        return service_account(namespace, account["name"], account["uid"])

    def _key_id(self) -> str:
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.urlsafe_b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")

    def discovery(self, keys: bool) -> Obj:
        """The OpenID configuration, or the public keys."""
        if not keys:
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [_ALGORITHM],
            }
        numbers = self._key.public_key().public_numbers()
        encoded = {
            axis: base64.urlsafe_b64encode(value.to_bytes(32, "big")).decode().rstrip("=")
            for axis, value in (("x", numbers.x), ("y", numbers.y))
        }
        key = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": _ALGORITHM, "kid": self._key_id(), **encoded}
        return {"keys": [key]}
