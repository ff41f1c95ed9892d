"""The life of one platform under ``platform_deploy``. The tests build on each other, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.deploy.conftest import Run, Stack

pytestmark = [
    pytest.mark.timeout(300),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="session")
def planned(stack: Stack) -> Run:
    """Plan only, on an empty account."""
    stack.before_plan = stack.mutating_calls()  # type: ignore[attr-defined]
    return stack.deploy(plan_only=True)


@pytest.fixture(scope="session")
def fresh(stack: Stack, planned: Run) -> Run:
    """The first deploy."""
    return stack.deploy()


def test_plan_of_an_empty_account_creates_everything_and_calls_nothing(stack: Stack, planned: Run) -> None:
    assert planned.state == "success", planned.failed()
    assert stack.mutating_calls() == stack.before_plan  # type: ignore[attr-defined]
    actions = {change["action"] for changes in planned.changes().values() for change in changes}
    assert actions == {"create"}
    assert "infrastructure.cluster" in planned.changes()
    assert "data_layer.kafka.deploy" in planned.changes()


def test_fresh_deploy_runs_all_five_stages(fresh: Run) -> None:
    assert fresh.state == "success", fresh.failed()
    gates = [task for task in fresh.states if task.endswith(".gate")]
    assert len(gates) == 5
    assert {fresh.states[gate] for gate in gates} == {"success"}
    assert fresh.retried == set(), "a first deploy needs no second try"


def test_what_did_not_run_is_skipped_and_what_passed_has_numbers(fresh: Run) -> None:
    checks = {task: state for task, state in fresh.states.items() if ".check_" in task}
    assert len(checks) >= 5
    assert set(checks.values()) <= {"success", "skipped"}
    passed = [task for task, state in checks.items() if state == "success"]
    assert passed, "the checks with the kubectl image run on the rehearsal"
    for task in passed:
        assert fresh.returned[task]["state"] == "passed"
        assert fresh.returned[task]["proved"]


def test_no_turn_at_work_is_spent_waiting(stack: Stack, fresh: Run) -> None:
    """A wait in a worker would be a sleep; what waits is deferred, and the waits of AWS clients' retries are short."""
    assert sum(seconds for seconds, _ in stack.slept) < 5, stack.slept


def test_second_deploy_changes_nothing(stack: Stack, fresh: Run) -> None:
    again = stack.deploy()
    assert again.state == "success", again.failed()
    assert again.changes() == {}


def test_plan_of_a_deployed_platform_is_empty_and_calls_nothing(stack: Stack, fresh: Run) -> None:
    before = stack.mutating_calls()
    planned = stack.deploy(plan_only=True)
    assert planned.state == "success", planned.failed()
    assert planned.changes() == {}
    assert stack.mutating_calls() == before


def test_cleared_task_runs_alone(stack: Stack, fresh: Run) -> None:
    run = stack.deploy(only="data_layer.mongodb.deploy")
    assert run.states["data_layer.mongodb.deploy"] == "success"
    assert run.changes() == {}


def test_edited_component_is_all_that_changes(stack: Stack, fresh: Run) -> None:
    edit(
        stack.include / "manifests/applications/maze",
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 40",
    )
    run = stack.deploy()
    assert run.state == "success", run.failed()
    assert set(run.changes()) == {"applications.maze.deploy"}
    (changed,) = run.changes()["applications.maze.deploy"]
    assert (changed["action"], changed["resource"]) == ("change", "Deployment apps/maze")
    assert changed["fields"] == ["spec.template.spec.terminationGracePeriodSeconds"]


def test_what_was_deleted_by_hand_is_repaired(stack: Stack, fresh: Run) -> None:
    stack.kubectl("delete", "statefulset", "kafka", "-n", "streaming", "--wait=true")
    run = stack.deploy()
    assert run.state == "success", run.failed()
    assert set(run.changes()) == {"data_layer.kafka.deploy"}
    assert [(one["action"], one["resource"]) for one in run.changes()["data_layer.kafka.deploy"]] == [
        ("create", "StatefulSet streaming/kafka")
    ]


def test_partial_stages_leave_the_others_alone(stack: Stack, fresh: Run) -> None:
    run = stack.deploy(stages=["data-layer"])
    assert run.state == "success", run.failed()
    # What node groups are mapped over is listed in every run: a mapping over a skipped task would fail.
    ran = {task for task, state in run.states.items() if state == "success"} - {"infrastructure.node_groups.list"}
    assert {task.split(".")[0] for task in ran} == {
        "preflight",
        "acquire_lease",
        "begin",
        "release_lease",
        "data_layer",
    }


def edit(folder: Path, old: str, new: str) -> None:
    """Replace a text in whichever file of a component has it."""
    touched = 0
    for path in folder.rglob("*.yaml"):
        text = path.read_text()
        if old in text:
            path.write_text(text.replace(old, new))
            touched += 1
    assert touched, f"{old!r} is nowhere in {folder}"
