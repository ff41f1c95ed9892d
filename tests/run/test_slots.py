"""Worker slots and waits come out of Airflow's audit events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal.run.slots import sentence, stays

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def event(seconds: float, task: str | None, name: str, index: int | None = None) -> dict[str, Any]:
    when = (T0 + timedelta(seconds=seconds)).isoformat()
    return {"when": when, "task_id": task, "event": name, "map_index": index}


EVENTS = [
    event(0, None, "trigger"),
    event(1, "cluster", "running"),
    event(3, "cluster", "deferred"),
    event(3, "addons", "running", 0),
    event(4, "addons", "deferred", 0),
    event(13, "cluster", "running"),
    event(14, "cluster", "success"),
    event(20, "addons", "running", 0),
    event(20.5, "addons", "success", 0),
]


def test_a_wait_is_what_lies_between_two_turns_at_work() -> None:
    assert sentence(stays(EVENTS)) == (
        "2 waits took 26 s together, up to 2 at once; worker slots held while waiting: 0. "
        "At work: up to 1 slots, 2 s at the longest (cluster)."
    )


def test_the_order_of_the_answer_does_not_matter() -> None:
    assert sorted(stay.seconds for stay in stays(reversed(EVENTS))) == [0.5, 1, 1, 2, 10, 16]


def test_a_run_without_waits_says_nothing() -> None:
    assert sentence(stays(EVENTS[:2] + EVENTS[5:7])) == ""
