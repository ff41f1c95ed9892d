"""Waiting for what was put back, and running its checks, inside one task and without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from slipway.decisions.inventory import ObjectRef
from slipway.decisions.light_checks import START_ALLOWANCE, LightCheck
from slipway.decisions.readiness import Readiness, Verdict, awaited, judge
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.light_checks import LightChecksHook, run_id, selector
from slipway.hooks.rollouts import observe
from slipway.model.component import Check, Component
from slipway.model.light_checks import CheckMemory
from slipway.model.platform import Platform
from slipway.model.records import CheckState
from slipway.model.rollback import CheckAfter
from slipway.operators.component import Manifests
from slipway.operators.converge import Progress
from slipway.operators.teardown import TeardownOperator

Cluster = tuple[EksAccess, ClusterEndpoint]
# Waits of one task share one deadline, so each is given this beside its own.
OTHERS_LIMIT = timedelta(hours=2)
_ENDED_PODS = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class WholeCheck(LightCheck):
    """A check with all the time that a deploy gives it."""

    @property
    def limit(self) -> timedelta:
        """The check's own."""
        return self.check.timeout


@dataclass(frozen=True, slots=True)
class Subject:
    """A component to be proven.

    :param manifests: what was applied of it, which brings the checks' scripts.
    """

    component: Component
    manifests: Manifests


class ProvingOperator(TeardownOperator):
    """A task that puts components into another state, and ends when that state is proven."""

    def settle(
        self, platform: Platform, cluster: Cluster, subjects: Sequence[Subject], begun: float, progress: Progress
    ) -> list[str]:
        """Wait until all objects are ready; the reasons when they do not become so in time.

        :param begun: Unix time at which they were put back.
        """
        if "ready" in progress.done or not subjects:
            return []
        since = datetime.fromtimestamp(begun, UTC)
        limit = max(one.component.spec.timeout for one in subjects)
        verdict = asyncio.run(_readiness(cluster, subjects, since, since + limit))
        if verdict.state is Readiness.PROGRESSING:
            self.log.info("Not ready yet: %s", "; ".join(verdict.reasons))
            self.pause(platform, progress, limit + OTHERS_LIMIT)
        if verdict.state is Readiness.READY:
            progress.done["ready"] = str(time.time())
            return []
        return list(verdict.reasons)

    def prove(
        self, platform: Platform, cluster: Cluster, subjects: Sequence[Subject], run: str, progress: Progress
    ) -> list[CheckAfter]:
        """Run all checks at once, as pods; wait for them, and read how they ended."""
        known = [
            (one.component, check, _has_script(one, check)) for one in subjects for check in one.component.spec.checks
        ]
        checks: list[LightCheck] = [WholeCheck(component, check) for component, check, there in known if there]
        skipped = [
            CheckAfter(
                component=component.name,
                check=check.name,
                state=CheckState.SKIPPED,
                reason="what was put back did not have it yet",
            )
            for component, check, there in known
            if not there
        ]
        if not checks:
            return skipped
        label = run_id(f"{run} {self.task_id}")
        if "checks" not in progress.done:
            problems = asyncio.run(_begin(platform, cluster, checks, label))
            progress.done |= {f"problem of {key}": why for key, why in problems.items()}
            progress.done["checks"] = str(time.time())
        limit = max(one.limit for one in checks) + START_ALLOWANCE
        patient = time.time() - float(progress.done["checks"]) < limit.total_seconds()
        results = asyncio.run(_read(platform, cluster, checks, label, patient))
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


async def _readiness(cluster: Cluster, subjects: Sequence[Subject], since: datetime, deadline: datetime) -> Verdict:
    refs = awaited(ObjectRef.of(item) for one in subjects for item in one.manifests)
    async with connect(*cluster) as api:
        return judge(await observe(api, refs), datetime.now(UTC), deadline, since)


async def _begin(platform: Platform, cluster: Cluster, checks: Sequence[LightCheck], label: str) -> dict[str, str]:
    async with connect(*cluster) as api:
        return await LightChecksHook(platform, api, label).begin(checks, 1)


async def _read(
    platform: Platform, cluster: Cluster, checks: Sequence[LightCheck], label: str, patient: bool
) -> dict[str, CheckMemory] | None:
    """How the checks ended; ``None`` while some have not and there is time."""
    async with connect(*cluster) as api:
        if patient and not await _ended(api, label):
            return None
        return await LightChecksHook(platform, api, label).results(checks, 1, datetime.now(UTC))


async def _ended(api: KubernetesApi, label: str) -> bool:
    pods = await api.items("/api/v1/pods", {"labelSelector": selector(label)})
    return all((pod.get("status") or {}).get("phase") in _ENDED_PODS for pod in pods)


def _has_script(one: Subject, check: Check) -> bool:
    """Whether what was put back brought the check's script along."""
    if check.script is None:
        return True
    name = f"{one.component.name}-checks"
    scripts = next((item for item in one.manifests if item["metadata"]["name"] == name), {})
    return PurePosixPath(check.script).name in (scripts.get("data") or {})
