"""Teardown's order is deploy's, reversed: held for every pair of parts, through whatever lies between them."""

from __future__ import annotations

import pytest
from slipway.catalog.components import load_components


@pytest.fixture(scope="session")
def deploy(bag):
    """The deploy DAG."""
    return bag.dags["platform_deploy"]


@pytest.fixture(scope="session")
def teardown(bag):
    """The teardown DAG."""
    return bag.dags["platform_teardown"]


def parts() -> dict[str, tuple[str, str]]:
    """What deploy makes and teardown takes: the task that makes it, the task that takes it."""
    infrastructure = {
        "encryption", "network", "identity", "audit", "budget", "cluster", "addons_before_nodes", "addons",
    }  # fmt: skip
    found = {name: (f"infrastructure.{name}",) * 2 for name in infrastructure}
    found["node_groups"] = ("infrastructure.node_groups.node_group", "infrastructure.node_groups")
    for one in load_components().values():
        group = f"{one.stage.group_id}.{one.group_id}"
        found[one.name] = (f"{group}.deploy", group)
    return found


def test_whatever_is_deployed_later_goes_earlier(deploy, teardown) -> None:
    pairs = 0
    known = parts()
    for earlier, (makes_first, takes_last) in known.items():
        after = deploy.get_task(makes_first).get_flat_relative_ids(upstream=False)
        before = teardown.get_task(takes_last).get_flat_relative_ids(upstream=True)
        for later, (makes, takes) in known.items():
            if makes in after:
                pairs += 1
                assert takes in before, f"{later} is deployed after {earlier}, and must go before it"
    assert pairs > 100


def test_every_part_of_the_deploy_is_taken(deploy, teardown) -> None:
    made = {task.task_id for task in deploy.tasks if task.task_id.endswith(".deploy")}
    assert made == {makes for makes, _ in parts().values() if makes.endswith(".deploy")}
    assert {takes for _, takes in parts().values()} <= set(teardown.task_ids)


def test_nothing_goes_before_a_person_approved(teardown) -> None:
    for task in teardown.tasks:
        if task.task_id not in {"survey", "approve", "confirm", "acquire_lease"}:
            upstream = task.get_flat_relative_ids(upstream=True)
            assert {"survey", "approve", "confirm", "acquire_lease"} <= upstream, task.task_id
    for name in ("approve", "confirm"):
        task = teardown.get_task(name)
        assert task.ignore_downstream_trigger_rules, "a rejection must skip everything"
        assert task.response_timeout is not None


def test_load_balancers_and_volumes_go_while_their_controllers_run(teardown) -> None:
    components = {f"{one.stage.group_id}.{one.group_id}" for one in load_components().values()}
    for name in components:
        assert "load_balancers" in teardown.get_task(name).get_flat_relative_ids(upstream=True)
    volumes = teardown.get_task("infrastructure.volumes")
    assert components <= volumes.get_flat_relative_ids(upstream=True)
    assert "infrastructure.addons" in volumes.get_flat_relative_ids(upstream=False)


def test_network_goes_after_what_the_cluster_left_in_it(teardown) -> None:
    upstream = teardown.get_task("infrastructure.network").get_flat_relative_ids(upstream=True)
    assert {"infrastructure.cluster", "infrastructure.left_behind"} <= upstream


def test_the_proof_comes_last_and_whatever_happened(teardown) -> None:
    sweep = teardown.get_task("sweep")
    removing = {task.task_id for task in teardown.tasks if task.task_id not in {"sweep", "release_lease"}}
    assert removing == sweep.get_flat_relative_ids(upstream=True)
    assert sweep.trigger_rule == "all_done"
    ends = [task.task_id for task in teardown.tasks if task.downstream_task_ids <= {"release_lease"}]
    assert sorted(ends) == ["release_lease", "sweep"]
    assert not teardown.get_task("release_lease").on_failure_fail_dagrun
