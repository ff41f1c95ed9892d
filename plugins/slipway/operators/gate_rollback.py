"""Takes back what a deploy changed in a stage that did not prove itself, where the environment wants that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.components import load_components
from slipway.decisions.gate_rollback import failed_stage, left_alone, still_moving
from slipway.decisions.rollback import Target, before_run, differences, warnings
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import connect
from slipway.hooks.releases import Releases
from slipway.hooks.reports import ReportsHook
from slipway.model.component import Component, StageName
from slipway.model.platform import Platform
from slipway.model.records import Change, Release, ReleaseState
from slipway.model.report import Report
from slipway.model.rollback import GateRollback, WentBack
from slipway.operators.component import Manifests, put
from slipway.operators.converge import Progress
from slipway.operators.proving import OTHERS_LIMIT, Cluster, ProvingOperator, Subject
from slipway.operators.report import started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


@dataclass(frozen=True, slots=True)
class Way:
    """A component on its way back.

    :param to: the release's record and manifests.
    :param there: whether it is what was applied last.
    """

    component: Component
    target: Target
    to: Release
    manifests: Manifests
    there: bool


class RollBackStageOperator(ProvingOperator):
    """Takes the components that this run changed in the failed stage back to their releases before it.

    All of them, not only the one whose check failed: which change broke it is not known, and old and new together
    were never proven. Components that hold data are left, unless the environment's policy includes them. Then it waits
    until they are ready, and runs their checks as the deploy does. The run fails all the same: its gate did.

    Skipped when no stage had begun, and when the policy is off.
    """

    ui_color = "#fef3c7"

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Wait for the stage to stand still, go back, wait until ready, check."""
        states = self._states(context)
        stage, failed = failed_stage(states)
        if stage is None:
            raise AirflowSkipException("No component was deployed by this run: there is nothing to go back from")
        policies = platform.environment.policies
        where = f"include/environments/{platform.environment.name}.yaml"
        if not policies.rollback_on_failed_gate:
            raise AirflowSkipException(
                f"Stage {stage.value} failed ({', '.join(failed)}), and policies.rollback_on_failed_gate is not set in "
                f"{where}: everything stays as it is. platform_rollback goes back by hand"
            )
        if moving := still_moving(states, stage):
            self.log.info("Stage %s still has tasks at work: %s", stage.value, ", ".join(moving))
            self.pause(platform, progress, OTHERS_LIMIT)
        access = EksAccess.of(platform)
        cluster = (access, access.endpoint())
        run = context["dag_run"].run_id
        ways, left = asyncio.run(self._ways(cluster, _components(stage), run, policies.rollback_stateful))
        for name, why in left.items():
            self.log.warning("%s is left as it is: %s", name, why)
        self._go(platform, cluster, ways, run, progress)
        subjects = [Subject(way.component, way.manifests) for way in ways]
        begun = min((float(progress.done[way.component.name]) for way in ways), default=time.time())
        unready = self.settle(platform, cluster, subjects, begun, progress)
        if not unready:
            asyncio.run(_mark_ready(cluster, ways))
        checks = [] if unready else self.prove(platform, cluster, subjects, run, progress)
        return self._conclude(context, platform, GateRollback(
            stage=stage.value,
            failed=failed,
            back=[_went(way) for way in ways],
            left=left,
            unready=unready,
            checks=checks,
        ))  # fmt: skip

    @staticmethod
    def _states(context: Context) -> Mapping[str, str | None]:
        """States of the run's tasks, by id."""
        run = context["dag_run"]
        found = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
        states: Mapping[str, str | None] = found.get(run.run_id) or {}
        return states

    @staticmethod
    async def _ways(
        cluster: Cluster, components: Sequence[Component], run: str, stateful_too: bool
    ) -> tuple[list[Way], dict[str, str]]:
        """Components that the run changed: those that go back, and those that do not, with the reason."""
        ways: list[Way] = []
        left: dict[str, str] = {}
        async with connect(*cluster) as api:
            store = Releases(api)
            for one in components:
                releases = await store.list_releases(one.name)
                try:
                    way = await _way(store, one, releases, run)
                except LookupError as why:
                    left[one.name] = str(why)
                    continue
                if way is None:
                    continue
                if reason := left_alone(one, way.target, stateful_too):
                    left[one.name] = reason
                else:
                    ways.append(way)
        return ways, left

    def _go(self, platform: Platform, cluster: Cluster, ways: Sequence[Way], run: str, progress: Progress) -> None:
        """Apply what is not applied yet, in deploy order."""
        for way in ways:
            name = way.component.name
            if way.there and name in progress.done:
                continue
            self.log.info("%s goes back from release %d to %d", name, way.target.current, way.target.number)
            for warning in way.target.warnings:
                self.log.warning("%s: cannot be undone: %s", name, warning)
            changes, _, _ = put(way.component, platform, way.manifests, cluster, run, datetime.now(UTC))
            progress.changes += changes
            progress.done[name] = str(time.time())

    def _conclude(self, context: Context, platform: Platform, body: GateRollback) -> list[Change]:
        markdown = body.markdown()
        self.log.info("%s", markdown)
        report = Report[GateRollback](
            kind="gate-rollback",
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started_at(context),
            ended=datetime.now(UTC),
            verdict="went-back" if body.back and body.sound else "unsound" if body.back else "left",
            summary=body.summary,
            body=body,
        )
        reference = ReportsHook(platform).write(report, markdown)
        context["ti"].xcom_push(key="report", value=reference.as_xcom())
        if not body.sound:
            raise AirflowFailException(
                f"{body.summary}\nWhat went back is not sound either:\n{markdown}\n"
                "Mend by hand: platform_rollback offers every kept release"
            )
        return []


def _components(stage: StageName) -> list[Component]:
    return [one for one in load_components().values() if one.stage is stage]


async def _way(store: Releases, one: Component, releases: Sequence[Release], run: str) -> Way | None:
    to = before_run(releases, run)
    if to is None:
        return None
    # What failed, also when a try before this one has put the old release on top of it already.
    failed = next(release for release in reversed(releases) if release.digest != to.digest)
    now, then = await store.get_release(one.name, failed.number), await store.get_release(one.name, to.number)
    if now is None or then is None:
        raise LookupError(f"the record of release {to.number} went away meanwhile")
    target = Target(
        component=one.name,
        current=failed.number,
        number=to.number,
        changes=differences(now[1], then[1]),
        warnings=warnings(one, now[1], then[1]),
    )
    return Way(one, target, then[0], then[1], there=releases[-1].digest == to.digest)


async def _mark_ready(cluster: Cluster, ways: Sequence[Way]) -> None:
    """What was seen ready is worth going back to another time."""
    async with connect(*cluster) as api:
        store = Releases(api)
        for way in ways:
            releases = await store.list_releases(way.component.name)
            await store.advance(releases[-1], ReleaseState.READY)


def _went(way: Way) -> WentBack:
    target = way.target
    return WentBack(
        component=target.component,
        failed=target.current,
        number=target.number,
        changes=target.changes,
        warnings=target.warnings,
    )
