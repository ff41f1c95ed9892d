"""Repeats light checks inside a cluster before it is judged: a few pods a run, waited for without a worker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from slipway.catalog.components import load_components
from slipway.decisions.light_checks import LightCheck, again, due, light_checks, remembered
from slipway.model.light_checks import Checking, CheckMemory
from slipway.model.platform import Platform
from slipway.model.records import CheckState
from slipway.operators.health import member_platform

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from slipway.hooks.kubernetes import ClusterEndpoint

# Tries of a check that fails at once, within one run.
ROUNDS = 2
# The trigger judges the deadline itself; the framework's own is there for a triggerer that hangs.
_MARGIN = timedelta(minutes=1)
_STATE_TRIES = 3


class LightChecksOperator(BaseOperator):
    """Runs the light checks whose turn it is, and remembers how they ended for the verdict that follows.

    It never fails for what it finds: a failed check is a finding of the health report, one that could not run is shown
    as not run. Nothing is checked while another run changes the platform.

    :param member: as for :class:`~slipway.operators.health.WatchOperator`.
    """

    template_fields = ("member",)
    ui_color = "#dcfce7"

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the pods and defer; or say why there are none."""
        if self.member.get("problem"):
            raise AirflowSkipException("the platform could not be looked at; the task watch says why")
        from slipway.hooks.health_state import HealthStateHook
        from slipway.hooks.kubernetes import ClusterAbsent, EksAccess
        from slipway.hooks.lease import LeaseHook
        from slipway.hooks.light_checks import run_id

        platform = member_platform(self.member)
        most = platform.environment.policies.light_checks
        memory = _Memory(run_id(context["dag_run"].run_id), time.time())
        if not most:
            raise AirflowSkipException(f"{platform.environment.name} has policies.light_checks: 0")
        memory.calls["aws"] += 1
        try:
            endpoint = EksAccess.of(platform).endpoint()
        except ClusterAbsent as absent:
            raise AirflowSkipException(str(absent)) from absent
        memory.calls["s3"] += 1
        if (lease := LeaseHook(platform).read()) is not None:
            return self._end(context, platform, memory, note=f"not while another run is at work: {lease}")
        memory.calls["s3"] += 1
        held = HealthStateHook(platform).read()
        try:
            asyncio.run(self._begin(platform, endpoint, held.state.checks, held.now, most, memory))
        except Exception as error:
            # Whatever it is, the verdict must not wait for it: what is wrong with the platform is found there.
            self.log.warning("no checks", exc_info=True)
            return self._end(context, platform, memory, note=f"could not be begun: {error}")
        if not memory.round_keys:
            return self._end(context, platform, memory)
        return self._wait(endpoint, memory)

    def judge(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Read how the pods ended; what failed at once is tried a second time."""
        from slipway.hooks.kubernetes import EksAccess

        platform = member_platform(self.member)
        memory = _Memory.read(event["memory"])
        memory.calls["kubernetes"] += event["looks"]
        memory.calls["aws"] += 1
        try:
            endpoint = EksAccess.of(platform).endpoint()
            more = asyncio.run(self._read(platform, endpoint, memory))
        except Exception as error:
            self.log.warning("no results", exc_info=True)
            return self._end(context, platform, memory, note=f"results could not be read: {error}")
        return self._wait(endpoint, memory) if more else self._end(context, platform, memory)

    async def _begin(
        self,
        platform: Platform,
        endpoint: ClusterEndpoint,
        known: Mapping[str, CheckMemory],
        now: datetime,
        most: int,
        memory: _Memory,
    ) -> None:
        from slipway.hooks.kubernetes import EksAccess
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.light_checks import LightChecksHook

        async with connect(EksAccess.to(endpoint), endpoint) as api:
            hook = LightChecksHook(platform, api, memory.run)
            try:
                await hook.clear(but=memory.run)
                checks = _of(platform, await hook.deployed())
                memory.all_keys = [one.key for one in checks]
                await self._start(hook, due(checks, known, now, most), memory, now)
            finally:
                memory.calls["kubernetes"] += sum(hook.calls.values())

    async def _start(self, hook: Any, chosen: list[LightCheck], memory: _Memory, now: datetime) -> None:
        problems = await hook.begin(chosen, memory.round)
        for one in chosen:
            if one.key in problems:
                memory.results[one.key] = CheckMemory(
                    state=CheckState.SKIPPED, proves=one.check.proves, at=now, reason=problems[one.key]
                )
        memory.round_keys = [one.key for one in chosen if one.key not in problems]

    async def _read(self, platform: Platform, endpoint: ClusterEndpoint, memory: _Memory) -> bool:
        """Take the results; whether there is a second round to wait for."""
        from slipway.hooks.kubernetes import EksAccess
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.light_checks import LightChecksHook

        async with connect(EksAccess.to(endpoint), endpoint) as api:
            hook = LightChecksHook(platform, api, memory.run)
            try:
                begun = [one for one in _of(platform, set(load_components())) if one.key in memory.round_keys]
                results = await hook.results(begun, memory.round, datetime.now(UTC))
                memory.results |= results
                for key, lines in hook.said.items():
                    self.log.info("%s printed:\n%s", key, "\n".join(lines) or "nothing")
                retried = set(again(results))
                if memory.round >= ROUNDS or not retried:
                    return False
                for key in sorted(retried):
                    self.log.info("%s is tried once more: %s", key, results[key].reason)
                memory.round += 1
                await self._start(hook, [one for one in begun if one.key in retried], memory, datetime.now(UTC))
                return bool(memory.round_keys)
            finally:
                memory.calls["kubernetes"] += sum(hook.calls.values())

    def _wait(self, endpoint: ClusterEndpoint, memory: _Memory) -> dict[str, Any]:
        from slipway.hooks.light_checks import selector, wait_limit
        from slipway.triggers.light_checks import PodsEndedTrigger

        limit = timedelta(seconds=wait_limit())
        trigger = PodsEndedTrigger(
            endpoint=endpoint.as_dict(),
            selector=selector(memory.run),
            deadline=(datetime.now(UTC) + limit).isoformat(),
            memory=memory.as_event(),
        )
        self.defer(trigger=trigger, method_name="judge", timeout=limit + _MARGIN)

    def _end(self, context: Context, platform: Platform, memory: _Memory, note: str = "") -> dict[str, Any]:
        """Remember the results; returns how many checks ended in which way."""
        from slipway.hooks.health_state import HealthStateHook, StateLostError

        states = HealthStateHook(platform)
        checks = _of(platform, set(memory.all_keys), by_key=True)
        # Reading and writing, as often as it takes at most; the report counts them with its own.
        memory.calls["s3"] += 2
        checking = Checking(
            run_id=context["dag_run"].run_id,
            ran=len(memory.results),
            note=note,
            calls=dict(memory.calls),
            seconds=round(time.time() - memory.began, 2),
        )
        for attempt in range(1, _STATE_TRIES + 1):
            held = states.read()
            known = held.state.checks
            if memory.all_keys:
                known = remembered(checks, {**known, **memory.results})
            try:
                states.write(held.state.model_copy(update={"checks": known, "checking": checking}), held)
                break
            except StateLostError:
                if attempt == _STATE_TRIES:
                    raise
        for key, one in memory.results.items():
            self.log.info("%s %s%s", key, one.state.value, f": {one.reason}" if one.reason else f" {one.proved}")
        if note:
            self.log.warning("Light checks: %s", note)
        return {state.value: sum(one.state is state for one in memory.results.values()) for state in CheckState}


class _Memory:
    """What the task knows, before and after a wait."""

    def __init__(self, run: str, began: float) -> None:
        self.run = run
        self.began = began
        self.round = 1
        self.round_keys: list[str] = []
        self.all_keys: list[str] = []
        self.results: dict[str, CheckMemory] = {}
        self.calls: Counter[str] = Counter()

    def as_event(self) -> dict[str, Any]:
        """Plain JSON, for the trigger."""
        results = {key: one.model_dump(mode="json") for key, one in self.results.items()}
        return {**vars(self), "results": results, "calls": dict(self.calls)}

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> _Memory:
        """What came back with the trigger's event."""
        memory = cls(event["run"], event["began"])
        memory.round, memory.round_keys, memory.all_keys = event["round"], event["round_keys"], event["all_keys"]
        memory.results = {key: CheckMemory.model_validate(one) for key, one in event["results"].items()}
        memory.calls = Counter(event["calls"])
        return memory


def _of(platform: Platform, names: set[str], *, by_key: bool = False) -> list[LightCheck]:
    """Light checks of the components named, or with the keys named, that the environment does not leave out."""
    components = load_components().values()
    wanted = {key.partition("/")[0] for key in names} if by_key else names
    found = light_checks(components, wanted - set(platform.environment.components.disabled))
    return [one for one in found if not by_key or one.key in names]
