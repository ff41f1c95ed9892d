"""The infrastructure stage alone, with its lease and something that follows."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule
from slipway.build.infrastructure import build
from slipway.operators.lease import AcquireLeaseOperator, ReleaseLeaseOperator

with DAG(
    dag_id="stage_alone",
    schedule=None,
    params={
        "environment": Param("dev", type="string"),
        "region": Param(None, type=["null", "string"]),
        "stages": Param(None, type=["null", "array"]),
        "plan_only": Param(False, type="boolean"),
        "approve": Param([], type="array"),
    },
):
    acquire = AcquireLeaseOperator(task_id="acquire")
    begin = EmptyOperator(task_id="begin")
    stage = build()
    after = EmptyOperator(task_id="after", trigger_rule=TriggerRule.NONE_FAILED)
    release = ReleaseLeaseOperator(task_id="release")
    acquire >> begin >> stage.first
    stage.last >> after
    after >> release.as_teardown(setups=acquire)
