"""The stage under Airflow itself: mapping, skipping, what follows a stage that was left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile

# Airflow itself warns about its own libraries.
pytestmark = [pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="session")
def airflow_database() -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()


def dag_run(environment: EnvironmentFile, **conf: Any) -> dict[str, str]:
    """Run the DAG to its end; states by task, mapped ones with what they are named after."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bag = DagBag(str(Path(__file__).parent / "dags"))
    assert not bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    run = bag.dags["stage_alone"].test(run_conf={"environment": environment.name, **conf})
    states = {}
    for instance in run.get_task_instances():
        name = instance.task_id if instance.map_index < 0 else f"{instance.task_id} {instance.rendered_map_index}"
        states[name] = str(instance.state)
    return states


def test_node_groups_are_mapped_by_name_and_a_plan_changes_nothing(
    aws: Aws, airflow_database: None, environment: EnvironmentFile
) -> None:
    zonal = {"workload": "streaming", "instance_types": ["t3.large"], "zonal": True}
    environment.edit(lambda content: content["node_groups"].update(streaming=zonal))
    before = aws.mutating_calls()
    states = dag_run(environment, plan_only=True)
    assert set(states.values()) == {"success"}, states
    mapped = sorted(name.split()[-1] for name in states if ".node_group " in name)
    assert mapped == ["primary", "streaming-1a", "streaming-1b", "streaming-1c"]
    assert aws.mutating_calls() == before


def test_a_stage_left_out_skips_itself_and_what_follows_runs(
    aws: Aws, airflow_database: None, environment: EnvironmentFile
) -> None:
    states = dag_run(environment, stages=["base-services"], plan_only=True)
    ran = {name for name, state in states.items() if state == "success"}
    assert ran == {"acquire", "begin", "after", "release", "infrastructure.node_groups.list"}
    assert {states[name] for name in set(states) - ran} == {"skipped"}
