"""Bearer tokens to identities: EKS tokens, service account tokens, the rehearsal's own admin token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from rehearsal.kubernetes.auth import sts
from rehearsal.kubernetes.auth.tokens import ServiceAccountTokens
from rehearsal.kubernetes.errors import unauthorized
from rehearsal.kubernetes.identity import MASTERS, Identity
from rehearsal.kubernetes.objects import Obj

_CACHED_SECONDS = 60


@dataclass
class Access:
    """Which IAM principals may enter, and as whom.

    :ivar entries: access entries as the admin API got them.
    """

    creator: str = ""
    bootstrap_admin: bool = True
    entries: list[Obj] = field(default_factory=list)

    def identity(self, arn: str) -> Identity | None:
        """The identity of a caller, None when nothing lets it in."""
        principal = sts.canonical_arn(arn)
        extra: dict[str, tuple[str, ...]] = {"arn": (arn,), "canonicalArn": (principal,)}
        groups = {"system:authenticated"}
        for entry in self.entries:
            if sts.canonical_arn(entry["principalArn"]) != principal:
                continue
            policies = tuple(_policy(policy) for policy in entry.get("policies") or [])
            groups |= set(entry.get("groups") or [])
            if self._is_creator(principal):
                groups.add(MASTERS)
            return Identity(entry.get("username") or arn, frozenset(groups), principal, extra, policies)
        if self._is_creator(principal):
            return Identity("kubernetes-admin", frozenset({*groups, MASTERS}), principal, extra)
        return None

    def _is_creator(self, principal: str) -> bool:
        return self.bootstrap_admin and sts.canonical_arn(self.creator) == principal


def _policy(policy: Obj) -> tuple[str, frozenset[str]]:
    scope = policy.get("scope") or policy.get("accessScope") or {}
    namespaces = scope.get("namespaces") or [] if scope.get("type") == "namespace" else []
    return str(policy["policyArn"]).rsplit("/", 1)[-1], frozenset(namespaces)


class Authenticator:
    """Identities of one cluster.

    :param sts_endpoint: where callers are verified, e.g. ``http://127.0.0.1:5555``.
    :param secrets: secret keys by access key id, to verify signatures where they are known.
    """

    def __init__(
        self,
        cluster: str,
        access: Access,
        tokens: ServiceAccountTokens,
        admin_token: str,
        sts_endpoint: str,
        secrets: dict[str, str],
    ) -> None:
        self._cluster = cluster
        self._access = access
        self._tokens = tokens
        self._admin_token = admin_token
        self._endpoint = sts_endpoint.rstrip("/")
        self._secrets = secrets
        self._callers: dict[str, tuple[str, float]] = {}

    async def authenticate(self, token: str) -> Identity:
        """The identity behind a bearer token.

        :raises ApiError: 401.
        """
        if hmac.compare_digest(token.encode(), self._admin_token.encode()):
            return Identity("kubernetes-admin", frozenset({MASTERS, "system:authenticated"}))
        if not token.startswith(sts.PREFIX):
            return self._tokens.verify(token)
        identity = self._access.identity(await self._caller(token))
        if identity is None:
            raise unauthorized()
        return identity

    async def _caller(self, token: str) -> str:
        now = datetime.now(UTC)
        presigned = sts.decode(token, self._cluster, urlsplit(self._endpoint).netloc, self._secrets, now)
        known, until = self._callers.get(token, ("", 0.0))
        if known and now.timestamp() < until:
            return known
        arn = await sts.caller(presigned, self._cluster, self._endpoint)
        if len(self._callers) > 1000:
            self._callers.clear()
        self._callers[token] = (arn, now.timestamp() + _CACHED_SECONDS)
        return arn
