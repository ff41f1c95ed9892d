"""Access entries and access policies: which IAM principals may do what in a cluster."""

from __future__ import annotations

import uuid
from typing import Any

from rehearsal.aws.eks import iam
from rehearsal.aws.eks.state import AccessEntry, Cluster, Eks
from rehearsal.aws.errors import in_use, invalid_parameter, invalid_request, not_found
from rehearsal.aws.protocol import Call, page

CLUSTER_ADMIN_POLICY = "AmazonEKSClusterAdminPolicy"
_POLICY_NAMES = [
    "AmazonAIOpsAssistantPolicy",
    "AmazonARCRegionSwitchScalingPolicy",
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    CLUSTER_ADMIN_POLICY,
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
]
_NODE_TYPES = {"EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"}
_TYPES = {"STANDARD", *_NODE_TYPES}
_NODE_USERNAME = "system:node:{{EC2PrivateDNSName}}"


def create_access_entry(eks: Eks, call: Call) -> dict[str, Any]:
    """Let an IAM principal authenticate to the cluster."""
    cluster = _cluster(eks, call)
    principal, kind = call["principalArn"], call.get("type", "STANDARD")
    if kind not in _TYPES:
        raise invalid_parameter(f"The specified type {kind!r} is invalid; allowed are {', '.join(sorted(_TYPES))}")
    if kind in _NODE_TYPES and (call.get("username") or call.get("kubernetesGroups")):
        raise invalid_parameter(f"username and kubernetesGroups cannot be given for an access entry of type {kind}")
    if principal in cluster.access_entries:
        raise in_use("The specified access entry resource is already in use on this cluster.", clusterName=cluster.name)
    if principal != iam.identity_arn(call.caller.arn) and not iam.principal_exists(principal, call.region):
        raise invalid_parameter(
            f"The specified principalArn is invalid: invalid principal. ({principal!r} is no IAM user or role that "
            "exists; the ARN of a session is not one either)"
        )
    _require_usable(call.get("username"), call.get("kubernetesGroups", []))
    entry = _add_entry(eks, cluster, principal, kind, call.get("username"), call.get("kubernetesGroups", []))
    entry.data["tags"] = dict(call.get("tags", {}))
    publish(eks, cluster)
    return {"accessEntry": entry.data}


def describe_access_entry(eks: Eks, call: Call) -> dict[str, Any]:
    """One access entry."""
    return {"accessEntry": _entry(_cluster(eks, call), call).data}


def list_access_entries(eks: Eks, call: Call) -> dict[str, Any]:
    """Principals with an access entry, optionally those with a given policy."""
    cluster, policy = _cluster(eks, call), call.get("associatedPolicyArn")
    principals = sorted(p for p, entry in cluster.access_entries.items() if policy is None or policy in entry.policies)
    shown, more = page(principals, call)
    return {"accessEntries": shown, **more}


def update_access_entry(eks: Eks, call: Call) -> dict[str, Any]:
    """Change the user name or the groups of an entry."""
    cluster = _cluster(eks, call)
    entry = _entry(cluster, call)
    if entry.data["type"] != "STANDARD":
        raise invalid_request(f"An access entry of type {entry.data['type']} cannot be updated")
    _require_usable(call.get("username"), call.get("kubernetesGroups", []))
    entry.data["username"] = call.get("username", entry.data["username"])
    entry.data["kubernetesGroups"] = call.get("kubernetesGroups", entry.data["kubernetesGroups"])
    entry.data["modifiedAt"] = eks.clock.now()
    publish(eks, cluster)
    return {"accessEntry": entry.data}


def delete_access_entry(eks: Eks, call: Call) -> dict[str, Any]:
    """Remove an entry with its policies."""
    cluster = _cluster(eks, call)
    cluster.forget(_entry(cluster, call).data)
    del cluster.access_entries[call["principalArn"]]
    publish(eks, cluster)
    return {}


def associate_access_policy(eks: Eks, call: Call) -> dict[str, Any]:
    """Grant an access policy to an entry's principal, in the cluster or in some namespaces."""
    cluster = _cluster(eks, call)
    entry, arn, scope = _entry(cluster, call), call["policyArn"], call["accessScope"]
    if arn not in {policy["arn"] for policy in _policies(cluster)}:
        raise invalid_parameter(f"The policyArn {arn!r} is invalid; ListAccessPolicies has those that exist")
    if entry.data["type"] != "STANDARD":
        raise invalid_request(f"An access entry of type {entry.data['type']} takes no access policies")
    if (scope.get("type") == "namespace") != bool(scope.get("namespaces")):
        raise invalid_parameter("accessScope.namespaces must be given for type namespace, and only then")
    now = eks.clock.now()
    associated = {
        "policyArn": arn,
        "accessScope": {"type": scope["type"], "namespaces": list(scope.get("namespaces", []))},
        "associatedAt": entry.policies.get(arn, {}).get("associatedAt", now),
        "modifiedAt": now,
    }
    entry.policies[arn] = associated
    publish(eks, cluster)
    return {
        "clusterName": cluster.name,
        "principalArn": entry.data["principalArn"],
        "associatedAccessPolicy": associated,
    }


def disassociate_access_policy(eks: Eks, call: Call) -> dict[str, Any]:
    """Take an access policy away."""
    cluster = _cluster(eks, call)
    entry = _entry(cluster, call)
    if entry.policies.pop(call["policyArn"], None) is None:
        raise not_found(f"No policy {call['policyArn']} is associated with {entry.data['principalArn']}")
    publish(eks, cluster)
    return {}


def list_associated_access_policies(eks: Eks, call: Call) -> dict[str, Any]:
    """The access policies of one entry."""
    cluster = _cluster(eks, call)
    entry = _entry(cluster, call)
    shown, more = page(list(entry.policies.values()), call)
    names = {"clusterName": cluster.name, "principalArn": entry.data["principalArn"]}
    return {**names, "associatedAccessPolicies": shown, **more}


def list_access_policies(eks: Eks, call: Call) -> dict[str, Any]:
    """The access policies EKS has."""
    partition = call.caller.arn.split(":")[1]
    shown, more = page([_policy(partition, name) for name in _POLICY_NAMES], call)
    return {"accessPolicies": shown, **more}


def add_creator(eks: Eks, cluster: Cluster) -> None:
    """Give the cluster's creator an entry with the cluster admin policy, if asked for and entries exist."""
    if not (cluster.creator_is_admin and uses_entries(cluster)) or cluster.creator_arn in cluster.access_entries:
        return
    entry = _add_entry(eks, cluster, cluster.creator_arn, "STANDARD", None, [])
    arn = _policy(cluster.data["arn"].split(":")[1], CLUSTER_ADMIN_POLICY)["arn"]
    now = eks.clock.now()
    scope = {"type": "cluster", "namespaces": []}
    entry.policies[arn] = {"policyArn": arn, "accessScope": scope, "associatedAt": now, "modifiedAt": now}


def add_node_role(eks: Eks, cluster: Cluster, role_arn: str) -> None:
    """Let nodes with this role join, as EKS does for managed node groups."""
    if uses_entries(cluster) and role_arn not in cluster.access_entries:
        _add_entry(eks, cluster, role_arn, "EC2_LINUX", None, [])


def uses_entries(cluster: Cluster) -> bool:
    """Whether the authentication mode knows access entries."""
    return bool(cluster.data["accessConfig"]["authenticationMode"] != "CONFIG_MAP")


def publish(eks: Eks, cluster: Cluster) -> None:
    """Tell the Kubernetes side who may do what, in the order of the changes."""
    eks.later(0, "publish-access", cluster.region, cluster.name)


def send(eks: Eks, region: str, name: str) -> None:
    """Send the whole list of entries to the Kubernetes side."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None or cluster.data["status"] in ("CREATING", "DELETING", "FAILED"):
            return
        entries = [
            {
                "principalArn": principal,
                "username": entry.data["username"],
                "groups": list(entry.data["kubernetesGroups"]),
                "policies": [{"policyArn": a, "scope": p["accessScope"]} for a, p in entry.policies.items()],
            }
            for principal, entry in cluster.access_entries.items()
        ]
    eks.kubernetes.put_access(cluster.kubernetes_id, entries)


def _add_entry(
    eks: Eks, cluster: Cluster, principal: str, kind: str, username: str | None, groups: list[str]
) -> AccessEntry:
    now = eks.clock.now()
    node = kind in _NODE_TYPES
    owner = "user" if ":user/" in principal else "role"
    data = {
        "clusterName": cluster.name,
        "principalArn": principal,
        "kubernetesGroups": ["system:nodes"] if node else list(groups),
        "accessEntryArn": cluster.arn(
            "access-entry", owner, cluster.account, principal.rsplit("/", 1)[-1], str(uuid.uuid4())
        ),
        "createdAt": now,
        "modifiedAt": now,
        "tags": {},
        "username": _NODE_USERNAME if node else username or _default_username(principal),
        "type": kind,
    }
    cluster.access_entries[principal] = AccessEntry(data)
    return cluster.access_entries[principal]


def _default_username(principal: str) -> str:
    if ":role/" not in principal:
        return principal
    role = principal.rsplit("/", 1)[-1]
    head = principal.split(":role/")[0].replace(":iam:", ":sts:")
    return f"{head}:assumed-role/{role}/{{{{SessionName}}}}"


def _require_usable(username: str | None, groups: list[str]) -> None:
    reserved = ("system:", "eks:", "aws:", "amazon:", "iam:")
    for value in [username or "", *groups]:
        if value.startswith(reserved):
            raise invalid_parameter(f"The username or group {value!r} must not begin with any of {', '.join(reserved)}")


def _cluster(eks: Eks, call: Call) -> Cluster:
    cluster = eks.cluster(call)
    if not uses_entries(cluster):
        raise invalid_request(
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
            "operation.",
            clusterName=cluster.name,
        )
    return cluster


def _entry(cluster: Cluster, call: Call) -> AccessEntry:
    entry = cluster.access_entries.get(call["principalArn"])
    if entry is None:
        raise not_found(
            f"The specified principalArn could not be found. You can view your available access entries with "
            f"'list-access-entries'. ({call['principalArn']} in cluster {cluster.name})",
            clusterName=cluster.name,
        )
    return entry


def _policies(cluster: Cluster) -> list[dict[str, str]]:
    return [_policy(cluster.data["arn"].split(":")[1], name) for name in _POLICY_NAMES]


def _policy(partition: str, name: str) -> dict[str, str]:
    return {"name": name, "arn": f"arn:{partition}:eks::aws:cluster-access-policy/{name}"}
