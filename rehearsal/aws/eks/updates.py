"""Updates: what changes gradually, one at a time, and can be asked about by its id."""

from __future__ import annotations

import json
import uuid
from typing import Any

from rehearsal.aws.eks.state import Cluster, Data, Eks, Update
from rehearsal.aws.errors import AwsError, in_use, invalid_parameter, not_found
from rehearsal.aws.protocol import Call, page


def require_idle(cluster: Cluster, doing: str) -> None:
    """Refuse a second change of a cluster while one is in progress."""
    running = [u.data for u in cluster.updates.values() if _is_of_cluster(u) and u.data["status"] == "InProgress"]
    if cluster.data["status"] != "ACTIVE" or running:
        which = f"update {running[0]['id']} ({running[0]['type']})" if running else f"status {cluster.data['status']}"
        raise in_use(
            f"Cannot {doing} because cluster {cluster.name} currently has an update in progress: {which}. "
            "Wait until it is ACTIVE (DescribeUpdate, DescribeCluster)",
            clusterName=cluster.name,
        )


def require_active(cluster: Cluster) -> None:
    """Refuse work in a cluster that is not there yet or not any more."""
    if cluster.data["status"] not in ("ACTIVE", "UPDATING"):
        raise AwsError(
            "InvalidRequestException",
            f"Cluster '{cluster.name}' is not in ACTIVE status (it is {cluster.data['status']})",
            clusterName=cluster.name,
        )


def begin(
    eks: Eks,
    cluster: Cluster,
    kind: str,
    params: dict[str, Any],
    changes: Data,
    seconds: float,
    *,
    nodegroup: str | None = None,
    addon: str | None = None,
) -> Data:
    """Start an update that takes effect after ``seconds`` of AWS's time.

    :param params: the update's parameters as DescribeUpdate shows them; values that are not strings become JSON.
    :param changes: what becomes true once it succeeds.
    :returns: the update's public face.
    """
    data: Data = {
        "id": str(uuid.uuid4()),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": name, "value": _text(value)} for name, value in params.items() if value is not None],
        "createdAt": eks.clock.now(),
        "errors": [],
    }
    cluster.updates[data["id"]] = Update(data, changes, nodegroup, addon)
    target = "nodegroup" if nodegroup else "addon" if addon else "cluster"
    eks.later(seconds, f"finish-{target}-update", cluster.region, cluster.name, data["id"])
    return data


def fail(update: Update, code: str, message: str, resources: list[str]) -> None:
    """End an update as failed, with its reason."""
    update.data["status"] = "Failed"
    update.data["errors"] = [{"errorCode": code, "errorMessage": message, "resourceIds": resources}]


def describe_update(eks: Eks, call: Call) -> dict[str, Any]:
    """One update."""
    return {"update": _update(eks.cluster(call), call).data}


def list_updates(eks: Eks, call: Call) -> dict[str, Any]:
    """Ids of the updates of a cluster, or of one of its node groups or add-ons, newest first."""
    cluster = eks.cluster(call)
    nodegroup, addon = call.get("nodegroupName"), call.get("addonName")
    if nodegroup and nodegroup not in cluster.nodegroups:
        raise not_found(f"No node group found for name: {nodegroup}.", nodegroupName=nodegroup)
    if addon and addon not in cluster.addons:
        raise not_found(f"No addon: {addon} found in cluster: {cluster.name}", addonName=addon)
    matching = [u.data for u in cluster.updates.values() if (u.nodegroup, u.addon) == (nodegroup, addon)]
    matching.sort(key=lambda data: data["createdAt"], reverse=True)
    shown, more = page([data["id"] for data in matching], call)
    return {"updateIds": shown, **more}


def cancel_update(eks: Eks, call: Call) -> dict[str, Any]:
    """Cancel an update: EKS does so for version rollbacks of clusters with Auto Mode only."""
    cluster = eks.cluster(call)
    update = _update(cluster, call)
    if update.data["status"] != "InProgress":
        raise AwsError(
            "InvalidStateException",
            f"Update {update.data['id']} is {update.data['status']}; only an update in progress can be cancelled",
            clusterName=cluster.name,
        )
    if update.data["type"] != "VersionRollback" or not cluster.data.get("computeConfig", {}).get("enabled"):
        raise invalid_parameter(
            f"Update {update.data['id']} of type {update.data['type']} cannot be cancelled; only a VersionRollback of "
            "a cluster with EKS Auto Mode can be, while its nodes roll back",
            clusterName=cluster.name,
        )
    update.data["status"] = "Cancelled"
    update.data["cancellation"] = {"status": "Successful", "reason": "Cancelled by request"}
    cluster.data["status"] = "ACTIVE"
    return {"update": update.data}


def _update(cluster: Cluster, call: Call) -> Update:
    update = cluster.updates.get(call["updateId"])
    named = (call.get("nodegroupName"), call.get("addonName"))
    if update is None or (any(named) and named != (update.nodegroup, update.addon)):
        raise not_found(f"No update found for ID: {call['updateId']}", clusterName=cluster.name)
    return update


def _is_of_cluster(update: Update) -> bool:
    return update.nodegroup is None and update.addon is None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
