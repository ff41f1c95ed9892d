"""Runbooks of one platform's findings: evidence, diagnosis and, where the environment lets it, the mend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from slipway.decisions.runbook_report import RunbookBody, markdown
from slipway.decisions.runbooks import WINDOW, Diagnosis, Outcome, decide, diagnose, has_runbook
from slipway.decisions.telling import call_a_person
from slipway.model.errors import RefusedError, SlipwayError
from slipway.model.health import KIND as HEALTH
from slipway.model.health import Finding, HealthBody, HealthState
from slipway.model.platform import Platform
from slipway.model.policies import Policy
from slipway.model.report import Report
from slipway.operators.health import member_platform
from slipway.operators.report import publish, report_asset, started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

KIND = "runbook"
# Beyond that many findings something larger is wrong, and small mends would get in its way.
MOST = 10


class RunbooksOperator(BaseOperator):
    """Diagnoses what this run's health report found, mends what policy lets it mend, and writes a runbook report.

    Mends are made under the platform's lease; while another run has it, they are only suggested. Nothing is waited for:
    the next health run sees whether a mend helped, and its tries are counted from run to run.

    :param member: as for :class:`~slipway.operators.health.WatchOperator`.
    """

    template_fields = ("member",)
    ui_color = "#e0e7ff"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [report_asset(KIND)])
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> dict[str, Any]:
        """Work through the findings."""
        from slipway.hooks.health_state import HealthStateHook
        from slipway.hooks.reports import ReportsHook

        platform = member_platform(self.member)
        policy = platform.environment.policies.runbooks
        if policy is Policy.OFF:
            raise AirflowSkipException(f"{platform.environment.name} has policies.runbooks: off")
        report = ReportsHook(platform).latest(HEALTH, HealthBody)
        if report is None or report.run_id != context["dag_run"].run_id:
            raise AirflowSkipException("this run wrote no health report")
        findings = [one for one in report.body.findings if has_runbook(one)]
        states = HealthStateHook(platform)
        held = states.read()
        if not findings and not held.state.tries:
            raise AirflowSkipException("nothing to mend")
        diagnoses = asyncio.run(self._diagnose(platform, findings[:MOST], held.now)) if findings else []
        state, made = self._mend(context, platform, policy, diagnoses, held.state, held.now)
        states.write(_forgotten(state, report.body.findings, held.now), held)
        return self._publish(context, platform, made, len(findings))

    async def _diagnose(self, platform: Platform, findings: Sequence[Finding], now: datetime) -> list[Diagnosis]:
        from slipway.hooks.kubernetes import EksAccess
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.runbooks import RunbookHook

        access = EksAccess.of(platform)
        async with connect(access, access.endpoint()) as api:
            hook = RunbookHook(platform, api)
            gathered = await asyncio.gather(*(hook.evidence(one) for one in findings))
        return [diagnose(one, evidence, now) for one, evidence in zip(findings, gathered, strict=True)]

    def _mend(
        self,
        context: Context,
        platform: Platform,
        policy: Policy,
        diagnoses: Sequence[Diagnosis],
        state: HealthState,
        now: datetime,
    ) -> tuple[HealthState, list[Diagnosis]]:
        limit = platform.environment.policies.mend_tries
        tries, called, done = dict(state.tries), dict(state.called), []
        for diagnosis in diagnoses:
            key = diagnosis.finding.key
            decision = decide(diagnosis, policy, tries.get(key, []), limit, called.get(key), now)
            note, outcome = "", decision.outcome
            if decision.apply:
                # Counted before it is made: a run that dies in between must not try for ever.
                tries[key] = [*tries.get(key, []), now]
                outcome, note = self._apply(context, platform, diagnosis)
                if outcome is Outcome.REFUSED:
                    tries[key].pop()
            elif decision.call:
                called[key] = now
                note = self._call(context, platform, diagnosis, decision.tries, now)
            done.append(diagnosis.model_copy(update={"outcome": outcome, "tries": decision.tries, "note": note}))
            self.log.info("%s: %s (%s) %s", diagnosis.finding.subject, diagnosis.cause, outcome.value, note)
        return state.model_copy(update={"tries": tries, "called": called}), done

    def _apply(self, context: Context, platform: Platform, diagnosis: Diagnosis) -> tuple[Outcome, str]:
        from slipway.hooks.lease import LeaseHook

        run = context["dag_run"]
        lease = LeaseHook(platform)
        try:
            lease.acquire(holder=run.run_id, dag_id=run.dag_id)
        except RefusedError as error:
            return Outcome.REFUSED, f"another run is at work on the platform: {error.problem.found}"
        try:
            return Outcome.APPLIED, asyncio.run(self._change(platform, diagnosis))
        except RefusedError as error:
            return Outcome.REFUSED, str(error)
        except SlipwayError as error:
            return Outcome.UNMENDED, str(error)
        finally:
            lease.release(holder=run.run_id, dag_id=run.dag_id)

    @staticmethod
    async def _change(platform: Platform, diagnosis: Diagnosis) -> str:
        from slipway.hooks.kubernetes import EksAccess
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.runbooks import RunbookHook

        if diagnosis.mend is None:
            return ""
        access = EksAccess.of(platform)
        async with connect(access, access.endpoint()) as api:
            return await RunbookHook(platform, api).apply(diagnosis.mend)

    def _call(self, context: Context, platform: Platform, diagnosis: Diagnosis, tries: int, now: datetime) -> str:
        from slipway.hooks.notifiers import send

        label = f"{platform.name} ({platform.region})"
        reached = []
        for message in call_a_person(label, diagnosis.finding, tries, platform.environment.notifications, now):
            try:
                send(message, platform.region, context)
                reached.append(message.channel.name)
            except Exception:  # one channel's failure must not keep the others from hearing
                self.log.exception("%s could not be told", message.channel.name)
        return f"called a person by {', '.join(reached)}" if reached else "a person is needed; no channel could be told"

    def _publish(self, context: Context, platform: Platform, diagnoses: list[Diagnosis], found: int) -> dict[str, Any]:
        started = started_at(context)
        applied = sum(one.outcome is Outcome.APPLIED for one in diagnoses)
        report = Report[RunbookBody](
            kind=KIND,
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started,
            ended=max(started, datetime.now(UTC)),
            verdict="mended" if applied else "advised" if diagnoses else "quiet",
            summary=f"{len(diagnoses)} of {found} findings diagnosed, {applied} mends made",
            body=RunbookBody(policy=platform.environment.policies.runbooks, diagnoses=diagnoses),
        )
        return publish(context, platform, report, markdown(report))


def _forgotten(state: HealthState, findings: Sequence[Finding], now: datetime) -> HealthState:
    """Forget tries that are a day old, and those of findings that are gone: they were mended."""
    keys = {finding.key for finding in findings}
    tries = {key: [at for at in found if now - at < WINDOW] for key, found in state.tries.items() if key in keys}
    called = {key: at for key, at in state.called.items() if key in keys}
    return state.model_copy(update={"tries": {key: found for key, found in tries.items() if found}, "called": called})
