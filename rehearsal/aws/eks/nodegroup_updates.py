"""Changes of a running node group: size, labels, taints; and its version, which replaces every node."""

from __future__ import annotations

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
    seconds = durations.node_replacement(group.data["scalingConfig"]["desiredSize"])
    return _begin(eks, cluster, group, "VersionUpdate", params, changes, seconds)


def finish_update(eks: Eks, region: str, cluster_name: str, update_id: str) -> float | None:
    """The change reaches instances and nodes; it is done when all nodes are Ready."""
    with eks.lock:
        cluster = eks.find(region, cluster_name)
        update = cluster.updates.get(update_id) if cluster else None
        group = cluster.nodegroups.get(update.nodegroup or "") if cluster and update else None
        if cluster is None or update is None or group is None or update.data["status"] != "InProgress":
            return None
        _apply(cluster, group, update)
        body = nodes.body(cluster, group)
    ready = nodes.all_ready(eks.kubernetes.put_nodegroup(cluster.kubernetes_id, str(update.nodegroup), body))
    with eks.lock:
        waited = (eks.clock.now() - update.data["createdAt"]).total_seconds()
        limit = max(120.0, eks.clock.compressed(durations.NODEGROUP_GIVES_UP * 2))
        if not ready and waited < limit:
            return nodes.poll_seconds(eks)
        if ready:
            update.data["status"] = "Successful"
        else:
            fail(
                update,
                "NodeCreationFailure",
                "Couldn't proceed with upgrade process as new nodes are not joining "
                "node group " + group.data["nodegroupName"],
                compute.instance_ids(group),
            )
        group.data["status"] = "ACTIVE" if ready else "DEGRADED"
        group.data["modifiedAt"] = eks.clock.now()
    return None


def _apply(cluster: Cluster, group: Nodegroup, update: Update) -> None:
    if update.changes.get("applied"):
        return
    group.data.update(update.changes)
    if update.data["type"] == "VersionUpdate":
        group.prefix_delegation = nodes.uses_prefix_delegation(cluster)
        compute.replace(cluster, group)
    else:
        compute.resize(cluster, group)
    update.changes = {"applied": True}


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
