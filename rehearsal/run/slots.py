"""How long tasks held worker slots and how long they waited without one, from Airflow's own audit events. Pure."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RUNNING = "running"
DEFERRED = "deferred"
Key = tuple[str, int]


@dataclass(frozen=True)
class Stay:
    """A task in one state for a while; only a running one holds a worker slot."""

    task: Key
    state: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin).total_seconds()


def stays(events: Iterable[Mapping[str, Any]]) -> list[Stay]:
    """The states that task instances went through, from the events of one run (``/eventLogs`` of the API).

    An event says that a task came into a state; the next one about the same task ends it.
    """
    moments: dict[Key, list[tuple[datetime, str]]] = defaultdict(list)
    for event in events:
        if event["task_id"]:
            index = event["map_index"] if event["map_index"] is not None else -1
            moments[event["task_id"], index].append((datetime.fromisoformat(event["when"]), event["event"]))
    return [
        Stay(task, state, begin, end)
        for task, mine in moments.items()
        for (begin, state), (end, _) in itertools.pairwise(sorted(mine))
        if state in (RUNNING, DEFERRED)
    ]


def sentence(found: Iterable[Stay]) -> str:
    """What a run's waits cost in worker slots; empty when nothing waited."""
    found = list(found)
    waits = [stay for stay in found if stay.state == DEFERRED]
    work = [stay for stay in found if stay.state == RUNNING]
    if not waits:
        return ""
    held = [one for one in work for wait in waits if one.task == wait.task and _overlap(one, wait)]
    longest = max(work, key=lambda stay: stay.seconds)
    return (
        f"{len(waits)} waits took {sum(stay.seconds for stay in waits):.0f} s together, "
        f"up to {_at_once(waits)} at once; "
        f"worker slots held while waiting: {len(held)}. At work: up to {_at_once(work)} slots, "
        f"{longest.seconds:.0f} s at the longest ({longest.task[0]})."
    )


def _overlap(one: Stay, other: Stay) -> bool:
    return one.begin < other.end and other.begin < one.end


def _at_once(found: list[Stay]) -> int:
    # Of two at the same moment the end comes first: a slot that is handed on is one slot.
    steps = sorted([(stay.begin, 1) for stay in found] + [(stay.end, -1) for stay in found])
    return max(itertools.accumulate(step for _, step in steps))
