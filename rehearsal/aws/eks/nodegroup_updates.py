"""Changes of a running node group: size, labels, taints; and its version, which replaces every node."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import compute, nodes
from rehearsal.aws.eks.nodegroup_rules import (
    launch_template,
    release_version,
    require_labels,
    require_scaling,
    require_version,
)
from rehearsal.aws.eks.nodegroups import nodegroup_of
from rehearsal.aws.eks.state import Cluster, Data, Eks, Nodegroup, Update
from rehearsal.aws.eks.updates import begin, fail, require_active
from rehearsal.aws.errors import in_use, invalid_parameter
from rehearsal.aws.protocol import Call

# Joining nodes is real work of the Kubernetes side: however fast the clock, it gets this many seconds.
_PATIENCE_SECONDS = 120.0


def update_nodegroup_config(eks: Eks, call: Call) -> dict[str, Any]:
    """Change size, labels, taints or update settings without replacing nodes."""
    cluster = eks.cluster(call)
    group = _idle(cluster, call)
    names = _names(group)
    changes: Data = {}
    params: dict[str, Any] = {}
    if call.get("scalingConfig"):
        changes["scalingConfig"] = {**group.data["scalingConfig"], **call["scalingConfig"]}
        require_scaling(changes["scalingConfig"], names)
        sizes = changes["scalingConfig"]
        params |= {"MinSize": sizes["minSize"], "MaxSize": sizes["maxSize"], "DesiredSize": sizes["desiredSize"]}
    if call.get("labels"):
        changes["labels"] = _labels(group.data["labels"], call["labels"])
        require_labels(changes["labels"], names)
        params |= {
            "LabelsToAdd": call["labels"].get("addOrUpdateLabels"),
            "LabelsToRemove": call["labels"].get("removeLabels"),
        }
    if call.get("taints"):
        changes["taints"] = _taints(group.data["taints"], call["taints"])
        params |= {
            "TaintsToAdd": call["taints"].get("addOrUpdateTaints"),
            "TaintsToRemove": call["taints"].get("removeTaints"),
        }
    for member, param in (("updateConfig", "MaxUnavailable"), ("nodeRepairConfig", "NodeRepairConfig")):
        if call.get(member):
            changes[member] = call[member]
            params[param] = (
                call[member].get("maxUnavailable", call[member]) if param == "MaxUnavailable" else call[member]
            )
    if call.get("warmPoolConfig"):
        changes["warmPoolConfig"] = call["warmPoolConfig"]
        params["WarmPoolEnabled"] = call["warmPoolConfig"].get("enabled", False)
    if not changes:
        raise invalid_parameter("No changes needed for the node group: nothing to update was given", **names)
    return _begin(eks, cluster, group, "ConfigUpdate", params, changes, durations.NODEGROUP_CONFIG_UPDATE)


def update_nodegroup_version(eks: Eks, call: Call) -> dict[str, Any]:
    """Replace every node by one with another version, AMI release or launch template version."""
    cluster = eks.cluster(call)
    group = _idle(cluster, call)
    names = _names(group)
    version = call.get("version") or group.data["version"]
    require_version(cluster, version, group.data["amiType"], names)
    release = call.get("releaseVersion") or release_version(version)
    if not release.startswith(f"{version}."):
        raise invalid_parameter(f"Requested Nodegroup release version {release} is invalid for {version}", **names)
    changes: Data = {"version": version, "releaseVersion": release}
    params: dict[str, Any] = {"Version": version, "ReleaseVersion": release}
    if call.get("launchTemplate"):
        if "launchTemplate" not in group.data:
            raise invalid_parameter("The node group was created without a launch template and cannot get one", **names)
        changes["launchTemplate"] = launch_template(call.params, call.region, names)
        params |= {
            "LaunchTemplateName": changes["launchTemplate"]["name"],
            "LaunchTemplateVersion": changes["launchTemplate"]["version"],
        }
    return _begin(eks, cluster, group, "VersionUpdate", params, changes, durations.NODE_REPLACEMENT_BASE)


def finish_update(eks: Eks, region: str, cluster_name: str, update_id: str) -> float | None:
    """The change reaches instances and nodes, a batch after the other; done when all nodes are Ready."""
    with eks.lock:
        cluster = eks.find(region, cluster_name)
        update = cluster.updates.get(update_id) if cluster else None
        group = cluster.nodegroups.get(update.nodegroup or "") if cluster and update else None
        if cluster is None or update is None or group is None or update.data["status"] != "InProgress":
            return None
        _apply(eks, cluster, group, update)
    ready = nodes.send(eks, cluster, group)
    with eks.lock:
        if ready and update.changes["old"]:
            _replace_batch(eks, cluster, group, update)
            return nodes.poll_seconds(eks, durations.NODE_REPLACEMENT_EACH)
        if not ready and eks.clock.now() < update.changes["gives up"]:
            return nodes.poll_seconds(eks)
        _conclude(eks, cluster, group, update, ready=ready)
    return None


def _apply(eks: Eks, cluster: Cluster, group: Nodegroup, update: Update) -> None:
    if "old" in update.changes:
        return
    group.data.update(update.changes)
    if update.data["type"] == "VersionUpdate":
        group.prefix_delegation = nodes.uses_prefix_delegation(cluster)
        compute.renew_template(cluster, group)
        old = compute.instance_ids(cluster, group)
    else:
        compute.resize(cluster, group)
        old = []
    update.changes = {"old": old, "gives up": _deadline(eks)}


def _replace_batch(eks: Eks, cluster: Cluster, group: Nodegroup, update: Update) -> None:
    settings, old = group.data["updateConfig"], update.changes["old"]
    percentage = settings.get("maxUnavailablePercentage")
    most = max(1, len(old) * percentage // 100) if percentage else settings.get("maxUnavailable", 1)
    running = set(compute.instance_ids(cluster, group))
    compute.replace(cluster, [instance for instance in old[:most] if instance in running])
    update.changes = {"old": old[most:], "gives up": _deadline(eks)}


def _conclude(eks: Eks, cluster: Cluster, group: Nodegroup, update: Update, *, ready: bool) -> None:
    if ready:
        update.data["status"] = "Successful"
    else:
        name, ids = group.data["nodegroupName"], compute.instance_ids(cluster, group)
        message = f"Couldn't proceed with upgrade process as new nodes are not joining node group {name}"
        fail(update, "NodeCreationFailure", message, ids)
        issue = {"code": "NodeCreationFailure", "message": message, "resourceIds": ids}
        group.data["health"] = {"issues": [issue]}
    group.data["status"] = "ACTIVE" if ready else "DEGRADED"
    group.data["modifiedAt"] = eks.clock.now()


def _deadline(eks: Eks) -> datetime:
    seconds = max(_PATIENCE_SECONDS, eks.clock.compressed(durations.NODEGROUP_GIVES_UP))
    return eks.clock.now() + timedelta(seconds=seconds)


def _begin(
    eks: Eks, cluster: Cluster, group: Nodegroup, kind: str, params: dict[str, Any], changes: Data, seconds: float
) -> dict[str, Any]:
    group.data["status"] = "UPDATING"
    name = group.data["nodegroupName"]
    return {"update": begin(eks, cluster, kind, params, changes, seconds, nodegroup=name)}


def _idle(cluster: Cluster, call: Call) -> Nodegroup:
    require_active(cluster)
    group = nodegroup_of(cluster, call)
    if group.data["status"] not in ("ACTIVE", "DEGRADED"):
        raise in_use(
            f"Nodegroup cannot be updated as it is currently not in Active State (it is {group.data['status']})",
            **_names(group),
        )
    return group


def _names(group: Nodegroup) -> Data:
    return {"clusterName": group.data["clusterName"], "nodegroupName": group.data["nodegroupName"]}


def _labels(current: dict[str, str], change: Data) -> dict[str, str]:
    removed = change.get("removeLabels") or []
    kept = {key: value for key, value in current.items() if key not in removed}
    return {**kept, **(change.get("addOrUpdateLabels") or {})}


def _taints(current: list[Data], change: Data) -> list[Data]:
    gone = {(t["key"], t["effect"]) for t in change.get("removeTaints") or []}
    added = {(t["key"], t["effect"]): t for t in change.get("addOrUpdateTaints") or []}
    kept = [t for t in current if (t["key"], t["effect"]) not in gone | set(added)]
    return [*kept, *added.values()]
