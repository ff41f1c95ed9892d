"""The rollback DAG: choose, ask, go back in deploy order, check."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, TaskGroup, TriggerRule, chain, cross_downstream
from airflow.sdk.bases.operator import BaseOperator

from slipway.build.defaults import environment_params
from slipway.build.graph import component_edges, of_stage
from slipway.catalog.components import load_components
from slipway.model.component import StageName
from slipway.operators.approval import CONFIRMATION, ApproveOperator, ConfirmOperator
from slipway.operators.check import CheckOperator
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.operators.rollback import RollbackComponentOperator, SurveyRollbackOperator
from slipway.operators.teardown import TakeLeaseOperator


def rollback_params() -> dict[str, Param]:
    """The trigger form."""
    stages = [stage.value for stage in StageName]
    return environment_params() | {
        "components": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Components",
            description="Names of components; empty for all of the stages.",
        ),
        "stages": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": stages},
            title="Stages",
            description="All components of these stages; neither components nor stages means the whole platform.",
        ),
        "release": Param(
            None,
            type=["null", "integer"],
            title="Release",
            description="Number of a kept release; empty for the last one before the current that was ready.",
        ),
        "plan_only": Param(False, type="boolean", title="Plan only", description="Show the difference and stop."),
        "unattended": Param(
            False, type="boolean", title="Unattended", description="Ask nobody. Refused where protected."
        ),
    }


def build_rollback() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    components = load_components()
    survey = SurveyRollbackOperator(task_id="survey")
    approve = ApproveOperator(task_id="approve", subject="Roll slipway-{{ params.environment }} back?")
    confirm = ConfirmOperator(
        task_id="confirm",
        subject="slipway-{{ params.environment }} is protected: type its name to roll it back",
        params=CONFIRMATION,
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    acquire = TakeLeaseOperator(task_id="acquire_lease", trigger_rule=TriggerRule.NONE_FAILED)
    begin = EmptyOperator(task_id="begin")
    chain(survey, approve, confirm, acquire, begin)
    ends: list[BaseOperator] = []
    before: list[BaseOperator] = [begin]
    for stage in StageName:
        mine = of_stage(components, stage)
        if not mine:
            continue
        with TaskGroup(group_id=stage.group_id):
            backs: dict[str, BaseOperator] = {}
            for name, one in mine.items():
                with TaskGroup(group_id=one.group_id):
                    back = RollbackComponentOperator(
                        task_id="roll_back", component=one, trigger_rule=TriggerRule.NONE_FAILED
                    )
                    # Of a component that was left as it is, checks are skipped along with it.
                    checks: list[BaseOperator] = [
                        CheckOperator(task_id=f"check_{check.name.replace('-', '_')}", component=one, check=check)
                        for check in one.spec.checks
                    ]
                    if checks:
                        back >> checks
                backs[name] = back
                ends += checks or [back]
            for need, name in component_edges(mine):
                backs[need] >> backs[name]
            cross_downstream(before, list(backs.values()))
            before = list(backs.values())
    release = ReleaseLeaseOperator(task_id="release_lease")
    chain(ends, release.as_teardown(setups=acquire, on_failure_fail_dagrun=False))
