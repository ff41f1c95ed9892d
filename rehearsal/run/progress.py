"""From task instances to what a person wants to know: per stage, what is done, what runs, what failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

CHECK_PREFIX = "check_"


class Outcome(StrEnum):
    """What became of a task, in the few words a summary needs."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    SKIPPED = "skipped"
    FAILED = "failed"
    BLOCKED = "blocked"


# Airflow's task states; None is a task that nothing has happened to yet.
OUTCOMES: Mapping[str | None, Outcome] = {
    None: Outcome.WAITING,
    "none": Outcome.WAITING,
    "scheduled": Outcome.WAITING,
    "queued": Outcome.WAITING,
    "up_for_retry": Outcome.WAITING,
    "up_for_reschedule": Outcome.RUNNING,
    "restarting": Outcome.RUNNING,
    "running": Outcome.RUNNING,
    "deferred": Outcome.RUNNING,
    "awaiting_input": Outcome.RUNNING,
    "success": Outcome.PASSED,
    "skipped": Outcome.SKIPPED,
    "failed": Outcome.FAILED,
    "upstream_failed": Outcome.BLOCKED,
    "removed": Outcome.SKIPPED,
}

ENDED = frozenset({Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED, Outcome.BLOCKED})


@dataclass(frozen=True)
class Task:
    """One task of the run as last seen."""

    task_id: str
    state: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    attempt: int = 0
    map_index: int = -1

    @property
    def stage(self) -> str:
        """First part of the id: the stage's task group, or the task itself where it stands outside of them."""
        return self.task_id.split(".", 1)[0]

    @property
    def label(self) -> str:
        """The id without its stage, as in `kafka.check_round-trip`."""
        name = self.task_id.partition(".")[2] or self.task_id
        return name if self.map_index < 0 else f"{name}[{self.map_index}]"

    @property
    def is_check(self) -> bool:
        """Whether the task is one of the checks that prove a stage."""
        return self.task_id.rsplit(".", 1)[-1].startswith(CHECK_PREFIX)

    @property
    def outcome(self) -> Outcome:
        """The state in a summary's words; a state unknown here counts as running, never as passed."""
        return OUTCOMES.get(self.state, Outcome.RUNNING)

    def seconds(self, now: datetime) -> float | None:
        """Seconds from its first start until its end, or until `now`; None before it started."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or now) - self.started).total_seconds())


@dataclass(frozen=True)
class Stage:
    """The tasks of one stage."""

    name: str
    tasks: tuple[Task, ...]

    @property
    def is_group(self) -> bool:
        """Whether it is a task group; False for a task that stands alone, such as a preflight."""
        return any("." in task.task_id for task in self.tasks)

    def count(self, outcome: Outcome, *, checks: bool | None = None) -> int:
        """Tasks with this outcome: all, checks only (True) or others only (False)."""
        return sum(task.outcome is outcome for task in self.tasks if checks is None or task.is_check is checks)

    @property
    def done(self) -> int:
        """Tasks that have ended, in whatever way."""
        return sum(task.outcome in ENDED for task in self.tasks)

    @property
    def outcome(self) -> Outcome:
        """The stage as a whole: one failure fails it, and only a passed task can make it pass."""
        found = {task.outcome for task in self.tasks}
        if Outcome.FAILED in found:
            return Outcome.FAILED
        if Outcome.RUNNING in found:
            return Outcome.RUNNING
        if Outcome.WAITING in found:
            return Outcome.RUNNING if found - {Outcome.WAITING} else Outcome.WAITING
        if Outcome.BLOCKED in found:
            return Outcome.BLOCKED
        return Outcome.PASSED if Outcome.PASSED in found else Outcome.SKIPPED

    def seconds(self, now: datetime) -> float | None:
        """Wall time from the first start to the last end, or to `now` while something runs."""
        starts = [task.started for task in self.tasks if task.started]
        if not starts:
            return None
        ends = [task.ended for task in self.tasks if task.ended]
        end = now if self.outcome is Outcome.RUNNING or not ends else max(ends)
        return max(0.0, (end - min(starts)).total_seconds())

    def running(self) -> list[Task]:
        """Tasks at work, the longest running first."""
        at_work = [(task.started, task) for task in self.tasks if task.outcome is Outcome.RUNNING and task.started]
        return [task for _, task in sorted(at_work, key=lambda pair: pair[0])]


@dataclass
class Progress:
    """What is known of a run; fed with answers of the API, asked for stages."""

    order: Sequence[str] = ()
    """Task ids in the order they run, which orders the stages."""
    only: frozenset[str] = frozenset()
    """Stages that were asked for; the others are left out of everything. Empty: all."""
    _tasks: dict[tuple[str, int], Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with every known task as waiting, so that totals are right from the start."""
        for task_id in self.order:
            self._tasks[task_id, -1] = Task(task_id)

    def update(self, instances: Iterable[Mapping[str, Any]]) -> list[Task]:
        """Take in task instances as the API shows them; returns the tasks whose state changed."""
        changed = []
        for instance in instances:
            task = read_task(instance)
            key = (task.task_id, task.map_index)
            before = self._tasks.get(key)
            if task.map_index >= 0:
                self._tasks.pop((task.task_id, -1), None)
            self._tasks[key] = task
            if self._wanted(task) and (before is None or before.state != task.state):
                changed.append(task)
        return changed

    def tasks(self) -> list[Task]:
        """All tasks, in order."""
        place = {task_id: number for number, task_id in enumerate(self.order)}
        last = len(place)
        return sorted(self._tasks.values(), key=lambda task: (place.get(task.task_id, last), task.map_index))

    def stages(self) -> list[Stage]:
        """Stages in the order of their first task, without those that were not asked for."""
        groups: dict[str, list[Task]] = {}
        for task in self.tasks():
            if self._wanted(task):
                groups.setdefault(task.stage, []).append(task)
        return [Stage(name, tuple(tasks)) for name, tasks in groups.items()]

    def left_out(self) -> list[str]:
        """Names of the stages that were not asked for."""
        return list(dict.fromkeys(task.stage for task in self.tasks() if not self._wanted(task)))

    def _wanted(self, task: Task) -> bool:
        return not self.only or "." not in task.task_id or task.stage in self.only

    def failed(self) -> list[Task]:
        """Tasks that failed by themselves, not those that only wait for them."""
        return [task for task in self.tasks() if task.outcome is Outcome.FAILED]


def read_task(instance: Mapping[str, Any]) -> Task:
    """One task instance of the API's answer."""
    outcome = OUTCOMES.get(instance["state"])
    return Task(
        task_id=instance["task_id"],
        state=instance["state"],
        # Airflow also stamps what it never started because something before it failed.
        started=None if outcome is Outcome.BLOCKED else _moment(instance.get("start_date")),
        ended=_moment(instance.get("end_date")) if outcome in ENDED else None,
        attempt=instance.get("try_number") or 0,
        map_index=instance.get("map_index", -1),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
