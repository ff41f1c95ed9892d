"""The drift DAG: list the fleet, compare each platform with Git, bring back what the policy allows."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, TriggerRule

from slipway.build.health import fleet_params
from slipway.model.policies import Policy
from slipway.operators.drift import DriftOperator, ReconcileOperator
from slipway.operators.fleet import ListPlatformsOperator

_INDEX = "{{ task.member['environment'] }} {{ task.member['region'] }}"


def drift_params() -> dict[str, Param]:
    """The trigger form."""
    return fleet_params() | {
        "reconcile": Param(
            None,
            type=["null", "string"],
            enum=[None, *(policy.value for policy in Policy)],
            title="Reconcile",
            description="Instead of the environment's policies.drift: off, suggest or auto.",
        ),
        "prune": Param(
            False,
            type="boolean",
            title="Delete what was added",
            description="With auto: also delete objects in the platform's namespaces that somebody added by hand.",
        ),
    }


def build_drift() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    fleet = ListPlatformsOperator(task_id="list_platforms", trace="bucket")
    common: dict[str, Any] = {"map_index_template": _INDEX}
    compared = DriftOperator.partial(task_id="compare", **common).expand(member=fleet.output)
    reconciled = ReconcileOperator.partial(task_id="reconcile", trigger_rule=TriggerRule.NONE_FAILED, **common).expand(
        member=fleet.output
    )
    compared >> reconciled
