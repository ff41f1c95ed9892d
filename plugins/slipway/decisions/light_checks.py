"""Which checks health repeats inside a cluster, how each ended, and what a failed one means.

A few at a time, each about once an hour, so that all of a platform's functions are proven again and again and none is
in its way. A check that failed is run again by every run until it passes. One that could not run says nothing about
its component, and is shown as not run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.decisions.checks import last_words, proof_in
from slipway.decisions.health_limits import finding
from slipway.model.component import Check, Component
from slipway.model.health import Finding, FindingKind
from slipway.model.light_checks import CheckMemory, CheckSeen
from slipway.model.records import CheckState

# From one time that a check passed, or could not run, to the next.
EVERY = timedelta(minutes=55)
# A result as old as that is not held against anybody; what kept it from being renewed is in the report.
STALE = timedelta(hours=3)
# A light check ends within seconds; what takes longer waits for something that it does not find.
LONGEST = timedelta(minutes=3)
# For images to be pulled and a node to be found.
START_ALLOWANCE = timedelta(minutes=1)
# What failed as fast as that is tried once more before anybody hears of it.
FAST = timedelta(minutes=1)
CANNOT_RUN_HERE = 100
NOT_YET = "its turn has not come yet"
_WORDS = 500


@dataclass(frozen=True, slots=True)
class LightCheck:
    """A check of a component that is deployed."""

    component: Component
    check: Check

    @property
    def key(self) -> str:
        """Names it over runs."""
        return f"{self.component.name}/{self.check.name}"

    @property
    def limit(self) -> timedelta:
        """How long its container may run."""
        return min(self.check.timeout, LONGEST)


def light_checks(components: Iterable[Component], deployed: Collection[str]) -> list[LightCheck]:
    """Light checks of what is deployed, in deploy order."""
    return [
        LightCheck(component, check)
        for component in components
        if component.name in deployed
        for check in component.spec.checks
        if check.light
    ]


def due(checks: Sequence[LightCheck], known: Mapping[str, CheckMemory], now: datetime, most: int) -> list[LightCheck]:
    """Whose turn it is: what failed, then what never ran, then what ran longest ago.

    :param most: as many at most.
    """
    ranked: list[tuple[int, datetime, int, LightCheck]] = []
    for index, one in enumerate(checks):
        found = known.get(one.key)
        if found is None or found.at is None:
            ranked.append((1, now, index, one))
        elif found.state is CheckState.FAILED:
            ranked.append((0, found.at, index, one))
        elif now - found.at >= EVERY:
            ranked.append((2, found.at, index, one))
    return [one for *_, one in sorted(ranked, key=lambda entry: entry[:3])][:most]


def remembered(checks: Sequence[LightCheck], known: Mapping[str, CheckMemory]) -> dict[str, CheckMemory]:
    """What is remembered of each light check; what is no longer deployed is forgotten."""
    waiting = {
        one.key: CheckMemory(state=CheckState.SKIPPED, proves=one.check.proves, reason=NOT_YET) for one in checks
    }
    return {key: known.get(key, new) for key, new in waiting.items()}


def outcome(one: LightCheck, pod: Mapping[str, Any] | None, lines: Sequence[str], now: datetime) -> CheckMemory:
    """How a check's pod ended.

    :param pod: as the API shows it; ``None`` when it is gone.
    :param lines: what it printed.
    """

    def ended(state: CheckState, reason: str = "", **more: Any) -> CheckMemory:
        return CheckMemory(state=state, proves=one.check.proves, at=now, reason=reason[:_WORDS], **more)

    if pod is None:
        return ended(CheckState.SKIPPED, "its pod is gone: somebody deleted it, or its node went")
    status = pod.get("status") or {}
    state = _container(status)
    end = state.get("terminated")
    if end is None or status.get("reason") == "DeadlineExceeded":
        begun = _time((end or state.get("running") or {}).get("startedAt"))
        if begun is not None and now - begun >= one.limit:
            return ended(CheckState.FAILED, f"it did not end within {int(one.limit.total_seconds())} s")
        return ended(CheckState.SKIPPED, _not_begun(status, state, begun))
    seconds = _seconds(end)
    match int(end.get("exitCode", 1)):
        case 0:
            proof = proof_in(lines, one.check.name)
            if proof is None:
                reason = f'it ended well without a last line like {{"check":"{one.check.name}", ...}}'
                return ended(CheckState.FAILED, reason, seconds=seconds)
            return ended(CheckState.PASSED, proved=proof, seconds=seconds)
        case code if code == CANNOT_RUN_HERE:
            return ended(CheckState.SKIPPED, last_words(lines) or f"exit code {code}", seconds=seconds)
        case code:
            if status.get("reason") in {"Evicted", "NodeLost", "Shutdown", "Terminated", "Preempting"}:
                return ended(CheckState.SKIPPED, f"its pod was ended: {status['reason']}", seconds=seconds)
            words = " ".join((last_words(lines) or end.get("message") or end.get("reason") or "").split())
            return ended(CheckState.FAILED, f"exit code {code}: {words}", seconds=seconds)


def again(results: Mapping[str, CheckMemory]) -> list[str]:
    """Checks that failed at once, by key: worth a second try before anybody is told."""
    return [
        key
        for key, one in results.items()
        if one.state is CheckState.FAILED and one.seconds is not None and one.seconds <= FAST.total_seconds()
    ]


def seen(known: Mapping[str, CheckMemory]) -> list[CheckSeen]:
    """What is remembered, as a report shows it."""
    found = []
    for key, one in known.items():
        component, _, check = key.partition("/")
        found.append(CheckSeen(component=component, check=check, **one.model_dump()))
    return found


def failed_checks(checks: Iterable[CheckSeen], now: datetime) -> Iterator[Finding]:
    """A finding for each check whose last word is that it failed."""
    for one in checks:
        if one.state is CheckState.FAILED and one.at is not None and now - one.at <= STALE:
            yield finding(
                FindingKind.CHECK_FAILED,
                f"check {one.name}",
                f"{one.reason}; it should show that {one.proves}",
                since=one.at,
                labels={"component": one.component, "check": one.check},
            )


def _container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = status.get("containerStatuses") or [{}]
    state: Mapping[str, Any] = statuses[0].get("state") or {}
    return state


def _not_begun(status: Mapping[str, Any], state: Mapping[str, Any], begun: datetime | None) -> str:
    if begun is not None:
        return "its container started too late to end in time"
    waiting = state.get("waiting") or {}
    if waiting.get("reason"):
        return f"its container did not start: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False" and condition.get("message"):
            return f"its pod found no node: {condition['message']}"
    return "its pod did not start"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _seconds(end: Mapping[str, Any]) -> float | None:
    begun, over = _time(end.get("startedAt")), _time(end.get("finishedAt"))
    return (over - begun).total_seconds() if begun and over else None
