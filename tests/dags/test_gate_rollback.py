"""A failed gate is never hidden by what goes back because of it."""

from __future__ import annotations

import pytest
from slipway.model.component import StageName


@pytest.fixture(scope="session")
def deploy(bag):
    """The deploy DAG."""
    return bag.dags["platform_deploy"]


def test_a_failed_gate_cannot_be_hidden(deploy) -> None:
    """The last gate is a leaf, whose state is the run's: nothing but the ignored release of the lease follows it."""
    last = deploy.get_task(f"{list(StageName)[-1].group_id}.gate")
    assert last.downstream_task_ids == {"release_lease"}
    release = deploy.get_task("release_lease")
    assert release.is_teardown
    assert not release.on_failure_fail_dagrun
    for stage in list(StageName)[:-1]:
        assert last.task_id in deploy.get_task(f"{stage.group_id}.gate").get_flat_relative_ids(upstream=False)


def test_whatever_fails_in_a_stage_starts_the_way_back(deploy) -> None:
    back = deploy.get_task("roll_back")
    # Skipped by the scheduler when nothing failed: it costs a good deploy nothing.
    assert back.trigger_rule == "one_failed"
    upstream = back.get_flat_relative_ids(upstream=True)
    for task in deploy.tasks:
        if "." in task.task_id and task.task_id != f"{list(StageName)[-1].group_id}.gate":
            assert task.task_id in upstream, task.task_id
    assert back.downstream_task_ids == {"release_lease"}, "it works under the run's lease"


def test_a_setup_is_followed_only_by_what_needs_its_success(deploy) -> None:
    for task_id in deploy.get_task("acquire_lease").downstream_task_ids:
        task = deploy.get_task(task_id)
        assert task.trigger_rule == "all_success" or task.is_teardown, task_id
