"""A stage's gate: its rollouts still stand, and its checks proved what they promise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.decisions.checks import Expected, StageVerdict, judge_stage, summary
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Readiness, Verdict, awaited, judge
from slipway.model.component import Component, StageName
from slipway.model.platform import Platform
from slipway.operators.base import FINAL_ERRORS, is_plan, platform_of, skip_unless_selected

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess

# Checks may restart what they check; it gets this long to come back.
SETTLING = timedelta(minutes=3)
TRIGGER_MARGIN = timedelta(minutes=2)


class GateOperator(BaseOperator):
    """Ends a stage: green only when every component stands and no check failed or is unaccounted for.

    Skipped checks are counted as not run, never as proven. Returns the summary that it records under
    ``runs/<run id>/stages/<stage>.json``.

    :param stage: the stage.
    :param components: the stage's components.
    """

    ui_color = "#fde68a"

    def __init__(self, *, stage: StageName, components: Sequence[Component], **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", "none_failed")
        super().__init__(**kwargs)
        self.stage = stage
        self.components = list(components)

    def execute(self, context: Context) -> Any:
        """Look at the rollouts, waiting for stragglers without a worker, then judge."""
        from slipway.hooks.kubernetes import EksAccess

        skip_unless_selected(context, self.stage)
        if is_plan(context):
            raise AirflowSkipException("Plan only: nothing was deployed, so there is nothing to prove")
        try:
            platform = platform_of(context)
            access = EksAccess.of(platform)
            endpoint = access.endpoint()
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        now = datetime.now(UTC)
        never, refs, verdict = asyncio.run(self._rollouts(access, endpoint, self._enabled(platform), now))
        if never:
            raise AirflowFailException(
                f"Stage {self.stage.value}: never deployed to {platform.name}: {', '.join(never)}; "
                "clear their deploy tasks"
            )
        if verdict.state is Readiness.PROGRESSING:
            self._wait(endpoint, refs, now)
        return self._conclude(context, platform, verdict.reasons)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Judge, with what became of the stragglers."""
        ready = event["state"] == Readiness.READY.value
        return self._conclude(context, platform_of(context), () if ready else tuple(event["reasons"]))

    def _enabled(self, platform: Platform) -> list[Component]:
        return [item for item in self.components if item.name not in platform.environment.components.disabled]

    async def _rollouts(
        self, access: EksAccess, endpoint: ClusterEndpoint, components: Sequence[Component], now: datetime
    ) -> tuple[list[str], list[ObjectRef], Verdict]:
        """Components that were never deployed, awaited objects of the others, and how these are."""
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.releases import Releases
        from slipway.hooks.rollouts import observe

        async with connect(access, endpoint) as api:
            store = Releases(api)
            releases = await asyncio.gather(*(store.list_releases(item.name) for item in components))
            never = [item.name for item, found in zip(components, releases, strict=True) if not found]
            keys = sorted({key for found in releases if found for key in found[-1].objects})
            refs = awaited(ObjectRef.parse(key) for key in keys)
            return never, refs, judge(await observe(api, refs), now, now + SETTLING, now)

    def _wait(self, endpoint: ClusterEndpoint, refs: Sequence[ObjectRef], now: datetime) -> None:
        from slipway.triggers.component import ComponentReadyTrigger

        self.defer(
            trigger=ComponentReadyTrigger(
                subject=f"stage {self.stage.value}",
                endpoint=endpoint.as_dict(),
                objects=[ref.key for ref in refs],
                since=now.isoformat(),
                deadline=(now + SETTLING).isoformat(),
            ),
            method_name="resume",
            timeout=SETTLING + TRIGGER_MARGIN,
        )

    def _conclude(self, context: Context, platform: Platform, unready: Sequence[str]) -> dict[str, Any]:
        from slipway.hooks.results import ResultsHook

        records = ResultsHook(platform, context["dag_run"].run_id)
        enabled = self._enabled(platform)
        expected = [Expected(item.name, check) for item in enabled for check in item.spec.checks]
        found = {
            (item.component, item.check.name): records.get(self.stage, item.component, item.check.name)
            for item in expected
        }
        verdict = judge_stage(expected, {key: result for key, result in found.items() if result is not None})
        disabled = sorted(item.name for item in self.components if item not in enabled)
        report = {
            "stage": self.stage.value,
            "at": datetime.now(UTC).isoformat(),
            "unready": list(unready),
            "disabled": disabled,
            **summary(verdict),
        }
        report["green"] = verdict.green and not unready
        url = records.put_stage(self.stage, report)
        self._say(verdict, disabled, url)
        if not report["green"]:
            raise AirflowFailException(_complaint(self.stage, verdict, unready))
        return {key: report[key] for key in ("stage", "green", "passed", "skipped", "failed", "disabled")}

    def _say(self, verdict: StageVerdict, disabled: Sequence[str], url: str) -> None:
        for result in verdict.passed:
            numbers = ", ".join(f"{key} {value}" for key, value in result.proved.items())
            self.log.info("proven   %s/%s: %s (%s)", result.component, result.check, result.proves, numbers)
        for result in verdict.skipped:
            self.log.warning("not run  %s/%s: %s", result.component, result.check, result.reason)
        for result in verdict.failed:
            self.log.error("failed   %s/%s: %s", result.component, result.check, result.reason)
        for name in disabled:
            self.log.info("disabled %s", name)
        self.log.info("Stage %s: %s; recorded in %s", self.stage.value, verdict, url)


def _complaint(stage: StageName, verdict: StageVerdict, unready: Sequence[str]) -> str:
    lines = [f"{item.component}/{item.check} failed: {item.reason}" for item in verdict.failed]
    lines += [f"{name} has no result; clear its task to run it" for name in verdict.missing]
    lines += [f"not ready: {reason}" for reason in unready]
    return f"Stage {stage.value} is not green ({verdict}):" + "".join(f"\n  - {line}" for line in lines)
