"""The backup DAG: list the fleet, snapshot each platform's claims, let old backups go."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from slipway.build.health import fleet_params
from slipway.operators.backup import ExpireBackupsOperator, FleetBackupOperator
from slipway.operators.fleet import ListPlatformsOperator

_INDEX = "{{ task.member['environment'] }} {{ task.member['region'] }}"


def backup_params() -> dict[str, Param]:
    """The trigger form."""
    return fleet_params() | {
        "keep_days": Param(14, type="number", minimum=1, title="Keep", description="Days after which a backup may go."),
    }


def build_backup() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    fleet = ListPlatformsOperator(task_id="list_platforms")
    common: dict[str, Any] = {"map_index_template": _INDEX}
    backed_up = FleetBackupOperator.partial(task_id="back_up", **common).expand(member=fleet.output)
    expire = ExpireBackupsOperator.partial(task_id="expire", **common).expand(member=fleet.output)
    backed_up >> expire
