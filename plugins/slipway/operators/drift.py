"""Compares a platform with Git, and brings it back where the environment's policy says so."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.catalog.render import render
from slipway.decisions.inventory import ObjectRef
from slipway.hooks.aws import explained
from slipway.hooks.drift import ClusterDriftHook, StackDriftHook, who_changed
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes import ClusterAbsent, ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.releases import Releases
from slipway.model.component import Component
from slipway.model.drift import DriftBody, Finding, How
from slipway.model.environment import AddonPhase
from slipway.model.errors import SlipwayError
from slipway.model.platform import Platform
from slipway.model.policies import Policy
from slipway.model.records import Action, Change
from slipway.model.report import Missing, Report
from slipway.operators.access import AccessOperator
from slipway.operators.addon import AddonsOperator
from slipway.operators.base import FINAL_ERRORS
from slipway.operators.cluster import ClusterOperator
from slipway.operators.nodegroup import NodeGroupOperator, placed_groups
from slipway.operators.report import publish, report_asset, started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

DETECTION_LIMIT = timedelta(minutes=10)
POLL_SECONDS = 2.0
_HOW = {Action.CREATE: How.DELETED, Action.CHANGE: How.EDITED, Action.REPLACE: How.EDITED, Action.DELETE: How.ADDED}
_DEPLOY = "run platform_deploy with the stage infrastructure"


@dataclass
class Look:
    """What one look at a platform gathers."""

    findings: list[Finding] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    looked_at: int = 0
    detections: dict[str, str] = field(default_factory=dict)


class DriftOperator(BaseOperator):
    """Looks at one platform: stacks, cluster, node groups, add-ons, access, and every object of every component.

    Changes nothing, writes the report and returns its reference.

    :param member: ``environment`` and ``region`` of the platform, as the fleet lists them.
    """

    ui_color = "#e0e7ff"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [report_asset("drift")])
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, judge, report."""
        platform = member_platform(self.member)
        found = look(context, platform)
        for finding in found.findings:
            self.log.warning("%s", finding)
        for gap in found.missing:
            self.log.warning("not compared: %s", gap)
        report = drift_report(context, platform, found, [])
        self.log.info("%s", report.summary)
        return publish(context, platform, report, markdown(platform, report))


def member_platform(member: Mapping[str, str]) -> Platform:
    """The platform of a fleet's entry.

    :raises AirflowFailException: the fleet found a problem with it, or it does not load.
    """
    if member.get("problem"):
        raise AirflowFailException(member["problem"])
    try:
        return load_platform(member["environment"], member.get("region") or None)
    except FINAL_ERRORS as error:
        raise AirflowFailException(str(error)) from error


def look(context: Context, platform: Platform) -> Look:
    """Compare everything; a part that cannot be compared is missing from the report, not clean."""
    found = Look()
    # CloudFormation takes its time, in which the rest is compared.
    parts = {
        "CloudFormation's detection": _start_detection,
        "EKS": _eks,
        "the cluster's objects": _objects,
        "CloudFormation stacks": _stacks,
    }
    for part, compare_part in parts.items():
        try:
            with explained():
                compare_part(context, platform, found)
        except (SlipwayError, ssl.SSLError) as error:
            found.missing.append(Missing(part=part, reason=str(error)))
    return found


def _start_detection(context: Context, platform: Platform, found: Look) -> None:
    found.detections = StackDriftHook(platform).start()


def _stacks(context: Context, platform: Platform, found: Look) -> None:
    """What CloudFormation's drift detection found; by now it is mostly over, and waited for at most ten minutes."""
    hook, detections = StackDriftHook(platform), found.detections
    deadline = time.monotonic() + DETECTION_LIMIT.total_seconds()
    while running := hook.running(detections):
        if time.monotonic() > deadline:
            found.missing += [
                Missing(part=f"stack {name}", reason="its drift detection takes too long") for name in running
            ]
            break
        time.sleep(POLL_SECONDS)
    for name in detections:
        found.looked_at += 1
        for finding in hook.findings(name):
            found.findings.append(
                finding.model_copy(update={"authors": who_changed(platform.region, finding.resource)})
            )


def _eks(context: Context, platform: Platform, found: Look) -> None:
    """What the deploy's own tasks would change: their plans only read."""
    tasks: list[Any] = [ClusterOperator(task_id="cluster"), AccessOperator(task_id="access")]
    tasks += [AddonsOperator(task_id=f"addons_{phase.name.lower()}", phase=phase) for phase in AddonPhase]
    hook = EksHook.of(platform.region)
    if hook.find_cluster(platform.cluster_name) is None:
        found.findings.append(
            Finding(resource=f"AWS::EKS::Cluster {platform.cluster_name}", how=How.DELETED, mend=_DEPLOY)
        )
        return
    groups = placed_groups(platform)
    tasks += [
        NodeGroupOperator(
            task_id=f"node_group_{group.name}",
            group={"name": group.name, "source": group.source, "zones": list(group.zones)},
        )
        for group in groups
    ]
    for task in tasks:
        try:
            changes: Sequence[Change] = task.plan(context, platform)
        except SlipwayError as error:
            found.missing.append(Missing(part=str(task.task_id), reason=str(error)))
            continue
        found.looked_at += len(changes)
        found.findings += [_of_change(platform, change) for change in changes if change.action in _HOW]
    found.findings += _added_to_cluster(hook, platform, {group.name for group in groups})


def _of_change(platform: Platform, change: Change) -> Finding:
    from slipway.model.drift import FieldDrift

    fields = [FieldDrift(path=path, wanted="as the environment says", found="something else") for path in change.fields]
    return Finding(
        resource=change.resource,
        how=_HOW[change.action],
        fields=fields,
        authors=who_changed(platform.region, change.resource),
        mend=_DEPLOY if not change.note else f"{_DEPLOY} ({change.note})",
    )


def _added_to_cluster(hook: EksHook, platform: Platform, groups: set[str]) -> list[Finding]:
    """Node groups and add-ons that somebody added by hand."""
    cluster = platform.cluster_name
    wanted = {name for phase in AddonPhase for name in platform.addons(phase)}
    pages = hook.conn.get_paginator("list_addons").paginate(clusterName=cluster)
    addons = [name for page in pages for name in page["addons"] if name not in wanted]
    found = [
        (f"AWS::EKS::Nodegroup {cluster}/{name}", "node_groups")
        for name in hook.nodegroup_names(cluster)
        if name not in groups
    ]
    found += [(f"AWS::EKS::Addon {cluster}/{name}", "addons") for name in addons]
    return [
        Finding(
            resource=resource,
            how=How.ADDED,
            authors=who_changed(platform.region, resource),
            mend=f"take it into {key} of include/environments/{platform.environment.name}.yaml, or delete it",
        )
        for resource, key in found
    ]


def _objects(context: Context, platform: Platform, found: Look) -> None:
    access = EksAccess.of(platform)
    try:
        endpoint = access.endpoint()
    except ClusterAbsent:
        return
    asyncio.run(_compare_objects(access, endpoint, platform, found))


async def _compare_objects(access: EksAccess, endpoint: ClusterEndpoint, platform: Platform, found: Look) -> None:
    manifests: dict[str, list[dict[str, Any]]] = {}
    for component in enabled(platform):
        manifests[component.name] = render(component, platform)
    async with connect(access, endpoint) as api:
        hook = ClusterDriftHook(api)
        for name, items in manifests.items():
            found.findings += await hook.component(name, items)
        known = await _known(api, manifests)
        namespaces = sorted({ref[2] for ref in known if ref[2]})
        found.findings += await hook.added(namespaces, known)
        found.looked_at += hook.looked_at
        found.missing += hook.missing


async def _known(
    api: KubernetesApi, manifests: Mapping[str, Iterable[Mapping[str, Any]]]
) -> set[tuple[str, str, str, str]]:
    known = {ObjectRef.of(item).identity for items in manifests.values() for item in items}
    for name in manifests:
        for release in await Releases(api).list_releases(name):
            known |= {ObjectRef.parse(key).identity for key in release.objects}
    return known


def enabled(platform: Platform) -> list[Component]:
    """Components that the environment has, in deploy order."""
    return [one for one in load_components().values() if one.name not in platform.environment.components.disabled]


def drift_report(context: Context, platform: Platform, found: Look, repaired: list[str]) -> Report[DriftBody]:
    """The report of one look."""
    counts = {how: sum(one.how is how for one in found.findings) for how in How}
    told = ", ".join(f"{number} {how.value}" for how, number in counts.items() if number) or "no drift"
    verdict = "drifted" if found.findings else "unknown" if found.missing else "in-sync"
    return Report[DriftBody](
        kind="drift",
        environment=platform.environment.name,
        region=platform.region,
        run_id=context["dag_run"].run_id,
        started=started_at(context),
        ended=max(datetime.now(UTC), started_at(context)),
        verdict=verdict,
        summary=f"{told} among {found.looked_at} resources",
        body=DriftBody(findings=found.findings, looked_at=found.looked_at, repaired=repaired),
        missing=found.missing,
    )


def markdown(platform: Platform, report: Report[DriftBody]) -> str:
    """The report as a page."""
    lines = [f"# Drift of {platform.name} in {platform.region}", "", report.summary, ""]
    for one in report.body.findings:
        who = ", ".join(str(author) for author in one.authors) or "unknown"
        lines += [f"## {one.how.value}: {one.resource}", "", f"By {who}. Mend: {one.mend}", ""]
        if one.fields:
            lines += ["| field | Git | found |", "|---|---|---|"]
            lines += [f"| `{drift.path}` | `{drift.wanted}` | `{drift.found}` |" for drift in one.fields] + [""]
    lines += [f"- repaired: {name}" for name in report.body.repaired]
    lines += [f"- not compared: {gap}" for gap in report.missing]
    return "\n".join(lines)


class ReconcileOperator(BaseOperator):
    """Brings objects back to Git where the policy (or the run) says ``auto``; else says what it would do.

    Edited and deleted objects are applied with force, which takes fields back from whoever set them, and fields that
    Git does not have are taken off. What was added by hand is deleted only when the run says ``prune``.

    :param member: the platform.
    """

    ui_color = "#dbeafe"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> list[str]:
        """Look anew, repair, look again."""
        from slipway.hooks.lease import LeaseHook

        platform = member_platform(self.member)
        policy = Policy(context["params"].get("reconcile") or platform.environment.policies.drift)
        found = look(context, platform)
        ours = [one for one in found.findings if one.component or one.how is How.ADDED]
        if policy is not Policy.AUTO or not ours:
            for one in ours:
                self.log.info("would bring back: %s", one)
            return []
        run = context["dag_run"]
        hook = LeaseHook(platform)
        with explained():
            hook.acquire(run.run_id, run.dag_id)
            try:
                prune = bool(context["params"].get("prune"))
                repaired = asyncio.run(self._repair(platform, ours, prune=prune))
            finally:
                hook.release(run.run_id, run.dag_id)
        for name in repaired:
            self.log.info("brought back: %s", name)
        left = look(context, platform)
        report = drift_report(context, platform, left, repaired)
        publish(context, platform, report, markdown(platform, report))
        return repaired

    async def _repair(self, platform: Platform, findings: Sequence[Finding], *, prune: bool) -> list[str]:
        from slipway.hooks.reconcile import Reconciler

        access = EksAccess.of(platform)
        endpoint = access.endpoint()
        drifted = {one.component for one in findings if one.how is not How.ADDED}
        wanted = {one.name: render(one, platform) for one in enabled(platform) if one.name in drifted}
        async with connect(access, endpoint) as api:
            reconciler = Reconciler(api)
            done: list[str] = []
            for name, manifests in wanted.items():
                touched = {one.resource for one in findings if one.component == name and one.how is not How.ADDED}
                items = [item for item in manifests if str(ObjectRef.of(item)) in touched]
                try:
                    done += await reconciler.bring_back(items)
                except KubernetesApiError as error:
                    self.log.error("%s could not be brought back: %s", name, error)
            if prune:
                done += await reconciler.remove([one.resource for one in findings if one.how is How.ADDED])
        return done
