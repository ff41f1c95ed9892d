"""Stages, checks and times come out of task instances as people understand them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.utils.state import TaskInstanceState

from rehearsal.run.progress import OUTCOMES, Outcome, Progress, Stage, Task

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def instance(
    task_id: str, state: str | None, start: float | None = None, end: float | None = None, **more: Any
) -> dict[str, Any]:
    """A task instance as the API shows it, with times in seconds after `T0`."""

    def moment(seconds: float | None) -> str | None:
        return None if seconds is None else (T0 + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    return {
        "task_id": task_id, "state": state, "start_date": moment(start), "end_date": moment(end),
        "try_number": 1, "map_index": -1, **more,
    }  # fmt: skip


ORDER = [
    "preflight",
    "infrastructure.vpc.deploy",
    "infrastructure.gate",
    "data_layer.kafka.deploy",
    "data_layer.kafka.check_round-trip",
]


def test_stages_appear_in_the_order_of_the_graph_before_anything_ran() -> None:
    stages = Progress(ORDER).stages()
    assert [stage.name for stage in stages] == ["preflight", "infrastructure", "data_layer"]
    assert {stage.outcome for stage in stages} == {Outcome.WAITING}
    assert [stage.is_group for stage in stages] == [False, True, True]
    assert stages[1].seconds(T0) is None


def test_every_state_of_airflow_has_an_outcome() -> None:
    assert {state.value for state in TaskInstanceState} <= set(OUTCOMES)


def test_a_state_nobody_thought_of_never_counts_as_passed() -> None:
    assert Task("a.b", "brand_new_state").outcome is Outcome.RUNNING


def test_update_reports_only_what_changed() -> None:
    progress = Progress(ORDER)
    first = [instance("infrastructure.vpc.deploy", "running", 0), instance("infrastructure.gate", None)]
    assert [task.task_id for task in progress.update(first)] == ["infrastructure.vpc.deploy"]
    assert progress.update(first) == []


def test_a_task_is_named_within_its_stage() -> None:
    task = Task("data_layer.kafka.check_round-trip")
    assert (task.stage, task.label, task.is_check) == ("data_layer", "kafka.check_round-trip", True)
    assert (Task("preflight").stage, Task("preflight").label) == ("preflight", "preflight")
    assert Task("a.b", map_index=3).label == "b[3]"


def test_mapped_instances_replace_the_task_they_come_from() -> None:
    progress = Progress(["a.many"])
    progress.update([instance("a.many", "success", 0, 1, map_index=n) for n in (0, 1)])
    assert [task.label for task in progress.tasks()] == ["many[0]", "many[1]"]


def test_time_runs_until_the_end_and_not_from_an_earlier_end() -> None:
    progress = Progress()
    progress.update([instance("a.b", "running", 0)])
    assert progress.tasks()[0].seconds(T0 + timedelta(seconds=9)) == 9
    # Airflow keeps the end of the last attempt in a task that waits for its next one.
    progress.update([instance("a.b", "deferred", 0, 2)])
    assert progress.tasks()[0].seconds(T0 + timedelta(seconds=9)) == 9
    progress.update([instance("a.b", "success", 0, 5)])
    assert progress.tasks()[0].seconds(T0 + timedelta(seconds=9)) == 5


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["success", "success"], Outcome.PASSED),
        (["success", "skipped"], Outcome.PASSED),
        (["skipped", "skipped"], Outcome.SKIPPED),
        (["success", None], Outcome.RUNNING),
        ([None, None], Outcome.WAITING),
        (["success", "failed", "running"], Outcome.FAILED),
        (["upstream_failed", "upstream_failed"], Outcome.BLOCKED),
        (["success", "upstream_failed"], Outcome.BLOCKED),
        (["up_for_retry", "success"], Outcome.RUNNING),
    ],
)
def test_a_stage_is_what_its_tasks_make_it(states: list[str | None], expected: Outcome) -> None:
    stage = Stage("s", tuple(Task(f"s.t{number}", state) for number, state in enumerate(states)))
    assert stage.outcome is expected


def test_a_stage_lasts_from_its_first_start_to_its_last_end() -> None:
    progress = Progress()
    progress.update([instance("a.x", "success", 0, 4), instance("a.y", "success", 2, 10)])
    later = T0 + timedelta(minutes=5)
    assert progress.stages()[0].seconds(later) == 10
    progress.update([instance("a.z", "running", 11)])
    assert progress.stages()[0].seconds(later) == 300


def test_checks_are_counted_apart_from_other_tasks() -> None:
    progress = Progress()
    progress.update(
        [
            instance("a.k.deploy", "success", 0, 1),
            instance("a.k.check_one", "success", 1, 2),
            instance("a.k.check_two", "skipped", 1, 2),
            instance("a.k.check_three", "failed", 1, 2),
        ]
    )
    stage = progress.stages()[0]
    assert [stage.count(outcome, checks=True) for outcome in (Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED)] == [
        1,
        1,
        1,
    ]
    assert stage.count(Outcome.PASSED) == 2
    assert stage.done == 4


def test_the_longest_running_task_comes_first() -> None:
    progress = Progress()
    progress.update([instance("a.x", "running", 5), instance("a.y", "deferred", 1), instance("a.z", "success", 0, 1)])
    assert [task.label for task in progress.stages()[0].running()] == ["y", "x"]


def test_only_tasks_that_failed_themselves_are_failures() -> None:
    progress = Progress()
    progress.update([instance("a.x", "failed", 0, 1), instance("a.y", "upstream_failed")])
    assert [task.task_id for task in progress.failed()] == ["a.x"]


def test_what_was_never_started_took_no_time() -> None:
    progress = Progress()
    progress.update([instance("a.x", "upstream_failed", 3, 3)])
    assert progress.stages()[0].seconds(T0) is None
