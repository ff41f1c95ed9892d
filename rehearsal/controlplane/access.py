"""IAM principals on a real control plane: tokens judged by TokenReview, access policies as RBAC bindings.

EKS authorises access policies in a webhook of its own. Here each policy is a group, bound to the user-facing role that
has the same meaning: cluster-admin, admin, edit, view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from rehearsal.kubernetes.auth import sts
from rehearsal.kubernetes.auth.authentication import Access
from rehearsal.kubernetes.errors import ApiError

_ROLES = {
    "AmazonEKSClusterAdminPolicy": "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
    "AmazonEKSAdminViewPolicy": "view",
}
_CONFLICT, _NOT_FOUND = 409, 404


async def review(token: str, cluster: str, access: Access, endpoint: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Status of a TokenReview: who an EKS token's bearer is.

    :param endpoint: the rehearsal's STS.
    :param secrets: secret keys by access key id, to verify signatures where they are known.
    """
    try:
        presigned = sts.decode(token, cluster, urlsplit(endpoint).netloc, dict(secrets), datetime.now(UTC))
        identity = access.identity(await sts.caller(presigned, cluster, endpoint))
    except ApiError:
        identity = None
    if identity is None:
        return {"authenticated": False}
    groups = {*identity.groups, *(group for policy in identity.policies for group in _groups(*policy))}
    return {
        "authenticated": True,
        "user": {
            "username": identity.name,
            "uid": identity.uid,
            "groups": sorted(groups - {"system:authenticated"}),
            "extra": {key: list(values) for key, values in identity.extra.items()},
        },
    }


def bind(api: client.ApiClient, access: Access) -> bool:
    """Make the bindings that the entries' policies need; false when a namespace they name is not there yet."""
    rbac = client.RbacAuthorizationV1Api(api)
    complete = True
    for policy, namespaces in {(name, spaces) for entry in access.entries for name, spaces in _policies(entry)}:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROLES[policy]}
        for group, namespace in zip(_groups(policy, namespaces), sorted(namespaces) or [""], strict=True):
            body = {
                "metadata": {"name": group.replace(":", "-").lower()},
                "roleRef": role,
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
            }
            try:
                if namespace:
                    rbac.create_namespaced_role_binding(namespace, body)
                else:
                    rbac.create_cluster_role_binding(body)
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    complete = False
                elif error.status != _CONFLICT:
                    raise
    return complete


def _policies(entry: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for policy in entry.get("policies") or []:
        name = str(policy["policyArn"]).rsplit("/", 1)[-1]
        scope = policy.get("scope") or policy.get("accessScope") or {}
        namespaces = scope.get("namespaces") or [] if scope.get("type") == "namespace" else []
        if name in _ROLES:
            yield name, frozenset(namespaces)


def _groups(policy: str, namespaces: frozenset[str]) -> list[str]:
    base = f"eks-access-policy:{policy}"
    return [f"{base}:{namespace}" for namespace in sorted(namespaces)] or [base]
