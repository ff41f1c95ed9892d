"""Cluster insights: what EKS checked about an upgrade, a rollback and the configuration."""

from __future__ import annotations

import uuid
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import catalogue, versions
from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.errors import not_found
from rehearsal.aws.protocol import Call, page

_SUMMARY = (
    "id",
    "name",
    "category",
    "kubernetesVersion",
    "lastRefreshTime",
    "lastTransitionTime",
    "description",
    "insightStatus",
)


def list_insights(eks: Eks, call: Call) -> dict[str, Any]:
    """Insights of a cluster, filtered as asked."""
    cluster, wanted = eks.cluster(call), call.get("filter", {})
    found = []
    for insight in _current(eks, cluster):
        checks = (
            ("categories", insight["category"]),
            ("kubernetesVersions", insight.get("kubernetesVersion")),
            ("statuses", insight["insightStatus"]["status"]),
        )
        if all(not wanted.get(key) or value in wanted[key] for key, value in checks):
            found.append({key: insight[key] for key in _SUMMARY if key in insight})
    shown, more = page(found, call)
    return {"insights": shown, **more}


def describe_insight(eks: Eks, call: Call) -> dict[str, Any]:
    """One insight with its details."""
    cluster = eks.cluster(call)
    for insight in _current(eks, cluster):
        if insight["id"] == call["id"]:
            return {"insight": insight}
    raise not_found(f"No insight with id {call['id']} in cluster {cluster.name}")


def start_insights_refresh(eks: Eks, call: Call) -> dict[str, Any]:
    """Check everything again now."""
    cluster = eks.cluster(call)
    refresh = cluster.insights_refresh
    if refresh is None or refresh["status"] != "IN_PROGRESS":
        cluster.insights_refresh = {"status": "IN_PROGRESS", "startedAt": eks.clock.now(), "message": "Refreshing"}
        eks.later(durations.INSIGHTS_REFRESH, "refresh-insights", cluster.region, cluster.name)
    return {"message": "Insights refresh is in progress", "status": "IN_PROGRESS"}


def describe_insights_refresh(eks: Eks, call: Call) -> dict[str, Any]:
    """How far the last refresh is."""
    cluster = eks.cluster(call)
    if cluster.insights_refresh is None:
        raise not_found(f"No insights refresh was started for cluster {cluster.name}")
    return dict(cluster.insights_refresh)


def refresh(eks: Eks, region: str, name: str) -> None:
    """The refresh is done."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None or cluster.insights_refresh is None:
            return
        cluster.insights_refresh.update(status="COMPLETED", endedAt=eks.clock.now(), message="Insights refreshed")
        cluster.insights.clear()


def _current(eks: Eks, cluster: Cluster) -> list[Data]:
    """The insights as of the last refresh; ids are stable while a cluster lives."""
    if not cluster.insights:
        now = eks.clock.now()
        for name, category, version, (status, reason), details in _evaluate(cluster):
            key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{cluster.data['arn']}/{category}/{name}"))
            cluster.insights[key] = {
                "id": key,
                "name": name,
                "category": category,
                "kubernetesVersion": version,
                "lastRefreshTime": now,
                "lastTransitionTime": now,
                "description": _DESCRIPTIONS[name],
                "insightStatus": {"status": status, "reason": reason},
                "recommendation": _RECOMMENDATIONS.get(name, "None needed."),
                "additionalInfo": {},
                "resources": [],
                "categorySpecificSummary": details,
            }
    return list(cluster.insights.values())


_DEPRECATED = "Deprecated APIs removed in the next Kubernetes version"
_ADDONS = "EKS add-on version compatibility"
_KUBELET = "Kubelet version skew"
_HEALTH = "Cluster health issues"
_NODES_BACK = "Node version skew after rollback"
_DESCRIPTIONS = {
    _DEPRECATED: "Checks for usage of deprecated APIs that the next version removes.",
    _ADDONS: "Checks version of installed EKS add-ons to ensure they are compatible with the next version.",
    _KUBELET: "Checks for versions of kubelet on worker nodes that would exceed the supported skew.",
    _HEALTH: "Checks for any cluster health issues that prevent successful upgrade.",
    _NODES_BACK: "Checks that no node would be newer than the control plane after a rollback.",
}
_RECOMMENDATIONS = {
    _ADDONS: "Update the add-ons to a version that fits the next Kubernetes version, or right after the upgrade.",
    _KUBELET: "Update node groups that are more than two minor versions behind.",
    _NODES_BACK: "Roll node groups back with UpdateNodegroupVersion before the control plane.",
}

_Status = tuple[str, str]


def _evaluate(cluster: Cluster) -> list[tuple[str, str, str, _Status, Data]]:
    current = cluster.data["version"]
    following = f"1.{versions.minor(current) + 1}"
    issues = cluster.data["health"]["issues"]
    health = ("ERROR", issues[0]["message"]) if issues else ("PASSING", "No cluster health issues detected.")
    unused = ("PASSING", "No deprecated API usage detected within the last 30 days.")
    found: list[tuple[str, str, str, _Status, Data]] = [
        (_DEPRECATED, "UPGRADE_READINESS", following, unused, {"deprecationDetails": []}),
        (_KUBELET, "UPGRADE_READINESS", following, _kubelet_skew(cluster), {}),
        (_HEALTH, "UPGRADE_READINESS", following, health, {}),
    ]
    if following in versions.calendar()["versions"]:
        status, details = _addon_fit(cluster, following)
        found.append((_ADDONS, "UPGRADE_READINESS", following, status, details))
    if cluster.upgraded:
        found.append((_NODES_BACK, "ROLLBACK_READINESS", cluster.upgraded["from"], _rollback_skew(cluster), {}))
    return found


def _kubelet_skew(cluster: Cluster) -> _Status:
    behind = {
        name: versions.minor(cluster.data["version"]) - versions.minor(group.data["version"])
        for name, group in cluster.nodegroups.items()
    }
    late = sorted(name for name, distance in behind.items() if distance >= 3)
    if late:
        return "ERROR", f"Node groups {', '.join(late)} would be more than 3 minor versions behind."
    old = sorted(name for name, distance in behind.items() if distance == 2)
    if old:
        return "WARNING", f"Node groups {', '.join(old)} would be at the limit of the supported skew."
    return "PASSING", "Node kubelet versions match the cluster control plane version."


def _addon_fit(cluster: Cluster, following: str) -> tuple[_Status, Data]:
    details, misfits = [], []
    for name, addon in sorted(cluster.addons.items()):
        fitting = catalogue.compatible_versions(name, following)
        details.append({"name": name, "compatibleVersions": fitting})
        if addon.data["addonVersion"] not in fitting:
            misfits.append(f"{name} {addon.data['addonVersion']}")
    status = ("ERROR", f"Incompatible add-ons: {', '.join(misfits)}.") if misfits else ("PASSING", "All add-ons fit.")
    return status, {"addonCompatibilityDetails": details}


def _rollback_skew(cluster: Cluster) -> _Status:
    target = versions.minor(cluster.upgraded["from"]) if cluster.upgraded else 0
    newer = sorted(n for n, g in cluster.nodegroups.items() if versions.minor(g.data["version"]) > target)
    return ("ERROR", f"Node groups {', '.join(newer)} are newer.") if newer else ("PASSING", "No node is newer.")
