"""The frame of a teardown: the survey before it, the lease around it, the sweep that proves it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.decisions.sweep import Keep, Sweep, sweep
from slipway.decisions.teardown import Survey, survey
from slipway.hooks.aws import AwsError, code_of, explained
from slipway.hooks.eks import EksHook
from slipway.hooks.lease import LeaseHook
from slipway.hooks.price_list import PriceListHook
from slipway.hooks.resources import ResourcesHook, other_regions
from slipway.model.errors import LeaseLostError, Problem, RefusedError
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook
from slipway.model.records import Action, Change, Record
from slipway.model.resource import Inventory
from slipway.operators.base import FINAL_ERRORS, platform_of
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.triggers.pause import PauseTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# Pauses between looks at a whole inventory, in seconds: short at first, since a compressed rehearsal is quick.
FIRST_PAUSE = 1.0
PAUSE_GROWTH = 1.6
LONGEST_PAUSE = 30.0
PATIENCE = timedelta(minutes=20)
# An interface or an alias may take a minute to go after what it belonged to.
SWEEP_LOOKS = 5
DEFAULT_KEEP = (Keep.STATE, Keep.BACKUPS)


def keep_of(context: Context) -> list[Keep]:
    """What the run leaves on purpose."""
    chosen = context["params"].get("keep")
    return [Keep(name) for name in (DEFAULT_KEEP if chosen is None else chosen)]


def load_prices(platform: Platform) -> PriceBook:
    """The platform's price book as the nightly cost run left it, else the dated table; asks and writes nothing new."""
    return PriceListHook(platform).kept()


def look_everywhere(context: Context, platform: Platform) -> list[Inventory]:
    """The platform's region whole, and by tag every region that the environment does not use.

    :raises RefusedError: the credentials are of another account than the environment's.
    """
    with explained():
        found = ResourcesHook(platform).inventory()
        if found.account != platform.environment.account:
            raise RefusedError(
                Problem(
                    where=f"AWS account {found.account}",
                    field="",
                    found=f"credentials of account {found.account}",
                    allowed=f"account {platform.environment.account}, which the environment names",
                    mend="correct the connection aws_default, or account in include/environments",
                )
            )
        if not context["params"].get("all_regions", True):
            return [found]
        return [found, ResourcesHook(platform).strays(other_regions(platform))]


class SurveyOperator(BaseOperator):
    """Looks at what is there and says what a teardown would take, keep and save. Changes nothing.

    Returns the :class:`~slipway.decisions.teardown.Survey`.
    """

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """List, price, describe.

        :raises AirflowFailException: a part could not be looked at: nobody can approve of what they are not shown.
        """
        try:
            platform = platform_of(context)
            prices = load_prices(platform)
            found = sweep(look_everywhere(context, platform), platform, prices, keep_of(context))
            notes = state_notes(platform)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        result: Survey = survey(platform, found, platform.environment.account, prices, notes)
        self.log.info("%s", result.body)
        if result.unread:
            reasons = "".join(f"\n  - {line}" for line in result.unread)
            raise AirflowFailException(
                f"Parts of {platform.name} could not be looked at:{reasons}\nAllow these calls, then clear this task"
            )
        return result.model_dump(mode="json")


def state_notes(platform: Platform) -> list[str]:
    """What a person should know of the state the cluster is in."""
    cluster = EksHook.of(platform.region).find_cluster(platform.cluster_name)
    if cluster is None:
        return ["There is no cluster: what its controllers left is taken by tag and name."]
    if not platform.is_ours(dict(cluster.get("tags") or {})):
        return [f"A cluster named {platform.cluster_name} exists that is **not ours**: it is left alone."]
    notes = [f"Cluster {platform.cluster_name} is {cluster['status']}, Kubernetes {cluster.get('version')}."]
    if cluster.get("deletionProtection"):
        notes.append("Its deletion protection is on, and would be switched off.")
    return notes


class TeardownOperator(ConvergingOperator):
    """A task that takes one thing away. What is gone already is fine; what is not ours is left alone."""

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Nothing: the survey has said it all, and a plan ends before this."""
        return []

    def hold_lease(self, context: Context, platform: Platform) -> None:
        """Renew the lease. Where the bucket it lies in is gone, nothing is left that two runs could fight over."""
        try:
            super().hold_lease(context, platform)
        except LeaseLostError as error:
            if code_of(error.__cause__) != "NoSuchBucket":
                raise
            self.log.info("The lease's bucket is gone; going on without a lease")

    def pause(self, platform: Platform, progress: Progress, limit: timedelta = PATIENCE) -> NoReturn:
        """Wait a little without a worker, longer each time, and then look again.

        :raises StuckError: it has gone on for longer than ``limit``.
        """
        pauses = int(progress.done.get("pauses", "0"))
        progress.done["pauses"] = str(pauses + 1)
        seconds = min(FIRST_PAUSE * PAUSE_GROWTH**pauses, LONGEST_PAUSE)
        self.wait_for(progress, f"another look of {self.task_id}", PauseTrigger(platform.region, seconds), limit)

    def patient(self, progress: Progress, limit: timedelta = PATIENCE) -> bool:
        """Whether there is time left to wait for something that may not come."""
        deadline = progress.deadlines.setdefault(f"another look of {self.task_id}", time.time() + limit.total_seconds())
        return time.time() < deadline


class TakeLeaseOperator(TeardownOperator):
    """Takes the platform's lease, where its bucket still is. Makes none: a teardown creates nothing."""

    def hold_lease(self, context: Context, platform: Platform) -> None:
        """Nothing to hold yet."""

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Take the lease."""
        run = context["dag_run"]
        label = f"lease on {platform.name} in {platform.region}"
        try:
            lease = LeaseHook(platform).acquire(run.run_id, run.dag_id)
        except AwsError as error:
            if code_of(error) != "NoSuchBucket":
                raise
            return [Change(action=Action.KEEP, resource=label, note="there is no bucket to keep it in")]
        return [Change(action=Action.KEEP, resource=label, note=f"held by {lease}")]


class TeardownBody(Record):
    """Body of a teardown's report: counts of our resources by kind before and after, and the proof."""

    before: int
    after: int
    saving: float
    sweep: Sweep


class SweepOperator(TeardownOperator):
    """The proof: nothing of the platform is left but what was to be kept; or it fails and names each leftover.

    It looks at everything anew and trusts no task before it. It changes nothing.
    """

    ui_color = "#bbf7d0"

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Look, and look again while things are still on their way out."""
        if context["ti"].xcom_pull("acquire_lease") is None:
            raise AirflowFailException("Nothing was torn down: a task before the first deletion failed; see there")
        found = sweep(look_everywhere(context, platform), platform, load_prices(platform), keep_of(context))
        if not found.clean and self._look_again(progress):
            self.log.info("Looking again: %s", found)
            self.pause(platform, progress)
        self._report(context, platform, found)
        if not found.clean:
            raise AirflowFailException(
                f"{platform.name} in {platform.region} is not gone: {found}\n"
                "Run the commands, or clear the task that should have removed it, then clear this task"
            )
        self.log.info("Sweep of %s: 0 left, %d kept on purpose", platform.name, len(found.kept))
        notes = [Change(action=Action.KEEP, resource=str(one), note="kept on purpose") for one in found.kept]
        notes += [Change(action=Action.KEEP, resource=str(one), note="on its way out") for one in found.leaving]
        return notes

    def _look_again(self, progress: Progress) -> bool:
        looks = int(progress.done.get("looks", "0")) + 1
        progress.done["looks"] = str(looks)
        return looks < SWEEP_LOOKS

    def _report(self, context: Context, platform: Platform, found: Sweep) -> None:
        """Write the report where the bucket still is; the log has it in any case."""
        from slipway.hooks.reports import ReportsHook
        from slipway.model.report import Missing, Report

        surveyed = context["ti"].xcom_pull("survey") or {}
        body = TeardownBody(
            before=int(surveyed.get("goes", 0)) + int(surveyed.get("kept", 0)),
            after=len(found.leftovers) + len(found.kept),
            saving=float(surveyed.get("saving", 0.0)),
            sweep=found,
        )
        now = datetime.now(UTC)
        run = context["dag_run"]
        report = Report[TeardownBody](
            kind="teardown",
            environment=platform.environment.name,
            region=platform.region,
            run_id=run.run_id,
            started=getattr(run, "start_date", None) or now,
            ended=now,
            verdict="gone" if found.clean else "left-over",
            summary=f"{body.before} resources before, {len(found.leftovers)} left, {len(found.kept)} kept on purpose",
            body=body,
            missing=[Missing(part=one.part, reason=one.reason) for one in found.unread],
        )
        self.log.info("%s", report.summary)
        try:
            reference = ReportsHook(platform).write(report, _markdown(platform, report.summary, found))
        except AwsError as error:
            if code_of(error) != "NoSuchBucket":
                raise
            self.log.info("No report was written: the bucket is gone")
            return
        context["ti"].xcom_push(key="report", value=reference.as_xcom())


def _markdown(platform: Platform, summary: str, found: Sweep) -> str:
    lines = [f"# Teardown of {platform.name} in {platform.region}", "", summary, ""]
    lines += [f"- left: {one}" for one in found.leftovers]
    lines += [f"- kept: {one}" for one in found.kept]
    lines += [f"- on its way out: {one}" for one in found.leaving]
    lines += [f"- not ours, in the VPC: {one}" for one in found.intruders]
    lines += [f"- not looked at: {one.part}: {one.reason}" for one in found.unread]
    return "\n".join(lines)
