"""A stage that has no components is still a stage: its gate comes after the gate before it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from airflow.sdk import DAG
from slipway.build import deploy
from slipway.model.component import StageName


def test_gate_of_an_empty_stage_waits_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "load_components", dict)
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
        deploy.build_deploy()
    stages = list(StageName)
    for before, stage in itertools.pairwise(stages):
        assert f"{before.group_id}.gate" in dag.get_task(f"{stage.group_id}.gate").upstream_task_ids
