"""The nightly scale DAG: list the fleet, judge each platform's size."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from slipway.operators.fleet import ListPlatformsOperator
from slipway.operators.scale import ScaleOperator

_COMMON: dict[str, Any] = {
    "retries": 1,
    "retry_delay": timedelta(minutes=2),
    "execution_timeout": timedelta(minutes=15),
}
_INDEX = "{{ task.member['environment'] }} {{ task.member['region'] }}"


def build_scale() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    fleet = ListPlatformsOperator(task_id="list_platforms", trace="cluster", **_COMMON)
    ScaleOperator.partial(task_id="judge_size", map_index_template=_INDEX, **_COMMON).expand(member=fleet.output)
