"""The disaster recovery drill: other DAGs in a row, with a question before them and a report after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, TriggerRule, chain

from slipway.build.defaults import environment_params
from slipway.catalog.environments import environment_names
from slipway.model.component import StageName
from slipway.operators.drill import (
    ApproveDrillOperator,
    CompareDrillOperator,
    OrderDrillOperator,
    ReportDrillOperator,
    SurveyDrillOperator,
)
from slipway.operators.restore import DEFAULT_COMPONENTS

# Seconds between looks at a run that takes minutes to hours.
LOOK_EVERY = 15
# Data comes back before what uses it is deployed, so that nothing is written to disks that are then replaced.
_BEFORE_DATA = (StageName.INFRASTRUCTURE, StageName.BASE_SERVICES)
_WITH_DATA = tuple(stage for stage in StageName if stage not in _BEFORE_DATA)


def drill_params() -> dict[str, Param]:
    """The trigger form."""
    names = environment_names()
    known = environment_params()
    return {
        "environment": Param(
            "dev" if "dev" in names else names[0],
            type="string",
            enum=names,
            title="Environment",
            description="The original. It is only read.",
        ),
        "region": known["region"],
        "to_region": Param(
            None,
            type=["null", "string"],
            pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
            title="Rebuild in",
            description="Region to rebuild it in; empty for `recovery_region` of its file, else its last region.",
        ),
        "components": Param(
            list(DEFAULT_COMPONENTS),
            type=["null", "array"],
            items={"type": "string"},
            title="Components",
            description="Components whose data is restored.",
        ),
        "hours": Param(
            4, type="number", exclusiveMinimum=0, title="Hours", description="How long it may stand, for the estimate."
        ),
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Say what it would do and cost, and stop."
        ),
    }


def build_drill() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    survey = SurveyDrillOperator(task_id="survey")
    approve = ApproveDrillOperator(
        task_id="approve",
        subject="Rebuild slipway-{{ params.environment }} elsewhere, as a drill?",
        doc_md="Asks where the environment is protected.",
    )
    order = OrderDrillOperator(task_id="order")
    rebuild = _run("rebuild", "platform_deploy", stages=_values(_BEFORE_DATA))
    restore = _run(
        "restore",
        "platform_restore",
        components=_surveyed("components"),
        source=_surveyed("source"),
        source_region=_surveyed("source_region"),
        unattended=True,
    )
    prove = _run("prove", "platform_deploy", stages=_values(_WITH_DATA))
    compare = CompareDrillOperator(task_id="compare")
    take_down = _run("take_down", "platform_teardown", keep=[], unattended=True)
    # Whatever became of the drill; but only of one that began, since before that the name may be somebody else's.
    take_down.as_teardown(setups=order, on_failure_fail_dagrun=True)
    report = ReportDrillOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)
    chain(survey, approve, order, rebuild, restore, prove, compare, take_down, report)


def _run(task_id: str, dag_id: str, **conf: Any) -> TriggerDagRunOperator:
    """Run another DAG for the drill's platform, and wait for it without a worker.

    A retry runs the same run again, which goes on where it stopped.
    """
    return TriggerDagRunOperator(
        task_id=task_id,
        trigger_dag_id=dag_id,
        trigger_run_id="{{ run_id }}--" + task_id,
        conf={"environment": _surveyed("environment"), "region": _surveyed("region"), **conf},
        logical_date=None,
        reset_dag_run=True,
        wait_for_completion=True,
        poke_interval=LOOK_EVERY,
        fail_when_dag_is_paused=True,
        deferrable=True,
        retries=1,
    )


def _surveyed(name: str) -> str:
    return "{{ ti.xcom_pull('survey')['" + name + "'] }}"


def _values(stages: Sequence[StageName]) -> list[str]:
    return [stage.value for stage in stages]
