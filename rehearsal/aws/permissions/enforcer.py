"""Judges every call by the given policies, and remembers what came of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rehearsal.aws.permissions.evaluate import Request, Statement, Values, decide
from rehearsal.aws.permissions.requests import requests_of

# Needs no permission, and cannot be refused but by a Deny.
_FREE = {"sts:GetCallerIdentity"}
_VIA_S3 = {"PutObject": "kms:GenerateDataKey", "GetObject": "kms:Decrypt"}


class Enforcer:
    """Policies of one principal.

    :param statements: of its identity policies.
    :param tags: finds the tags of a resource by ARN.
    :param bucket_key: finds the ARN of the key that seals a bucket.
    """

    def __init__(
        self,
        statements: Sequence[Statement],
        tags: Callable[[str], Mapping[str, str]],
        bucket_key: Callable[[str], str | None],
    ) -> None:
        self._statements = statements
        self._tags = tags
        self._bucket_key = bucket_key
        self._lock = threading.Lock()
        self._allowed: Counter[tuple[str, str]] = Counter()
        self._denied: Counter[tuple[str, str, str, str]] = Counter()

    def refusal(
        self, service: str, operation: str, region: str, account: str, params: Mapping[str, Any], via: str = ""
    ) -> str | None:
        """Why a call is refused, in the words of AWS; ``None`` when it is allowed.

        :param via: the service that makes the call with the principal's rights.
        """
        for request in self._requests(service, operation, region, account, params, via):
            if request.action in _FREE:
                continue
            decision = decide(self._statements, request, self._context(request))
            with self._lock:
                if decision.allowed:
                    self._allowed[request.action, decision.sid] += 1
                    continue
                self._denied[request.action, request.resource, f"{service}.{operation}", via] += 1
            because = f"with an explicit deny in {decision.sid}" if decision.sid else "because no policy allows it"
            return f"not authorized to perform: {request.action} on resource: {request.resource} {because}"
        return None

    def clear(self) -> None:
        """Forget what was asked."""
        with self._lock:
            self._allowed.clear()
            self._denied.clear()

    def report(self) -> dict[str, Any]:
        """What was asked: allowed actions with the statements that allow them, and refused ones with their calls."""
        with self._lock:
            allowed, denied = dict(self._allowed), dict(self._denied)
        actions: dict[str, dict[str, int]] = {}
        for (action, sid), count in sorted(allowed.items()):
            actions.setdefault(action, {})[sid] = count
        refused = [
            {"action": action, "resource": resource, "call": call, "via": via, "count": count}
            for (action, resource, call, via), count in sorted(denied.items())
        ]
        return {"allowed": actions, "denied": refused}

    def _requests(
        self, service: str, operation: str, region: str, account: str, params: Mapping[str, Any], via: str
    ) -> Iterator[Request]:
        called = {"aws:calledvia": (f"{via}.amazonaws.com",)} if via else {}
        for one in requests_of(service, operation, region, account, params):
            yield replace(one, facts={**one.facts, **called})
        if service == "s3" and operation in _VIA_S3:
            key = self._bucket_key(str(params.get("Bucket")))
            if key:
                yield Request(_VIA_S3[operation], key, {"kms:viaservice": (f"s3.{region}.amazonaws.com",)})

    def _context(self, request: Request) -> Callable[[str], Values]:
        tags: dict[str, str] | None = None

        def look(key: str) -> Values:
            nonlocal tags
            if key in request.facts:
                return request.facts[key]
            prefix, _, name = key.partition("resourcetag/")
            if not name or prefix not in ("aws:", "ec2:", "iam:", "secretsmanager:", "elasticloadbalancing:"):
                return None
            if tags is None:
                tags = {key.lower(): value for key, value in self._tags(request.resource).items()}
            return (tags[name],) if name in tags else None

        return look
