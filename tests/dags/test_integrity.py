"""Every DAG keeps the project's promises, and the deploy is wired as its stage table says."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from slipway.catalog.components import load_components
from slipway.model.component import StageName
from slipway.operators.converge import ConvergingOperator

ROOT = Path(__file__).resolve().parents[2]
DAGS = {
    "platform_nightly_scale",
    "platform_health",
    "platform_backup",
    "platform_deploy",
    "platform_dr_drill",
    "platform_images",
    "platform_drift",
    "platform_nightly_cost",
    "platform_restore",
    "platform_rollback",
    "platform_teardown",
    "platform_upgrade",
}


def tasks(bag) -> Iterator[tuple[object, object]]:
    return ((dag, task) for dag in bag.dags.values() for task in dag.tasks)


def test_files_parse_and_dags_are_the_known_ones(bag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == DAGS
    assert {path.stem for path in (ROOT / "dags").glob("*.py")} == DAGS


def test_every_dag_explains_itself(bag) -> None:
    for dag in bag.dags.values():
        for word in ("**When**", "**Changes**", "**Undo**"):
            assert word in (dag.doc_md or ""), f"{dag.dag_id} does not say {word}"
        assert "slipway" in dag.tags
        assert dag.dagrun_timeout is not None
        assert not dag.catchup


def test_every_task_has_owner_timeout_and_retries(bag) -> None:
    for dag, task in tasks(bag):
        where = f"{dag.dag_id}.{task.task_id}"
        assert task.owner == "platform-team", where
        assert task.execution_timeout is not None, where
        assert task.execution_timeout <= timedelta(hours=1), where
        # Preflight only reads: what it finds wrong, a retry finds wrong again.
        assert task.retries >= 1 or task.task_id == "preflight", where


def test_every_failure_of_every_task_is_judged_and_told_in_one_place(bag) -> None:
    from slipway.operators.failures import FailurePolicy, tell

    for dag, task in tasks(bag):
        where = f"{dag.dag_id}.{task.task_id}"
        assert isinstance(task.retry_policy, FailurePolicy), where
        assert tell in task.on_failure_callback, where
        assert tell in task.on_retry_callback, where


def test_waits_are_deferred(bag) -> None:
    from airflow.sdk.bases.sensor import BaseSensorOperator

    for dag, task in tasks(bag):
        assert not isinstance(task, BaseSensorOperator) or task.deferrable, f"{dag.dag_id}.{task.task_id}"
        # Converging tasks make their requests through the provider and defer to triggers of their own.
        defers = isinstance(task, ConvergingOperator) or getattr(task, "deferrable", True)
        assert defers, f"{dag.dag_id}.{task.task_id} would hold a worker slot"


def test_plugin_loader_leaves_the_package_alone() -> None:
    """The loader stores every file that it runs under its bare name: a ``kubernetes.py`` would replace the client."""
    probe = (
        "from airflow import plugins_manager\n"
        "plugins, errors = plugins_manager._get_plugins()\n"
        "import kubernetes\n"
        "assert not errors, errors\n"
        "assert 'slipway' in {plugin.name for plugin in plugins}\n"
        "assert 'site-packages' in kubernetes.__file__, kubernetes.__file__\n"
    )
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}
    process = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert process.returncode == 0, process.stderr[-2000:]


@pytest.fixture(scope="session")
def deploy(bag):
    """The deploy DAG."""
    return bag.dags["platform_deploy"]


def upstream(deploy, task_id: str) -> set[str]:
    return deploy.get_task(task_id).get_flat_relative_ids(upstream=True)


def test_nothing_changes_before_preflight_and_lease(deploy) -> None:
    for task in deploy.tasks:
        if task.task_id not in {"preflight", "acquire_lease", "begin"}:
            assert {"preflight", "acquire_lease"} <= upstream(deploy, task.task_id), task.task_id


def test_every_stage_waits_for_the_gate_before_it(deploy) -> None:
    stages = [stage.group_id for stage in StageName]
    for before, stage in itertools.pairwise(stages):
        for task in deploy.tasks:
            if task.task_id.startswith(f"{stage}."):
                assert f"{before}.gate" in upstream(deploy, task.task_id), task.task_id


def test_every_gate_waits_for_its_whole_stage(deploy) -> None:
    for stage in StageName:
        inside = {task.task_id for task in deploy.tasks if task.task_id.startswith(f"{stage.group_id}.")}
        gate = f"{stage.group_id}.gate"
        assert upstream(deploy, gate) >= inside - {gate}


def test_components_deploy_after_what_they_need(deploy) -> None:
    components = load_components()
    for component in components.values():
        mine = f"{component.stage.group_id}.{component.group_id}.deploy"
        for need in component.spec.needs:
            needed = components[need]
            assert f"{needed.stage.group_id}.{needed.group_id}.deploy" in upstream(deploy, mine)


def test_every_check_is_a_task_after_its_deploy(deploy) -> None:
    for component in load_components().values():
        group = f"{component.stage.group_id}.{component.group_id}"
        for check in component.spec.checks:
            task_id = f"{group}.check_{check.name.replace('-', '_')}"
            assert f"{group}.deploy" in upstream(deploy, task_id)


def test_lease_is_released_whatever_happens_and_hides_no_failure(deploy) -> None:
    release = deploy.get_task("release_lease")
    assert release.is_teardown
    # With it on, the release would be the run's only leaf, and a failed gate before it would end in a green run.
    assert not release.on_failure_fail_dagrun
    ends = [task.task_id for task in deploy.tasks if task.downstream_task_ids <= {"release_lease"}]
    # Both of the last two decide the run's state: what goes back cannot hide why.
    assert sorted(ends) == ["release_lease", "roll_back", "validation.gate"]
    assert deploy.get_task("acquire_lease").is_setup


def test_networking_comes_before_nodes_and_dns_after(deploy) -> None:
    order = ["network", "cluster", "addons_before_nodes", "node_groups", "addons"]
    infrastructure = [task.task_id for task in deploy.tasks if task.task_id.startswith("infrastructure.")]
    for before, after in itertools.pairwise(order):
        earlier = {name for name in infrastructure if name.split(".")[1] == before}
        later = [name for name in infrastructure if name.split(".")[1] == after]
        assert earlier
        assert later
        assert all(earlier <= upstream(deploy, name) for name in later), (before, after)
