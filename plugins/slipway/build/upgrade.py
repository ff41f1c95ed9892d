"""The upgrade DAG: readiness, plan and approval, control plane, bake, then the rest; or the way back."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, TaskGroup, TriggerRule, chain
from airflow.sdk.bases.operator import BaseOperator

from slipway.build.defaults import environment_params
from slipway.build.graph import of_stage
from slipway.catalog.components import load_components
from slipway.model.component import StageName
from slipway.model.environment import AddonPhase
from slipway.operators.addon import AddonsOperator
from slipway.operators.approval import CONFIRMATION, ApproveOperator, ConfirmOperator
from slipway.operators.check import CheckOperator
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.operators.teardown import TakeLeaseOperator
from slipway.operators.upgrade import (
    BakeOperator,
    GoOnOperator,
    ReportUpgradeOperator,
    SurveyUpgradeOperator,
    UpgradeNodeGroupsOperator,
    VersionOperator,
)

COMMON: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_FAILED}


def upgrade_params() -> dict[str, Param]:
    """The trigger form."""
    return environment_params() | {
        "version": Param(
            None,
            type=["null", "string"],
            pattern=r"^1\.\d{2}$",
            title="Version",
            description="The next minor version; empty for the one after the cluster's.",
        ),
        "bake_minutes": Param(
            30, type="number", minimum=0, maximum=10080, title="Bake",
            description="Minutes to watch health on the new control plane before add-ons and nodes follow.",
        ),
        "plan_only": Param(False, type="boolean", title="Plan only", description="Judge readiness, plan and stop."),
        "unattended": Param(
            False, type="boolean", title="Unattended", description="Ask nobody. Refused where protected."
        ),
    }  # fmt: skip


def build_upgrade() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    survey = SurveyUpgradeOperator(task_id="survey", retries=1)
    approve = ApproveOperator(task_id="approve", subject="Upgrade Kubernetes of slipway-{{ params.environment }}?")
    confirm = ConfirmOperator(
        task_id="confirm",
        subject="slipway-{{ params.environment }} is protected: type its name to upgrade it",
        params=CONFIRMATION,
        **COMMON,
    )
    acquire = TakeLeaseOperator(task_id="acquire_lease", **COMMON)
    begin = EmptyOperator(task_id="begin")
    control_plane = VersionOperator(task_id="control_plane")
    bake = BakeOperator(task_id="bake")
    back = VersionOperator(task_id="control_plane_back", back=True)
    # It speaks also when the way back failed: then the cluster needs a person.
    go_on = GoOnOperator(task_id="go_on", **COMMON)
    addons = [
        AddonsOperator(task_id=f"addons_{phase.name.lower()}", phase=phase)
        for phase in (AddonPhase.BEFORE_NODES, AddonPhase.AFTER_NODES)
    ]
    nodes = UpgradeNodeGroupsOperator(task_id="node_groups")
    validation = _validation()
    report = ReportUpgradeOperator(task_id="baseline", **COMMON)
    chain(survey, approve, confirm, acquire, begin, control_plane, bake, back, go_on, *addons, nodes)
    chain(nodes, validation, report) if validation else chain(nodes, report)
    release = ReleaseLeaseOperator(task_id="release_lease")
    chain(report, release.as_teardown(setups=acquire, on_failure_fail_dagrun=False))


def _validation() -> TaskGroup | None:
    """The checks of the stage that proves a platform end to end."""
    mine = of_stage(load_components(), StageName.VALIDATION)
    tasks: list[BaseOperator] = []
    with TaskGroup(group_id=StageName.VALIDATION.group_id) as group:
        for one in mine.values():
            for check in one.spec.checks:
                name = f"{one.group_id}_{check.name.replace('-', '_')}"
                tasks.append(CheckOperator(task_id=name, component=one, check=check))
    return group if tasks else None
