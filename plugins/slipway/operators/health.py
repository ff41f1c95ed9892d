"""Watching: gather the facts of one platform, judge them, report, and tell who wants to know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.environments import load_platform
from slipway.decisions.health import judge, short_workloads, summary, verdict
from slipway.decisions.health_report import markdown
from slipway.decisions.light_checks import seen
from slipway.decisions.telling import Told, what_to_tell
from slipway.model.health import KIND, Before, Finding, HealthBody, HealthFacts, HealthState, Verdict
from slipway.model.light_checks import Checking
from slipway.model.platform import Platform
from slipway.model.report import AnyBody, Report
from slipway.operators.base import FINAL_ERRORS
from slipway.operators.report import publish, report_asset, started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from slipway.hooks.health_state import HealthStateHook, Held

TEARDOWN = "platform_teardown"
# Memory read and written; the report, its page, its copy, and the look at the copy before.
S3_CALLS = 6


def member_platform(member: Mapping[str, str]) -> Platform:
    """The platform of a mapped task.

    :raises AirflowFailException: it could not be looked at when the fleet was listed; the others go on.
    """
    if member.get("problem"):
        raise AirflowFailException(f"{member['environment']} in {member['region'] or '?'}: {member['problem']}")
    try:
        return load_platform(member["environment"], member["region"])
    except FINAL_ERRORS as error:
        raise AirflowFailException(str(error)) from error


class WatchOperator(BaseOperator):
    """Judges one platform and writes its health report.

    Returns the report's reference and, under ``findings``, how many runbooks may be needed. A platform that is being
    built for the first time, or taken down, is left alone.

    :param member: ``environment``, ``region`` and ``problem`` of a platform, as the fleet's list has them.
    """

    template_fields = ("member",)
    ui_color = "#dcfce7"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [report_asset(KIND)])
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> dict[str, Any]:
        """Gather, judge, report."""
        from slipway.hooks.health import HealthHook
        from slipway.hooks.health_state import HealthStateHook

        platform = member_platform(self.member)
        started, clock = started_at(context), time.monotonic()
        states = HealthStateHook(platform)
        held = states.read()
        hook = HealthHook(platform)
        facts = hook.gather()
        facts.skew_seconds = (datetime.now(UTC) - held.now).total_seconds() - (time.monotonic() - clock)
        _leave_alone(platform, facts, held.state)
        now = held.now
        facts.checks = seen(held.state.checks)
        checking = _checking(held.state, context["dag_run"].run_id)
        before = _before(held.state)
        findings = judge(facts, now, before)
        body = HealthBody(
            findings=findings,
            counts=facts.counts,
            calls={**hook.calls, "s3": S3_CALLS},
            seconds=round(time.monotonic() - clock, 2),
            version=facts.control_plane.version if facts.control_plane else "",
            node_groups=_groups(facts),
            skew_seconds=round(facts.skew_seconds, 1),
            checks=list(facts.checks),
            checking=checking,
        )
        report = Report[HealthBody](
            kind=KIND,
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started,
            ended=max(started, datetime.now(UTC)),
            verdict=verdict(findings).value,
            summary=summary(findings),
            body=body,
            missing=facts.missing,
        )
        states.write(_after(held.state, facts, findings, now, before), held)
        self._say(report)
        return publish(context, platform, report, markdown(report))

    def _say(self, report: Report[HealthBody]) -> None:
        self.log.info("%s in %s: %s. %s", report.environment, report.region, report.verdict, report.summary)
        for finding in report.body.findings:
            self.log.warning("%s %s", finding.severity.value, finding)
        for part in report.missing:
            self.log.warning("not read: %s", part)


class TellOperator(BaseOperator):
    """Tells the environment's channels of a changed verdict, once.

    :param member: as for :class:`WatchOperator`.
    """

    template_fields = ("member",)
    ui_color = "#fef9c3"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> list[str]:
        """Claim each message that is due, send it, remember it."""
        from slipway.hooks.health_state import HealthStateHook
        from slipway.hooks.reports import ReportsHook

        platform = member_platform(self.member)
        if not platform.environment.notifications.channels:
            raise AirflowSkipException(f"{platform.environment.name} names no channels under notifications")
        report = ReportsHook(platform).latest(KIND, HealthBody)
        if report is None or report.run_id != context["dag_run"].run_id:
            raise AirflowSkipException("this run wrote no report")
        states = HealthStateHook(platform)
        held = states.read()
        told = {name: Told.model_validate(value) for name, value in held.state.told.items()}
        label = f"{platform.name} ({platform.region})"
        due = what_to_tell(
            label,
            Verdict(report.verdict),
            held.state.healthy_runs,
            report.body.findings,
            told,
            platform.environment.notifications,
            held.now,
        )
        failed: list[str] = []
        sent: list[str] = []
        for telling in due:
            problem, held = self._tell(context, platform, states, held, telling)
            name = telling.message.channel.name
            (failed if problem else sent).append(f"{name}: {problem or telling.message.title}")
        if failed:
            raise RuntimeError("; ".join(failed))
        return sent

    def _tell(
        self, context: Context, platform: Platform, states: HealthStateHook, held: Held, telling: Any
    ) -> tuple[str, Held]:
        """Claim, send, confirm. A refused message is given back, to be tried again; a lost one is not sent twice."""
        from slipway.hooks.notifiers import send

        name, message = telling.message.channel.name, telling.message
        known = Told.model_validate(held.state.told.get(name, {}))
        identity = f"{message.key} {message.kind.value} {telling.after.verdict.value} {len(telling.after.keys)}"
        if known.claimed == identity and message.channel.kind != "pagerduty":
            self.log.warning("%s: a run ended while it sent %r; it is not sent again", name, message.title)
            return "", states.write(_told(held.state, name, telling.after), held)
        claimed = known.model_copy(update={"claimed": identity})
        held = states.write(_told(held.state, name, claimed), held)
        try:
            send(message, platform.region, context)
        except Exception as error:  # a channel's own failure, of whatever kind, must not silence the others
            self.log.exception("%s could not be told", name)
            return f"{type(error).__name__}: {error}", states.write(_told(held.state, name, known), held)
        self.log.info("%s was told: %s", name, message.title)
        return "", states.write(_told(held.state, name, telling.after), held)


def _told(state: HealthState, name: str, told: Told) -> HealthState:
    return state.model_copy(update={"told": {**state.told, name: told.model_dump(mode="json")}})


def _leave_alone(platform: Platform, facts: HealthFacts, state: HealthState) -> None:
    """Skip what is not there yet, or on its way out on purpose.

    :raises AirflowSkipException: there is nothing to judge.
    """
    from slipway.hooks.lease import LeaseHook

    plane = facts.control_plane
    if plane is not None and plane.status in {"ACTIVE", "UPDATING"}:
        return
    if plane is None and not state.seen_cluster:
        raise AirflowSkipException(f"{platform.cluster_name} has not been deployed to {platform.region}")
    lease = LeaseHook(platform).read()
    if lease is not None and lease.dag_id == TEARDOWN:
        raise AirflowSkipException(f"{platform.cluster_name} is being taken down by {lease}")
    if plane is None and _torn_down(platform, state):
        raise AirflowSkipException(f"{platform.cluster_name} was taken down; it is watched again once it is deployed")
    if plane is not None and plane.status == "CREATING" and not state.seen_cluster:
        raise AirflowSkipException(f"{platform.cluster_name} is being created")


def _torn_down(platform: Platform, state: HealthState) -> bool:
    from slipway.hooks.reports import ReportsHook

    last: Report[AnyBody] | None = ReportsHook(platform).latest("teardown")
    return last is not None and (state.since is None or last.ended >= state.since)


def _before(state: HealthState) -> Before:
    groups = state.node_groups
    return Before(
        desired={name: sizes.get("desired", 0) for name, sizes in groups.items()},
        ready={name: sizes.get("ready", 0) for name, sizes in groups.items()},
        short=state.short,
    )


def _checking(state: HealthState, run_id: str) -> Checking | None:
    """What this run's task ``checks`` did; ``None`` when it did nothing, as where no check is light."""
    return state.checking if state.checking is not None and state.checking.run_id == run_id else None


def _groups(facts: HealthFacts) -> dict[str, dict[str, int]]:
    return {
        group.name: {
            "desired": group.desired,
            "ready": sum(node.ready for node in facts.nodes if node.group == group.name),
        }
        for group in facts.node_groups
    }


def _after(
    state: HealthState, facts: HealthFacts, findings: list[Finding], now: datetime, before: Before
) -> HealthState:
    found = verdict(findings)
    return state.model_copy(
        update={
            "verdict": found,
            "since": now if found is not state.verdict or state.since is None else state.since,
            "healthy_runs": state.healthy_runs + 1 if found is Verdict.HEALTHY else 0,
            "keys": [finding.key for finding in findings],
            "node_groups": _groups(facts) or state.node_groups,
            "short": short_workloads(facts, now, before),
            "seen_cluster": facts.control_plane is not None or state.seen_cluster,
        }
    )
