"""Takes back what a deploy changed in a stage that did not prove itself, where the environment wants that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.components import load_components
from slipway.decisions.gate_rollback import failed_stage, left_alone, still_moving
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.light_checks import START_ALLOWANCE, LightCheck
from slipway.decisions.readiness import Readiness, awaited, judge
from slipway.decisions.rollback import Target, before_run, differences, warnings
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.light_checks import LightChecksHook, run_id, selector
from slipway.hooks.releases import Releases
from slipway.hooks.reports import ReportsHook
from slipway.hooks.rollouts import observe
from slipway.model.component import Check, Component, StageName
from slipway.model.light_checks import CheckMemory
from slipway.model.platform import Platform
from slipway.model.records import Change, CheckState, Release, ReleaseState
from slipway.model.report import Report
from slipway.model.rollback import CheckAfter, GateRollback, WentBack
from slipway.operators.component import Manifests, put
from slipway.operators.converge import Progress
from slipway.operators.report import started_at
from slipway.operators.teardown import TeardownOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

Cluster = tuple[EksAccess, ClusterEndpoint]
# Tasks of the stage that have not ended yet are waited for; the longest are rollouts and checks.
OTHERS_LIMIT = timedelta(hours=2)
_ENDED_PODS = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class CheckOfOld(LightCheck):
    """A check of a release that a component went back to, with all the time that a deploy gives it."""

    @property
    def limit(self) -> timedelta:
        """The check's own."""
        return self.check.timeout


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


class RollBackStageOperator(TeardownOperator):
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
        unready = self._await(platform, cluster, ways, progress)
        checks = [] if unready else self._check(platform, cluster, ways, run, progress)
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

    def _await(self, platform: Platform, cluster: Cluster, ways: Sequence[Way], progress: Progress) -> list[str]:
        """Wait until all are ready; the reasons when they do not become so in time."""
        if "ready" in progress.done or not ways:
            return []
        begun = datetime.fromtimestamp(min(float(progress.done[way.component.name]) for way in ways), UTC)
        limit = max(way.component.spec.timeout for way in ways)
        verdict = asyncio.run(_readiness(cluster, ways, begun, begun + limit))
        if verdict.state is Readiness.PROGRESSING:
            self.log.info("Not ready yet: %s", "; ".join(verdict.reasons))
            self.pause(platform, progress, limit + OTHERS_LIMIT)
        if verdict.state is Readiness.READY:
            asyncio.run(_mark_ready(cluster, ways))
            progress.done["ready"] = str(time.time())
            return []
        return list(verdict.reasons)

    def _check(
        self, platform: Platform, cluster: Cluster, ways: Sequence[Way], run: str, progress: Progress
    ) -> list[CheckAfter]:
        """Run the checks of what went back, all at once, as pods; wait for them, and read how they ended."""
        known = [(way, check, _known_then(way, check)) for way in ways for check in way.component.spec.checks]
        checks: list[LightCheck] = [CheckOfOld(way.component, check) for way, check, then in known if then]
        skipped = [
            CheckAfter(
                component=way.component.name,
                check=check.name,
                state=CheckState.SKIPPED,
                reason=f"release {way.target.number} did not have it yet",
            )
            for way, check, then in known
            if not then
        ]
        if not checks:
            return skipped
        label = run_id(run)
        if "checks" not in progress.done:
            problems = asyncio.run(_begin_checks(platform, cluster, checks, label))
            progress.done |= {f"problem of {key}": why for key, why in problems.items()}
            progress.done["checks"] = str(time.time())
        limit = max(one.limit for one in checks) + START_ALLOWANCE
        patient = time.time() - float(progress.done["checks"]) < limit.total_seconds()
        results = asyncio.run(_read_checks(platform, cluster, checks, label, patient))
        if results is None:
            self.pause(platform, progress, limit + OTHERS_LIMIT)
        return skipped + [
            CheckAfter(
                component=one.component.name,
                check=one.check.name,
                state=results[one.key].state,
                reason=progress.done.get(f"problem of {one.key}") or results[one.key].reason,
            )
            for one in checks
        ]

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


async def _readiness(cluster: Cluster, ways: Sequence[Way], since: datetime, deadline: datetime) -> Any:
    refs = awaited(ObjectRef.parse(key) for way in ways for key in way.to.objects)
    async with connect(*cluster) as api:
        return judge(await observe(api, refs), datetime.now(UTC), deadline, since)


async def _mark_ready(cluster: Cluster, ways: Sequence[Way]) -> None:
    """What was seen ready is worth going back to another time."""
    async with connect(*cluster) as api:
        store = Releases(api)
        for way in ways:
            releases = await store.list_releases(way.component.name)
            await store.advance(releases[-1], ReleaseState.READY)


async def _begin_checks(platform: Platform, cluster: Cluster, checks: Sequence[LightCheck], run: str) -> dict[str, str]:
    async with connect(*cluster) as api:
        return await LightChecksHook(platform, api, run).begin(checks, 1)


async def _read_checks(
    platform: Platform, cluster: Cluster, checks: Sequence[LightCheck], run: str, patient: bool
) -> dict[str, CheckMemory] | None:
    """How the checks ended; ``None`` while some have not and there is time."""
    async with connect(*cluster) as api:
        if patient and not await _ended(api, run):
            return None
        return await LightChecksHook(platform, api, run).results(checks, 1, datetime.now(UTC))


async def _ended(api: KubernetesApi, run: str) -> bool:
    pods = await api.items("/api/v1/pods", {"labelSelector": selector(run)})
    return all((pod.get("status") or {}).get("phase") in _ENDED_PODS for pod in pods)


def _went(way: Way) -> WentBack:
    target = way.target
    return WentBack(
        component=target.component,
        failed=target.current,
        number=target.number,
        changes=target.changes,
        warnings=target.warnings,
    )


def _known_then(way: Way, check: Check) -> bool:
    """Whether the release that a component went back to brought the check's script along."""
    if check.script is None:
        return True
    scripts = next((one for one in way.manifests if one["metadata"]["name"] == f"{way.component.name}-checks"), {})
    return PurePosixPath(check.script).name in (scripts.get("data") or {})
