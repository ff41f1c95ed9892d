"""Managed node groups: create, describe, list, delete."""

from __future__ import annotations

import time
import uuid
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import access, compute, iam, network, nodes
from rehearsal.aws.eks.nodegroup_rules import new_nodegroup_data
from rehearsal.aws.eks.state import Cluster, Data, Eks, Nodegroup
from rehearsal.aws.eks.updates import require_active
from rehearsal.aws.errors import AwsError, in_use, not_found
from rehearsal.aws.protocol import Call, page

_GROUPS_PER_CLUSTER = 30
# Joining nodes is real work of the Kubernetes side: however fast the clock, it gets this many seconds.
_PATIENCE_SECONDS = 120.0


def create_nodegroup(eks: Eks, call: Call) -> dict[str, Any]:
    """Start a node group; its instances launch, join and become Ready over the next minutes."""
    cluster, name = eks.cluster(call), call["nodegroupName"]
    require_active(cluster)
    if name in cluster.nodegroups:
        raise in_use(
            f"NodeGroup already exists with name {name} and cluster name {cluster.name}",
            clusterName=cluster.name,
            nodegroupName=name,
        )
    if len(cluster.nodegroups) >= _GROUPS_PER_CLUSTER:
        raise AwsError("ResourceLimitExceededException", f"Maximum of {_GROUPS_PER_CLUSTER} node groups reached")
    data = new_nodegroup_data(eks, cluster, call)
    iam.require_role(call["nodeRole"], iam.NODE_SERVICE, call.region, clusterName=cluster.name, nodegroupName=name)
    unique = str(uuid.uuid4())
    data["nodegroupArn"] = cluster.arn("nodegroup", name, unique)
    group_name = f"eks-{name}-{unique}"
    data["resources"] = {"autoScalingGroups": [{"name": group_name}]}
    cluster.nodegroups[name] = Nodegroup(
        data, prefix_delegation=nodes.uses_prefix_delegation(cluster), started=time.time()
    )
    access.add_node_role(eks, cluster, call["nodeRole"])
    access.publish(eks, cluster)
    eks.later(durations.NODEGROUP_LAUNCH, "launch-nodegroup", cluster.region, cluster.name, name)
    return {"nodegroup": data}


def describe_nodegroup(eks: Eks, call: Call) -> dict[str, Any]:
    """One node group."""
    return {"nodegroup": nodegroup_of(eks.cluster(call), call).data}


def list_nodegroups(eks: Eks, call: Call) -> dict[str, Any]:
    """Names of the node groups of a cluster."""
    shown, more = page(sorted(eks.cluster(call).nodegroups), call)
    return {"nodegroups": shown, **more}


def delete_nodegroup(eks: Eks, call: Call) -> dict[str, Any]:
    """Start draining and removing a node group."""
    cluster = eks.cluster(call)
    group = nodegroup_of(cluster, call)
    if group.data["status"] == "UPDATING":
        raise in_use(
            f"Nodegroup {group.data['nodegroupName']} cannot be deleted while it is UPDATING; wait for its update",
            clusterName=cluster.name,
            nodegroupName=group.data["nodegroupName"],
        )
    if group.data["status"] != "DELETING":
        group.data["status"] = "DELETING"
        eks.later(durations.NODEGROUP_DELETE, "remove-nodegroup", cluster.region, cluster.name, call["nodegroupName"])
    return {"nodegroup": group.data}


def nodegroup_of(cluster: Cluster, call: Call) -> Nodegroup:
    """The node group a call names, or ``ResourceNotFoundException``."""
    group = cluster.nodegroups.get(call["nodegroupName"])
    if group is None:
        raise not_found(
            f"No node group found for name: {call['nodegroupName']}.",
            clusterName=cluster.name,
            nodegroupName=call["nodegroupName"],
        )
    return group


def find(eks: Eks, region: str, cluster_name: str, name: str) -> tuple[Cluster, Nodegroup] | None:
    """A node group by name, for later work; None when it is gone."""
    cluster = eks.find(region, cluster_name)
    group = cluster.nodegroups.get(name) if cluster else None
    return (cluster, group) if cluster and group else None


def launch(eks: Eks, region: str, cluster_name: str, name: str) -> None:
    """Create the Auto Scaling group, and with it the instances."""
    with eks.lock:
        found = find(eks, region, cluster_name, name)
        if found is None or found[1].data["status"] != "CREATING":
            return
        cluster, group = found
        free = sum(s["AvailableIpAddressCount"] for s in network.subnets_of(group.data["subnets"], region))
        desired = group.data["scalingConfig"]["desiredSize"]
        if free < desired:
            message = f"Could not launch {desired} instances: there are {free} free addresses in the subnets"
            _fail(eks, group, "AsgInstanceLaunchFailures", message, [compute.group_name(group)])
            return
        compute.create(cluster, group)
    eks.later(durations.NODEGROUP_JOIN, "join-nodegroup", region, cluster_name, name)


def join(eks: Eks, region: str, cluster_name: str, name: str) -> float | None:
    """Let the instances join the cluster; the group is ACTIVE once all nodes are Ready."""
    with eks.lock:
        found = find(eks, region, cluster_name, name)
        if found is None or found[1].data["status"] != "CREATING":
            return None
        cluster, group = found
    ready = nodes.send(eks, cluster, group)
    with eks.lock:
        if group.data["status"] != "CREATING":
            return None
        if ready:
            _set_status(eks, group.data, "ACTIVE")
            nodes.follow(eks, cluster, name)
            return None
        limit = max(_PATIENCE_SECONDS, eks.clock.compressed(durations.NODEGROUP_GIVES_UP))
        if time.time() - group.started > limit:
            message = (
                "Instances failed to join the kubernetes cluster (nodes stayed NotReady; a CNI add-on such as vpc-cni "
                "is needed before nodes)"
            )
            _fail(eks, group, "NodeCreationFailure", message, compute.instance_ids(cluster, group))
            return None
    return nodes.poll_seconds(eks)


def remove(eks: Eks, region: str, cluster_name: str, name: str) -> None:
    """The group's nodes are drained and gone, and so are its instances."""
    with eks.lock:
        found = find(eks, region, cluster_name, name)
        if found is None:
            return
        cluster, group = found
    eks.kubernetes.delete_nodegroup(cluster.kubernetes_id, name)
    with eks.lock:
        compute.delete(cluster, group)
        cluster.forget(group.data)
        cluster.nodegroups.pop(name, None)
        role = group.data["nodeRole"]
        if all(other.data["nodeRole"] != role for other in cluster.nodegroups.values()):
            cluster.access_entries.pop(role, None)
    access.publish(eks, cluster)


def _set_status(eks: Eks, data: Data, status: str) -> None:
    data["status"] = status
    data["modifiedAt"] = eks.clock.now()


def _fail(eks: Eks, group: Nodegroup, code: str, message: str, resources: list[str]) -> None:
    group.data["health"] = {"issues": [{"code": code, "message": message, "resourceIds": resources}]}
    _set_status(eks, group.data, "CREATE_FAILED")
