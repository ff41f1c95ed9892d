"""Takes a cluster to the next minor version, with the way back kept open for as long as it can be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.render import render
from slipway.decisions.health import judge, summary, verdict
from slipway.decisions.upgrade import body, minor, next_version, readiness, window_closes
from slipway.hooks.aws import AwsError, explained
from slipway.hooks.eks import EksHook, is_in_use
from slipway.hooks.upgrade import UpgradeHook
from slipway.model.errors import StuckError
from slipway.model.health import Before, Verdict
from slipway.model.platform import Platform
from slipway.model.records import Action, Change, Record
from slipway.operators.base import FINAL_ERRORS, platform_of
from slipway.operators.cluster import require_cluster
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.operators.drift import enabled
from slipway.triggers.eks import ClusterTrigger, UpdateTrigger
from slipway.triggers.pause import PauseTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

SURVEY = "survey"
BAKE = "bake"
VERSION_LIMIT = timedelta(minutes=60)
# Draining takes a quarter of an hour per node at worst.
NODES_LIMIT = timedelta(hours=6)
LOOK_SECONDS = 60.0
# One bad look may be the API server's own change of hands.
BAD_LOOKS = 3


def look_at_health(platform: Platform) -> tuple[Verdict, str]:
    """The platform's health now, by the same facts and rules as the health DAG's."""
    from slipway.hooks.health import HealthHook

    findings = judge(HealthHook(platform).gather(), datetime.now(UTC), Before())
    return verdict(findings), summary(findings)


def surveyed(context: Context) -> dict[str, Any]:
    """What the survey decided; made once, so that a retry goes the same way.

    :raises AirflowFailException: there is no survey.
    """
    found = context["ti"].xcom_pull(SURVEY)
    if not found:
        raise AirflowFailException("The survey's result is not there; clear the survey first")
    return dict(found)


class SurveyUpgradeOperator(BaseOperator):
    """Judges readiness and plans the upgrade. Changes nothing; fails with every reason that blocks."""

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, judge, plan.

        :raises AirflowFailException: something blocks, all of it named.
        """
        try:
            with explained():
                return self._survey(context)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error

    def _survey(self, context: Context) -> dict[str, Any]:
        platform = platform_of(context)
        hook = UpgradeHook(platform)
        cluster = require_cluster(hook.eks, platform)
        current = str(cluster["version"])
        target = str(context["params"].get("version") or next_version(current))
        components = enabled(platform)
        in_git = [item for one in components for item in render(one, platform)]
        facts = hook.facts(cluster, target, [one.name for one in components], in_git)
        obstacles = readiness(facts, target, datetime.now(UTC))
        for one in obstacles:
            self.log.warning("%s%s", "blocks: " if one.blocks else "", one)
        if blocking := [str(one) for one in obstacles if one.blocks]:
            reasons = "".join(f"\n  - {reason}" for reason in blocking)
            raise AirflowFailException(f"{platform.name} cannot go from {current} to {target}:{reasons}")
        before, told = look_at_health(platform)
        bake = timedelta(minutes=float(context["params"].get("bake_minutes") or 0))
        groups = [str(group["nodegroupName"]) for group in facts.nodegroups]
        text = body(platform.name, current, target, obstacles, groups, bake)
        return {
            "from": current,
            "to": target,
            "groups": groups,
            "health": before.value,
            "body": f"{text}\nHealth now: {before.value}. {told}",
        }


class VersionOperator(ConvergingOperator):
    """Takes the control plane to the version that the survey chose.

    :param back: to the one it came from, within EKS's seven days.
    """

    def __init__(self, *, back: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.back = back

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Nothing: a plan ends with the survey."""
        return []

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Start the update, or wait for the one that runs."""
        plan = surveyed(context)
        if self.back and not failed_bake(context):
            raise AirflowSkipException("The bake held: there is nothing to take back")
        wanted = plan["from"] if self.back else plan["to"]
        hook = UpgradeHook(platform)
        live = require_cluster(hook.eks, platform)
        label = f"AWS::EKS::Cluster {platform.cluster_name}"
        if live["status"] != "ACTIVE":
            self._wait(platform, progress)
        if live["version"] == wanted:
            self._say_window(hook, wanted)
            return [] if progress.changes else [Change(action=Action.KEEP, resource=label, note=wanted)]
        if label in progress.done:
            ended = hook.eks.update(platform.cluster_name, progress.done[label])
            reasons = [f"{error['errorCode']}: {error['errorMessage']}" for error in ended.get("errors", [])]
            raise StuckError(label, f"still {live['version']}, update {ended['status']}", reasons, _MEND)
        try:
            update = hook.start_version(wanted)
        except AwsError as error:
            if not is_in_use(error):
                raise
            self._wait(platform, progress)
        progress.done[label] = update
        note = f"{live['version']} -> {wanted}"
        progress.changes.append(Change(action=Action.CHANGE, resource=label, fields=["version"], note=note))
        trigger = UpdateTrigger(platform.region, platform.cluster_name, update)
        return self.wait_for(progress, f"control plane {note}", trigger, VERSION_LIMIT)

    def _wait(self, platform: Platform, progress: Progress) -> NoReturn:
        trigger = ClusterTrigger(platform.region, platform.cluster_name)
        self.wait_for(progress, f"cluster {platform.cluster_name} to come to rest", trigger, VERSION_LIMIT)

    def _say_window(self, hook: UpgradeHook, wanted: str) -> None:
        if self.back:
            return
        update = hook.last_upgrade(wanted)
        if update is not None:
            closes = window_closes(update["createdAt"])
            self.log.info("The control plane can go back until about %s UTC", f"{closes:%Y-%m-%d %H:%M}")


_MEND = "read the reasons, mend what they name, then clear this task"


class BakeOperator(ConvergingOperator):
    """Watches health for a while before anything else moves; says whether it held, and never fails for it.

    Returns ``{"held": ..., "why": ...}``. It does not hold when health is worse than before the upgrade, and stays so.
    """

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Nothing to plan."""
        return []

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """One look."""
        plan = surveyed(context)
        minutes = float(context["params"].get("bake_minutes") or 0)
        # From when the upgrade was done, not from when this try began.
        until = progress.deadlines.setdefault("bake", time.time() + minutes * 60)
        now, told = look_at_health(platform)
        worse = now.rank > Verdict(plan["health"]).rank
        bad = int(progress.done.get("bad", "0")) + 1 if worse else 0
        progress.done["bad"] = str(bad)
        self.log.info("%s: %s", now.value, told)
        if bad >= BAD_LOOKS:
            progress.done["outcome"] = f"{now.value} since the upgrade, {plan['health']} before it: {told}"
            return []
        if bad or time.time() < until:
            trigger = PauseTrigger(platform.region, LOOK_SECONDS)
            self.wait_for(progress, "the bake", trigger, timedelta(minutes=minutes) + timedelta(minutes=30))
        return []

    def _finish(self, context: Context, platform: Platform, progress: Progress) -> Any:
        self.converge(context, platform, progress)
        why = progress.done.get("outcome", "")
        (self.log.error if why else self.log.info)("The bake %s", f"did not hold: {why}" if why else "held")
        return {"held": not why, "why": why}


def failed_bake(context: Context) -> str:
    """Why the bake did not hold; empty when it did.

    :raises AirflowFailException: there is no result.
    """
    baked = context["ti"].xcom_pull(BAKE)
    if baked is None:
        raise AirflowFailException("The bake has no result; clear it first")
    return "" if baked["held"] else str(baked["why"])


class GoOnOperator(BaseOperator):
    """Lets the rest of the upgrade begin, or ends the run when the bake did not hold and the way back was taken."""

    def execute(self, context: Context) -> None:
        """Judge.

        :raises AirflowFailException: the bake did not hold.
        """
        why = failed_bake(context)
        if not why:
            return
        plan = surveyed(context)
        platform = platform_of(context)
        live = EksHook.of(platform.region).find_cluster(platform.cluster_name) or {}
        back = live.get("version") == plan["from"]
        where = f"went back to {plan['from']}" if back else f"is still at {live.get('version')}"
        raise AirflowFailException(
            f"The bake of {plan['to']} did not hold: {why}. The control plane {where}; add-ons and nodes were not "
            "touched. Mend: find out why (docs/upgrade.md), then run platform_upgrade again"
        )


class UpgradeNodeGroupsOperator(ConvergingOperator):
    """Rolls node groups to the version, one after the other, so that a zone keeps what the others lose.

    Draining respects disruption budgets: EKS gives a node a quarter of an hour, and fails rather than force it.
    """

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Nothing: a plan ends with the survey."""
        return []

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """The next group."""
        target = surveyed(context)["to"]
        hook = UpgradeHook(platform)
        for name in sorted(hook.eks.nodegroup_names(platform.cluster_name)):
            group = hook.eks.find_nodegroup(platform.cluster_name, name)
            if group is None or not platform.is_ours(dict(group.get("tags") or {})):
                continue
            label = f"AWS::EKS::Nodegroup {platform.cluster_name}/{name}"
            running = hook.eks.running_update(platform.cluster_name, name)
            if running:
                self._wait(platform, name, running, progress)
            if minor(str(group["version"])) >= minor(target):
                continue
            if label in progress.done:
                ended = hook.eks.update(platform.cluster_name, progress.done[label], name)
                reasons = [f"{error['errorCode']}: {error['errorMessage']}" for error in ended.get("errors", [])]
                raise StuckError(label, f"still {group['version']}, update {ended['status']}", reasons, _NODES_MEND)
            update = hook.start_nodegroup(name, target)
            progress.done[label] = update
            note = f"{group['version']} -> {target}"
            progress.changes.append(Change(action=Action.CHANGE, resource=label, fields=["version"], note=note))
            self._wait(platform, name, update, progress)
        return []

    def _wait(self, platform: Platform, name: str, update: str, progress: Progress) -> NoReturn:
        trigger = UpdateTrigger(platform.region, platform.cluster_name, update, nodegroup=name)
        self.wait_for(progress, f"node group {name}, update {update}", trigger, NODES_LIMIT)


_NODES_MEND = "a disruption budget or a finalizer keeps a pod: mend it, then clear this task"


class UpgradeBody(Record):
    """Body of an upgrade's report.

    :param window_closes: until when the control plane can go back; ISO 8601.
    :param nodes: versions by node group.
    """

    was: str
    now: str
    window_closes: str
    nodes: dict[str, str]
    addons: dict[str, str]


class ReportUpgradeOperator(BaseOperator):
    """Writes down the new baseline: versions of everything, and until when there is a way back."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Read anew, verify, report.

        :raises AirflowFailException: something is not at the version.
        """
        from slipway.model.report import Report
        from slipway.operators.report import publish, started_at

        platform, plan = platform_of(context), surveyed(context)
        hook = UpgradeHook(platform)
        with explained():
            cluster = require_cluster(hook.eks, platform)
            groups = {
                name: str((hook.eks.find_nodegroup(platform.cluster_name, name) or {}).get("version"))
                for name in hook.eks.nodegroup_names(platform.cluster_name)
            }
            addons = {name: live for name, (live, _) in hook.facts_of_addons(plan["to"]).items()}
            update = hook.last_upgrade(plan["to"])
        behind = [
            name for name, version in {"control plane": cluster["version"], **groups}.items() if version != plan["to"]
        ]
        if behind:
            raise AirflowFailException(f"Not at {plan['to']}: {', '.join(behind)}. Clear the task of each")
        closes = window_closes(update["createdAt"]).isoformat() if update else ""
        text = (
            f'{platform.name} went from {plan["from"]} to {plan["to"]}. Set cluster.version: "{plan["to"]}" in '
            f"include/environments/{platform.environment.name}.yaml. The control plane can go back until {closes}, "
            f"once the node groups have gone back to {plan['from']}."
        )
        self.log.info("%s", text)
        report = Report[UpgradeBody](
            kind="upgrade",
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started_at(context),
            ended=max(datetime.now(UTC), started_at(context)),
            verdict="upgraded",
            summary=text,
            body=UpgradeBody(was=plan["from"], now=plan["to"], window_closes=closes, nodes=groups, addons=addons),
        )
        return publish(context, platform, report, f"# Upgrade of {platform.name}\n\n{text}\n")
