"""Add-ons: versions and configuration from a catalogue, readiness from the Kubernetes side."""

from __future__ import annotations

import time
import uuid
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import catalogue, iam, nodes, pod_identities
from rehearsal.aws.eks.state import Addon, Cluster, Data, Eks, Update
from rehearsal.aws.eks.updates import begin, fail, require_active
from rehearsal.aws.errors import in_use, invalid_parameter, not_found
from rehearsal.aws.protocol import Call, page

_STEADY_POLL = 300.0
_STEADY_FLOOR_SECONDS = 5.0


def create_addon(eks: Eks, call: Call) -> dict[str, Any]:
    """Install an add-on; it is ACTIVE once its pods are ready."""
    cluster, name = eks.cluster(call), call["addonName"]
    require_active(cluster)
    if name in cluster.addons:
        raise in_use("Addon already exists.", clusterName=cluster.name, addonName=name)
    version = catalogue.resolve_version(cluster, name, call.get("addonVersion"))
    catalogue.require_configuration(name, call.get("configurationValues"))
    _require_role(cluster, call)
    now = eks.clock.now()
    entry = catalogue.entry(name)
    namespace = call.get("namespaceConfig", {}).get("namespace") or entry.get("namespace", "kube-system")
    data: Data = {
        "addonName": name,
        "clusterName": cluster.name,
        "status": "CREATING",
        "addonVersion": version,
        "health": {"issues": []},
        "addonArn": cluster.arn("addon", name, str(uuid.uuid4())),
        "createdAt": now,
        "modifiedAt": now,
        "tags": dict(call.get("tags", {})),
        "owner": entry.get("owner", "aws"),
        "publisher": entry.get("publisher", "eks"),
        "podIdentityAssociations": pod_identities.of_addon(
            eks, cluster, name, namespace, call.get("podIdentityAssociations", [])
        ),
        "namespaceConfig": {"namespace": namespace},
    }
    for member in ("configurationValues", "serviceAccountRoleArn"):
        if call.get(member):
            data[member] = call[member]
    cluster.addons[name] = Addon(data, started=time.time())
    eks.later(0, "install-addon", cluster.region, cluster.name, name)
    return {"addon": data}


def describe_addon(eks: Eks, call: Call) -> dict[str, Any]:
    """One add-on."""
    return {"addon": _addon(eks.cluster(call), call).data}


def list_addons(eks: Eks, call: Call) -> dict[str, Any]:
    """Names of the add-ons of a cluster."""
    shown, more = page(sorted(eks.cluster(call).addons), call)
    return {"addons": shown, **more}


def update_addon(eks: Eks, call: Call) -> dict[str, Any]:
    """Change version, role, configuration or pod identities of an add-on."""
    cluster = eks.cluster(call)
    addon = _addon(cluster, call)
    require_active(cluster)
    name = addon.data["addonName"]
    if addon.data["status"] in ("CREATING", "UPDATING", "DELETING"):
        raise in_use(
            f"Addon {name} cannot be updated as it is currently in {addon.data['status']} state",
            clusterName=cluster.name,
            addonName=name,
        )
    changes: Data = {}
    if call.get("addonVersion"):
        changes["addonVersion"] = catalogue.resolve_version(cluster, name, call["addonVersion"])
        catalogue.require_step(name, addon.data["addonVersion"], changes["addonVersion"])
    if "configurationValues" in call.params:
        catalogue.require_configuration(name, call["configurationValues"])
        changes["configurationValues"] = call["configurationValues"]
    if call.get("serviceAccountRoleArn"):
        _require_role(cluster, call)
        changes["serviceAccountRoleArn"] = call["serviceAccountRoleArn"]
    if "podIdentityAssociations" in call.params:
        changes["podIdentityAssociations"] = pod_identities.replace_of_addon(
            eks, cluster, addon.data, call["podIdentityAssociations"]
        )
    addon.data["status"] = "UPDATING"
    params = {
        "AddonVersion": changes.get("addonVersion"),
        "ServiceAccountRoleArn": changes.get("serviceAccountRoleArn"),
        "ResolveConflicts": call.get("resolveConflicts"),
        "ConfigurationValues": changes.get("configurationValues"),
        "PodIdentityAssociations": changes.get("podIdentityAssociations"),
    }
    update = begin(eks, cluster, "AddonUpdate", params, changes, durations.ADDON_UPDATE, addon=name)
    return {"update": update}


def delete_addon(eks: Eks, call: Call) -> dict[str, Any]:
    """Remove an add-on, with its objects unless ``preserve``."""
    cluster = eks.cluster(call)
    addon = _addon(cluster, call)
    if addon.data["status"] != "DELETING":
        addon.data["status"] = "DELETING"
        keep = "preserve" if call.get("preserve") else "delete"
        eks.later(durations.ADDON_DELETE, "remove-addon", cluster.region, cluster.name, call["addonName"], keep)
    return {"addon": addon.data}


def install(eks: Eks, region: str, cluster_name: str, name: str) -> None:
    """Put the add-on's objects into the cluster."""
    with eks.lock:
        found = _find(eks, region, cluster_name, name)
        if found is None or found[1].data["status"] != "CREATING":
            return
        cluster, addon = found
        body = kubernetes_body(addon.data)
    eks.kubernetes.put_addon(cluster.kubernetes_id, name, body)
    eks.later(durations.ADDON_CREATE, "check-addon", region, cluster_name, name)


def check(eks: Eks, region: str, cluster_name: str, name: str) -> float | None:
    """Follow the add-on's pods: ACTIVE when ready, DEGRADED when they stay unready."""
    with eks.lock:
        found = _find(eks, region, cluster_name, name)
        if found is None or found[1].data["status"] not in ("CREATING", "ACTIVE", "DEGRADED", "UPDATING"):
            return None
        cluster, addon = found
    state = eks.kubernetes.get_addon(cluster.kubernetes_id, name)
    with eks.lock:
        status = addon.data["status"]
        if status not in ("CREATING", "ACTIVE", "DEGRADED"):
            return None if status == "DELETING" else nodes.poll_seconds(eks)
        waited = time.time() - addon.started
        if state["ready"]:
            addon.data["status"], addon.data["health"] = "ACTIVE", {"issues": []}
        elif status != "CREATING" or waited > eks.clock.compressed(durations.ADDON_DEGRADED):
            addon.data["status"] = "DEGRADED"
            addon.data["health"] = {"issues": [_issue(text) for text in state.get("issues") or ["pods are not ready"]]}
        settled = addon.data["status"] == "ACTIVE"
    if settled:
        return max(_STEADY_FLOOR_SECONDS, eks.clock.compressed(_STEADY_POLL))
    return nodes.poll_seconds(eks)


def finish_update(eks: Eks, region: str, cluster_name: str, update_id: str) -> float | None:
    """Put the changed objects into the cluster and wait until the pods are ready."""
    with eks.lock:
        cluster = eks.find(region, cluster_name)
        update = cluster.updates.get(update_id) if cluster else None
        addon = cluster.addons.get(update.addon or "") if cluster and update else None
        if cluster is None or update is None or addon is None or addon.data["status"] != "UPDATING":
            return None
        wanted = {**addon.data, **update.changes}
    name = str(update.addon)
    eks.kubernetes.put_addon(cluster.kubernetes_id, name, kubernetes_body(wanted))
    state = eks.kubernetes.get_addon(cluster.kubernetes_id, name)
    with eks.lock:
        return _settle(eks, addon, update, state)


def remove(eks: Eks, region: str, cluster_name: str, name: str, keep: str) -> None:
    """The add-on is gone from EKS, and its objects from the cluster unless preserved."""
    with eks.lock:
        found = _find(eks, region, cluster_name, name)
        if found is None:
            return
        cluster, addon = found
    if keep != "preserve":
        eks.kubernetes.delete_addon(cluster.kubernetes_id, name)
    with eks.lock:
        pod_identities.delete_of_addon(cluster, addon.data)
        cluster.forget(addon.data)
        cluster.addons.pop(name, None)


def kubernetes_body(data: Data) -> dict[str, Any]:
    """The add-on as the Kubernetes side wants it."""
    return {
        "version": data["addonVersion"],
        "configurationValues": nodes.parse_configuration(data.get("configurationValues")) or None,
        "serviceAccountRoleArn": data.get("serviceAccountRoleArn"),
    }


def _settle(eks: Eks, addon: Addon, update: Update, state: dict[str, Any]) -> float | None:
    limit = eks.clock.compressed(durations.ADDON_DEGRADED)
    waited = (eks.clock.now() - update.data["createdAt"]).total_seconds()
    if not state["ready"] and waited < limit:
        return nodes.poll_seconds(eks)
    addon.data.update(update.changes)
    addon.data["modifiedAt"] = eks.clock.now()
    if state["ready"]:
        update.data["status"] = "Successful"
        addon.data["status"], addon.data["health"] = "ACTIVE", {"issues": []}
        return None
    issues = [_issue(text) for text in state.get("issues") or ["pods are not ready"]]
    fail(update, "InsufficientNumberOfReplicas", issues[0]["message"], [addon.data["addonName"]])
    addon.data["status"], addon.data["health"] = "DEGRADED", {"issues": issues}
    return None


def _issue(message: str) -> Data:
    return {"code": "InsufficientNumberOfReplicas", "message": message, "resourceIds": []}


def _addon(cluster: Cluster, call: Call) -> Addon:
    addon = cluster.addons.get(call["addonName"])
    if addon is None:
        raise not_found(
            f"No addon: {call['addonName']} found in cluster: {cluster.name}",
            clusterName=cluster.name,
            addonName=call["addonName"],
        )
    return addon


def _find(eks: Eks, region: str, cluster_name: str, name: str) -> tuple[Cluster, Addon] | None:
    cluster = eks.find(region, cluster_name)
    addon = cluster.addons.get(name) if cluster else None
    return (cluster, addon) if cluster and addon else None


def _require_role(cluster: Cluster, call: Call) -> None:
    arn = call.get("serviceAccountRoleArn")
    if arn and not iam.principal_exists(arn, call.region):
        raise invalid_parameter(
            f"serviceAccountRoleArn {arn} does not exist in IAM", clusterName=cluster.name, addonName=call["addonName"]
        )
