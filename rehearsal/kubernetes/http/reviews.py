"""Virtual resources: token and access reviews, token requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rehearsal.kubernetes.errors import ApiError, not_found
from rehearsal.kubernetes.http.requests import Call
from rehearsal.kubernetes.identity import Identity
from rehearsal.kubernetes.objects import Obj, dig, name_of, uid_of

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster


def answer(cluster: Cluster, call: Call, body: Any) -> Obj:
    """The review with its status filled in."""
    review: Obj = {**body, "apiVersion": call.resource.api_version, "kind": call.resource.kind}
    match call.resource.kind:
        case "SelfSubjectReview":
            review["status"] = {"userInfo": _user_info(call.user)}
        case "TokenReview":
            review["status"] = _token_review(cluster, str(dig(body, "spec", "token", default="")))
        case "SelfSubjectRulesReview":
            namespace = str(dig(body, "spec", "namespace", default=""))
            review["status"] = cluster.authorizer.rules_for(call.user, namespace)
        case "SelfSubjectAccessReview":
            review["status"] = cluster.authorizer.review(call.user, body.get("spec") or {})
        case _:
            spec = body.get("spec") or {}
            user = Identity(spec.get("user", ""), frozenset(spec.get("groups") or []))
            review["status"] = cluster.authorizer.review(user, spec)
    review.setdefault("metadata", {})
    return review


def _user_info(user: Identity) -> Obj:
    info: Obj = {"username": user.name, "groups": sorted(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def _token_review(cluster: Cluster, token: str) -> Obj:
    try:
        user = cluster.tokens.verify(token)
    except ApiError:
        return {"authenticated": False, "error": "the token is not one of this cluster's service accounts"}
    return {"authenticated": True, "user": _user_info(user)}


def token(cluster: Cluster, call: Call, body: Any) -> Obj:
    """A ``TokenRequest`` for a service account.

    :raises ApiError: 404 when there is no such account.
    """
    account = cluster.store.get("serviceaccounts", call.namespace, call.name)
    if account is None:
        raise not_found("serviceaccounts", "", call.name)
    spec = body.get("spec") or {}
    seconds = max(600, int(spec.get("expirationSeconds") or 3600))
    issued, expires = cluster.tokens.issue(
        call.namespace, name_of(account), uid_of(account), seconds, spec.get("audiences") or None
    )
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name_of(account), "namespace": call.namespace},
        "spec": {**spec, "expirationSeconds": seconds},
        "status": {"token": issued, "expirationTimestamp": expires},
    }
