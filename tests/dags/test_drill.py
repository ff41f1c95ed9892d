"""A drill is taken down whatever becomes of it, and only what it has begun itself."""

from __future__ import annotations

import pytest
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator


@pytest.fixture(scope="session")
def drill(bag):
    """The drill DAG."""
    return bag.dags["platform_dr_drill"]


def test_only_what_was_begun_is_taken_down_and_then_always(drill) -> None:
    down = drill.get_task("take_down")
    assert down.is_teardown
    assert down.on_failure_fail_dagrun, "a platform that is left over costs money"
    assert drill.get_task("order").is_setup
    assert {task.task_id for task in drill.tasks if task.is_setup} == {"order"}
    begun = drill.get_task("order").get_flat_relative_ids(upstream=False)
    assert {"rebuild", "restore", "prove", "compare"} <= down.get_flat_relative_ids(upstream=True) & begun


def test_a_setup_is_followed_only_by_what_needs_its_success(drill) -> None:
    for task_id in drill.get_task("order").downstream_task_ids:
        task = drill.get_task(task_id)
        assert task.trigger_rule == "all_success" or task.is_teardown


def test_the_report_comes_last_and_decides(drill) -> None:
    report = drill.get_task("report")
    assert report.trigger_rule == "all_done"
    assert report.downstream_task_ids == set()
    assert {task.task_id for task in drill.tasks} - {"report"} == report.get_flat_relative_ids(upstream=True)


def test_nothing_is_rebuilt_before_it_was_allowed(drill) -> None:
    for task_id in ("order", "rebuild", "restore", "prove"):
        assert {"survey", "approve"} <= drill.get_task(task_id).get_flat_relative_ids(upstream=True)
    assert drill.get_task("approve").ignore_downstream_trigger_rules


def test_other_runs_are_waited_for_without_a_worker_and_are_of_the_drills_platform(drill) -> None:
    runs = [task for task in drill.tasks if isinstance(task, TriggerDagRunOperator)]
    assert [task.trigger_dag_id for task in runs] == [
        "platform_deploy", "platform_restore", "platform_deploy", "platform_teardown",
    ]  # fmt: skip
    for task in runs:
        assert task.deferrable
        assert task.wait_for_completion
        # The survey's, which are the derived ones: never those of the form, which are the original's.
        assert task.conf["environment"] == "{{ ti.xcom_pull('survey')['environment'] }}"
        assert task.conf["region"] == "{{ ti.xcom_pull('survey')['region'] }}"
        assert task.trigger_run_id.startswith("{{ run_id }}--")
