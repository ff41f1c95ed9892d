"""Whether a cluster can go to the next minor version, and until when it can come back.

Facts in, reasons out. A reason that blocks stops the upgrade before anything is changed; a warning is shown to the
person who approves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.model.facts import VersionFacts
from slipway.model.records import Record

# EKS takes a control plane back to the version before for this long after an upgrade has completed.
ROLLBACK_WINDOW = timedelta(days=7)
# EKS wants room for the new control plane's interfaces in every subnet of the cluster.
FREE_ADDRESSES = 5
# Kubelets may be three minor versions behind their API server.
KUBELET_SKEW = 3
# Insights keep a caller for thirty days after it was mended; one that has been quiet for this long is over.
QUIET = timedelta(days=2)
SUPPORT_NOTICE = timedelta(days=90)
# API versions that Kubernetes stopped serving, by the minor version that does not have them any more.
# Source: https://kubernetes.io/docs/reference/using-api/deprecation-guide/
REMOVED: Mapping[tuple[str, str], int] = {
    ("extensions/v1beta1", "Ingress"): 22,
    ("networking.k8s.io/v1beta1", "Ingress"): 22,
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): 22,
    ("rbac.authorization.k8s.io/v1beta1", "Role"): 22,
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding"): 22,
    ("batch/v1beta1", "CronJob"): 25,
    ("policy/v1beta1", "PodDisruptionBudget"): 25,
    ("policy/v1beta1", "PodSecurityPolicy"): 25,
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): 25,
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): 25,
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): 26,
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): 27,
    ("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema"): 29,
    ("flowcontrol.apiserver.k8s.io/v1beta2", "PriorityLevelConfiguration"): 29,
    ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema"): 32,
    ("flowcontrol.apiserver.k8s.io/v1beta3", "PriorityLevelConfiguration"): 32,
}


class Reason(StrEnum):
    """Why an upgrade cannot begin."""

    NOT_OFFERED = "version not offered"
    NOT_NEXT = "not the next minor version"
    BUSY = "cluster not at rest"
    UNHEALTHY = "cluster has health issues"
    INSIGHT = "EKS insight"
    REMOVED_API_IN_GIT = "removed API in Git"
    REMOVED_API_LIVE = "removed API in use"
    ADDON = "add-on without a version"
    SKEW = "node version skew"
    NODE_GROUP = "node group not active"
    DISRUPTION_BUDGET = "disruption budget blocks draining"
    ADDRESSES = "subnet without addresses"
    SUPPORT = "end of support"
    NOT_READY = "components not ready"
    UNKNOWN = "could not be read"


class Obstacle(Record):
    """One reason, with its mend.

    :param blocks: whether the upgrade may not begin; else it is a warning.
    """

    reason: Reason
    subject: str
    found: str
    mend: str
    blocks: bool = True

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.subject}: {self.found}. Mend: {self.mend}"


@dataclass(frozen=True, slots=True)
class UpgradeFacts:
    """What readiness is judged by.

    :param cluster: as EKS describes it.
    :param offered: versions with their support dates.
    :param insights: described insights of the category UPGRADE_READINESS for the target.
    :param addons: by name, the version that runs and the versions offered for the target.
    :param in_git: what the components render; ``live`` what their release records applied.
    :param budgets: PodDisruptionBudgets; ``subnets`` the cluster's.
    :param unready: components that are not ready, with the reason.
    :param unread: parts that could not be read.
    """

    cluster: Mapping[str, Any]
    offered: Mapping[str, VersionFacts]
    insights: Sequence[Mapping[str, Any]] = ()
    addons: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    nodegroups: Sequence[Mapping[str, Any]] = ()
    kubelets: Mapping[str, str] = field(default_factory=dict)
    in_git: Sequence[Mapping[str, Any]] = ()
    live: Sequence[ObjectRef] = ()
    budgets: Sequence[Mapping[str, Any]] = ()
    subnets: Mapping[str, int] = field(default_factory=dict)
    unready: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


def minor(version: str) -> int:
    """The minor number of ``1.36``, ``v1.36.3-eks-1`` and the like.

    :raises ValueError: no version.
    """
    match = re.match(r"v?1\.(\d+)", version)
    if match is None:
        raise ValueError(f"{version!r} is no Kubernetes version")
    return int(match[1])


def next_version(current: str) -> str:
    """The version after."""
    return f"1.{minor(current) + 1}"


def readiness(facts: UpgradeFacts, target: str, now: datetime) -> list[Obstacle]:
    """Everything that speaks against going to ``target``, blocking reasons first."""
    found = [
        *_version(facts, target, now),
        *_state(facts),
        *_insights(facts, now),
        *_removed_apis(facts, target),
        *_addons(facts, target),
        *_nodes(facts, target),
        *_budgets(facts),
        *_addresses(facts),
        *(
            Obstacle(reason=Reason.NOT_READY, subject=name, found=why, mend=f"mend it, or deploy {name} again")
            for name, why in facts.unready.items()
        ),
        *(
            Obstacle(reason=Reason.UNKNOWN, subject=part, found=why, mend="allow it to be read")
            for part, why in facts.unread.items()
        ),
    ]
    return sorted(found, key=lambda one: not one.blocks)


def _version(facts: UpgradeFacts, target: str, now: datetime) -> Iterable[Obstacle]:
    current = str(facts.cluster["version"])
    if target not in facts.offered:
        known = ", ".join(sorted(facts.offered))
        yield Obstacle(
            reason=Reason.NOT_OFFERED, subject=target, found=f"EKS offers {known}", mend="choose one of these"
        )
        return
    if minor(target) != minor(current) + 1:
        yield Obstacle(
            reason=Reason.NOT_NEXT,
            subject=target,
            found=f"the cluster is at {current}",
            mend=f"go to {next_version(current)} first",
        )
    support = facts.offered[target]
    extended = str((facts.cluster.get("upgradePolicy") or {}).get("supportType", "")).upper() == "EXTENDED"
    ends = support.end_of_extended_support if extended else support.end_of_standard_support
    if ends <= now:
        yield Obstacle(
            reason=Reason.SUPPORT,
            subject=target,
            found=f"its {'extended' if extended else 'standard'} support ended on {ends:%Y-%m-%d}",
            mend="go on to a later version, or set cluster.support: extended",
        )
    elif ends - now < SUPPORT_NOTICE:
        yield Obstacle(
            reason=Reason.SUPPORT,
            subject=target,
            found=f"its support ends on {ends:%Y-%m-%d}",
            mend="plan the next upgrade now",
            blocks=False,
        )
    before = facts.offered.get(current)
    if before is not None and before.end_of_standard_support <= now and not extended:
        yield Obstacle(
            reason=Reason.SUPPORT,
            subject=current,
            found="its standard support is over, so a rollback needs cluster.support: extended",
            mend="set it before the upgrade, or do without the way back",
            blocks=False,
        )


def _state(facts: UpgradeFacts) -> Iterable[Obstacle]:
    status = str(facts.cluster.get("status"))
    if status != "ACTIVE":
        yield Obstacle(reason=Reason.BUSY, subject="cluster", found=f"status {status}", mend="wait until it is ACTIVE")
    for issue in (facts.cluster.get("health") or {}).get("issues", []):
        yield Obstacle(
            reason=Reason.UNHEALTHY,
            subject="cluster",
            found=f"{issue.get('code')}: {issue.get('message')}",
            mend="mend what the issue names",
        )


def _insights(facts: UpgradeFacts, now: datetime) -> Iterable[Obstacle]:
    for one in facts.insights:
        status = str((one.get("insightStatus") or {}).get("status"))
        if status not in {"ERROR", "WARNING"}:
            continue
        used = _last_use(one)
        quiet = used is not None and now - used > QUIET
        tail = f" (last used {used:%Y-%m-%d})" if used else ""
        yield Obstacle(
            reason=Reason.INSIGHT,
            subject=str(one.get("name")),
            found=f"{(one.get('insightStatus') or {}).get('reason', '')}{tail}",
            mend=str(one.get("recommendation") or "mend what it names; EKS looks again daily"),
            blocks=status == "ERROR" and not quiet,
        )


def _last_use(insight: Mapping[str, Any]) -> datetime | None:
    """When a removed API was last called, since insights remember callers for thirty days."""
    details = (insight.get("categorySpecificSummary") or {}).get("deprecationDetails") or []
    times = [
        stat["lastRequestTime"]
        for detail in details
        for stat in detail.get("clientStats") or []
        if stat.get("lastRequestTime")
    ]
    return max(times) if times else None


def _removed_apis(facts: UpgradeFacts, target: str) -> Iterable[Obstacle]:
    gone = minor(target)
    for item in facts.in_git:
        ref = ObjectRef.of(item)
        if REMOVED.get((ref.api_version, ref.kind), gone + 1) <= gone:
            yield Obstacle(
                reason=Reason.REMOVED_API_IN_GIT,
                subject=str(ref),
                found=f"{ref.api_version}, which {target} does not serve",
                mend="move its manifest to the current version of the API",
            )
    for ref in facts.live:
        if REMOVED.get((ref.api_version, ref.kind), gone + 1) <= gone:
            yield Obstacle(
                reason=Reason.REMOVED_API_LIVE,
                subject=str(ref),
                found=f"was applied as {ref.api_version}, which {target} does not serve",
                mend="deploy its component from manifests that use the current version",
            )


def _addons(facts: UpgradeFacts, target: str) -> Iterable[Obstacle]:
    for name, (_, offered) in sorted(facts.addons.items()):
        if not offered:
            yield Obstacle(
                reason=Reason.ADDON,
                subject=name,
                found=f"EKS offers no version of it for {target}",
                mend="wait for one, or take the add-on out of the environment",
            )


def _nodes(facts: UpgradeFacts, target: str) -> Iterable[Obstacle]:
    for group in facts.nodegroups:
        name, status = str(group["nodegroupName"]), str(group["status"])
        if status != "ACTIVE":
            yield Obstacle(reason=Reason.NODE_GROUP, subject=name, found=status, mend="wait, or mend its health issues")
        if minor(target) - minor(str(group["version"])) > KUBELET_SKEW:
            yield Obstacle(
                reason=Reason.SKEW,
                subject=f"node group {name}",
                found=f"version {group['version']}, more than {KUBELET_SKEW} behind {target}",
                mend="bring its nodes to the cluster's version first: clear node_groups of the last upgrade",
            )
    for node, version in sorted(facts.kubelets.items()):
        if minor(target) - minor(version) > KUBELET_SKEW:
            yield Obstacle(
                reason=Reason.SKEW, subject=f"node {node}", found=f"kubelet {version}", mend="replace the node first"
            )


def _budgets(facts: UpgradeFacts) -> Iterable[Obstacle]:
    for budget in facts.budgets:
        status, metadata = budget.get("status") or {}, budget["metadata"]
        # One without pods hinders nothing.
        if int(status.get("expectedPods") or 0) > 0 and int(status.get("disruptionsAllowed") or 0) == 0:
            yield Obstacle(
                reason=Reason.DISRUPTION_BUDGET,
                subject=f"{metadata.get('namespace')}/{metadata['name']}",
                found=f"allows no disruption of its {status.get('expectedPods')} pods "
                f"({status.get('currentHealthy', 0)} healthy, {status.get('desiredHealthy', 0)} needed)",
                mend="wait until all its pods are healthy, run one more replica, or allow one to be unavailable",
            )


def _addresses(facts: UpgradeFacts) -> Iterable[Obstacle]:
    for subnet, free in sorted(facts.subnets.items()):
        if free < FREE_ADDRESSES:
            yield Obstacle(
                reason=Reason.ADDRESSES,
                subject=subnet,
                found=f"{free} free addresses, {FREE_ADDRESSES} needed",
                mend="free addresses in it",
            )


def window_closes(completed: datetime) -> datetime:
    """Until when the control plane can go back."""
    return completed + ROLLBACK_WINDOW


def body(
    platform: str, current: str, target: str, obstacles: Sequence[Obstacle], groups: Sequence[str], bake: timedelta
) -> str:
    """Markdown for the person who decides."""
    lines = [
        f"**{platform}**: Kubernetes {current} to **{target}**.",
        "",
        f"1. control plane to {target}, about ten minutes; the API stays up",
        f"2. bake for {bake.total_seconds() / 60:.0f} minutes with health watched; if it gets worse, the control plane "
        f"goes back to {current}",
        "3. add-ons to the versions that EKS has for it",
        f"4. node groups, one after the other, draining by disruption budgets: {', '.join(groups) or 'none'}",
        "",
        f"The way back to {current} is open for {ROLLBACK_WINDOW.days} days after step 1, and gets longer from step 4 "
        "on: nodes must go back first.",
        "",
    ]
    lines += [f"- warning: {one}" for one in obstacles if not one.blocks]
    return "\n".join(lines)
