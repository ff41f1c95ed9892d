"""Judging one platform's size every night, and changing it where the environment lets that happen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.decisions.scale import fleets, group_usage, recommend
from slipway.decisions.scale_limits import ahead, forecasts
from slipway.decisions.scale_policy import permitted
from slipway.decisions.scale_report import markdown
from slipway.model.errors import RefusedError
from slipway.model.platform import Platform
from slipway.model.policies import Policy
from slipway.model.report import Report
from slipway.model.scale import KIND, Recommendation, ScaleBody, ScaleFacts, ScaleState
from slipway.operators.base import FINAL_ERRORS
from slipway.operators.health import member_platform
from slipway.operators.report import publish, report_asset, started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

_KEPT = timedelta(days=8)


class ScaleOperator(BaseOperator):
    """Gathers, judges, forecasts, changes what may be changed, and writes the scale report.

    A change is one ``UpdateNodegroupConfig`` under the platform's lease; its end is EKS's own matter, and nothing waits
    for it.

    :param member: ``environment``, ``region`` and ``problem`` of a platform, as the fleet's list has them.
    """

    template_fields = ("member",)
    ui_color = "#fae8ff"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [report_asset(KIND)])
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> dict[str, Any]:
        """One platform."""
        from slipway.hooks.scale import ScaleHook

        platform = member_platform(self.member)
        policies = platform.environment.policies
        if policies.scale is Policy.OFF:
            raise AirflowSkipException(f"{platform.environment.name} has policies.scale: off")
        started, clock, now = started_at(context), time.monotonic(), datetime.now(UTC)
        hook = ScaleHook(platform)
        try:
            facts = hook.gather(now)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        usage, cheapest, limits = group_usage(facts), fleets(facts), forecasts(facts)
        found = [*recommend(facts, usage, cheapest, now), *ahead(limits)]
        found = self._change(context, platform, facts, found, now)
        body = ScaleBody(
            groups=usage,
            recommendations=found,
            forecasts=limits,
            fleets=cheapest,
            autoscaler=facts.autoscaler,
            nodes=len(facts.nodes),
            pods=facts.pods,
            momentary=facts.momentary,
            calls=dict(hook.calls),
            seconds=round(time.monotonic() - clock, 2),
        )
        applied = sum(one.outcome.startswith("applied") for one in found)
        report = Report[ScaleBody](
            kind=KIND,
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started,
            ended=max(started, datetime.now(UTC)),
            verdict="changed" if applied else "advised" if found else "fits",
            summary=f"{len(found)} recommendations, {applied} applied" if found else "Sizes fit what runs",
            body=body,
            missing=facts.missing,
        )
        for one in found:
            self.log.info("%s %s: %s. %s (%s)", one.advice.value, one.subject, one.why, one.how, one.outcome)
        return publish(context, platform, report, markdown(report))

    def _change(
        self,
        context: Context,
        platform: Platform,
        facts: ScaleFacts,
        found: Sequence[Recommendation],
        now: datetime,
    ) -> list[Recommendation]:
        """Apply what is permitted; every recommendation comes back with what became of it."""
        from slipway.hooks.lease import LeaseHook
        from slipway.hooks.scale_state import ScaleStateHook

        states = ScaleStateHook(platform)
        state = states.read()
        policies, run = platform.environment.policies, context["dag_run"]
        wanted = [one for one in found if permitted(one, facts, policies, state, now)[0]]
        lease = LeaseHook(platform)
        held, refusal = False, ""
        if wanted:
            try:
                lease.acquire(holder=run.run_id, dag_id=run.dag_id)
                held = True
            except RefusedError as error:
                refusal = f"refused: {error.problem.found}"
        try:
            done = []
            for one in found:
                may, why = permitted(one, facts, policies, state, now)
                if may and not held:
                    why = refusal
                elif may and one.resize is not None:
                    # Remembered first: a run that dies in between has used up its change.
                    recent = [(at, change) for at, change in state.changes if now - at < _KEPT]
                    before, state = state, ScaleState(changes=[*recent, (now, one.resize)])
                    states.write(state)
                    why = states.resize(one.resize)
                    if why.startswith("refused"):
                        state = before
                        states.write(state)
                done.append(one.model_copy(update={"outcome": why}))
            return done
        finally:
            if held:
                lease.release(holder=run.run_id, dag_id=run.dag_id)
