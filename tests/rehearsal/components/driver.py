"""Runs operators of components the way Airflow does, triggers included."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from airflow.sdk.serde import deserialize, serialize


@dataclass
class TaskInstance:
    """What operators ask of their task instance."""

    task_id: str
    dag_id: str = "platform_deploy"
    run_id: str = "manual__1"
    map_index: int = -1
    try_number: int = 1
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@dataclass
class DagRun:
    """What operators ask of their run."""

    run_id: str = "manual__1"
    dag_id: str = "platform_deploy"
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Outcome:
    """What a task returned, pushed and waited for."""

    value: Any
    pushed: dict[str, Any]
    waits: list[str]


class Run:
    """One DAG run; its tasks share a context, as tries of a task share what they stored."""

    def __init__(self, run_id: str = "manual__1", **params: Any) -> None:
        self.run_id = run_id
        self.params = {"environment": "dev", "region": None, "stages": None, "plan_only": False, **params}
        self.stores: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, TaskInstance] = {}

    def context(self, operator: BaseOperator) -> Any:
        instance = TaskInstance(operator.task_id, run_id=self.run_id)
        self.instances[operator.task_id] = instance
        return {
            "params": self.params,
            "dag_run": DagRun(self.run_id),
            "run_id": self.run_id,
            "ti": instance,
            "dag": None,
            "task_state_store": _Store(self.stores.setdefault(operator.task_id, {})),
        }

    def task(self, operator: BaseOperator) -> Outcome:
        """Run a task to its end."""
        context = self.context(operator)
        waits: list[str] = []
        token = ExecutorSafeguard.tracker.set(operator)
        try:
            operator.render_template_fields(context)
            call: Any = operator.execute
            while True:
                try:
                    return Outcome(call(context), context["ti"].pushed, waits)
                except TaskDeferred as deferred:
                    waits.append(type(deferred.trigger).__name__)
                    if deferred.timeout is None:
                        raise AssertionError("a wait without an end") from None
                    event = asyncio.run(_first_event(_over_the_wire(deferred.trigger)))
                    kwargs = deserialize(serialize(deferred.kwargs or {}))
                    call = _resume(operator, deferred.method_name, event, kwargs)
        finally:
            ExecutorSafeguard.tracker.reset(token)


class _Store:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


def _over_the_wire(trigger: Any) -> Any:
    path, arguments = trigger.serialize()
    return import_string(path)(**deserialize(serialize(arguments)))


def _resume(operator: BaseOperator, method: str, event: Any, kwargs: Any) -> Any:
    return lambda context: getattr(operator, method)(context, event=event, **kwargs)


async def _first_event(trigger: Any) -> Any:
    events = trigger.run()
    try:
        async for event in events:
            return event.payload
    finally:
        await events.aclose()
    raise AssertionError(f"{trigger} ended without an event")
