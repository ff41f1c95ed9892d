"""The nodes of a node group as the Kubernetes side wants them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from rehearsal.aws import durations
from rehearsal.aws.eks import capacity, compute, network
from rehearsal.aws.eks.state import Cluster, Eks, Nodegroup

_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
# Asking is real work too: however fast the clock, there is this much time between two questions.
_SHORTEST_POLL_SECONDS = 0.2
_SHORTEST_FOLLOW_SECONDS = 3.0
_FOLLOW = 60.0


def body(cluster: Cluster, group: Nodegroup) -> dict[str, Any]:
    """Size, zones, capacity, labels and taints of a group."""
    data = group.data
    kind = capacity.instance_type(data["instanceTypes"][0])
    if kind is None:
        raise LookupError(f"instance type {data['instanceTypes'][0]} is unknown")
    pods = capacity.max_pods(kind, prefix_delegation=group.prefix_delegation)
    disk = compute.disk_gib(cluster, group)
    subnets = network.subnets_of(data["subnets"], cluster.region)
    return {
        "desired": data["scalingConfig"]["desiredSize"],
        "zones": sorted({subnet["AvailabilityZone"] for subnet in subnets}),
        "instanceType": kind.name,
        "architecture": "arm64" if "arm64" in kind.architectures else "amd64",
        "capacityType": data["capacityType"],
        "capacity": capacity.capacity(kind, disk, pods),
        "allocatable": capacity.allocatable(kind, disk, pods),
        "labels": dict(data["labels"]),
        "taints": [
            {"key": taint["key"], "value": taint.get("value", ""), "effect": _EFFECTS[taint["effect"]]}
            for taint in data["taints"]
        ],
        "version": data["version"],
        "releaseVersion": data["releaseVersion"],
        "instances": compute.instances(cluster, group),
    }


def follow(eks: Eks, cluster: Cluster, name: str) -> None:
    """Watch the Auto Scaling group from now on: others scale it too, and instances end."""
    eks.scheduler.after(_follow_seconds(eks), "follow-nodegroup", cluster.region, cluster.name, name)


def reconcile(eks: Eks, region: str, cluster_name: str, name: str) -> float | None:
    """Let nodes and desired size follow the Auto Scaling group (cluster-autoscaler, a terminated instance)."""
    with eks.lock:
        cluster = eks.find(region, cluster_name)
        group = cluster.nodegroups.get(name) if cluster else None
        if cluster is None or group is None or group.data["status"] == "DELETING":
            return None
        scaling = compute.describe(cluster, group)
        if scaling is None or group.data["status"] != "ACTIVE":
            return _follow_seconds(eks)
        group.data["scalingConfig"]["desiredSize"] = scaling["DesiredCapacity"]
        if {i["InstanceId"] for i in scaling["Instances"]} == {i["instanceId"] for i in group.joined}:
            return _follow_seconds(eks)
        found = body(cluster, group)
    eks.kubernetes.put_nodegroup(cluster.kubernetes_id, name, found)
    with eks.lock:
        group.joined = found["instances"]
    return _follow_seconds(eks)


def _follow_seconds(eks: Eks) -> float:
    return max(_SHORTEST_FOLLOW_SECONDS, eks.clock.compressed(_FOLLOW))


def send(eks: Eks, cluster: Cluster, group: Nodegroup) -> bool:
    """Bring the group's nodes into the cluster; returns whether all of them are Ready.

    Must be called without the lock: the Kubernetes side may call AWS meanwhile.
    """
    with eks.lock:
        found = body(cluster, group)
    nodes = eks.kubernetes.put_nodegroup(cluster.kubernetes_id, group.data["nodegroupName"], found)
    with eks.lock:
        group.joined = found["instances"]
    return all_ready(nodes)


def all_ready(nodes: list[dict[str, Any]]) -> bool:
    """Whether every node of a group is Ready."""
    return all(node["ready"] for node in nodes)


def poll_seconds(eks: Eks, real_seconds: float = durations.POLL) -> float:
    """How long to wait before asking the Kubernetes side again."""
    return max(_SHORTEST_POLL_SECONDS, eks.clock.compressed(real_seconds))


def uses_prefix_delegation(cluster: Cluster) -> bool:
    """Whether the vpc-cni add-on hands out /28 prefixes instead of single addresses."""
    addon = cluster.addons.get("vpc-cni")
    values = parse_configuration(addon.data.get("configurationValues")) if addon else {}
    return str((values.get("env") or {}).get("ENABLE_PREFIX_DELEGATION", "false")).lower() == "true"


def parse_configuration(text: str | None) -> dict[str, Any]:
    """An add-on's configuration values, JSON or YAML, as a mapping.

    :raises ValueError: when it is neither.
    """
    if not text:
        return {}
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError:
        try:
            parsed = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"neither JSON nor YAML: {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"a mapping is needed, found {type(parsed).__name__}")
    return parsed
