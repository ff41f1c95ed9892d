"""Runs an operator the way Airflow does: when it defers, its trigger waits and its method is called with the event."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string


@dataclass
class DagRun:
    """The little that operators ask of a DAG run."""

    run_id: str = "manual__1"
    dag_id: str = "platform_deploy"


@dataclass
class TaskInstance:
    """Keeps what operators push."""

    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def context(run_id: str = "manual__1", dag_id: str = "platform_deploy", **params: Any) -> Any:
    """A context for operators; parameters as in the run's configuration."""
    values = {"environment": "dev", "region": None, "stages": None, "plan_only": False, "approve": [], **params}
    return {"params": values, "dag_run": DagRun(run_id, dag_id), "ti": TaskInstance(), "run_id": run_id}


@dataclass
class Outcome:
    """What an operator returned, and what it waited for on the way."""

    value: Any
    waits: list[str]


def run(operator: BaseOperator, context: Any, *, max_waits: int = 30, stop_at: str | None = None) -> Outcome:
    """Execute an operator to its end.

    :param stop_at: name of a trigger class: return at the first wait for it, as when the worker dies then.
    :raises AssertionError: it deferred more than ``max_waits`` times.
    """
    waits: list[str] = []
    token = ExecutorSafeguard.tracker.set(operator)
    try:
        call: Any = operator.execute
        while True:
            try:
                return Outcome(call(context), waits)
            except TaskDeferred as deferred:
                wait = deferred
            waits.append(type(wait.trigger).__name__)
            assert wait.timeout is not None, "a wait without an end"
            assert len(waits) <= max_waits, f"still waiting after {waits}"
            if waits[-1] == stop_at:
                return Outcome(None, waits)
            call = _resumption(operator, wait)
    finally:
        ExecutorSafeguard.tracker.reset(token)


def _resumption(operator: BaseOperator, deferred: TaskDeferred) -> Any:
    # Trigger and arguments go through the database in between.
    path, arguments = deferred.trigger.serialize()
    trigger = import_string(path)(**json.loads(json.dumps(arguments)))
    event = asyncio.run(_first_event(trigger))
    # Not the deferral's own arguments: dag.test() drops them, so nothing may depend on them.
    return lambda context: getattr(operator, deferred.method_name)(context, event=event)


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError(f"{trigger} ended without an event")
