"""The real teardown DAG's tasks, run in its own order without a scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from slipway.build.teardown import build_teardown
from slipway.hooks.resources import ResourcesHook
from slipway.model.platform import Platform
from slipway.model.resource import Inventory, by_kind

from tests.rehearsal.infrastructure.conftest import EnvironmentFile
from tests.support.deferral import DagRun, run

ASKING = {"approve", "confirm", "begin"}


@dataclass
class TaskInstance:
    """Keeps results of all tasks of a run."""

    results: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.results[key] = value

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results.get(task_ids)


class Teardown:
    """One run of the teardown."""

    def __init__(self, environment: EnvironmentFile, run_id: str = "teardown__1", **params: Any) -> None:
        self.ti = TaskInstance()
        with DAG("platform_teardown", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
            build_teardown()
        self.tasks = {task.task_id: task for task in dag.topological_sort() if task.task_id not in ASKING}
        values = {"environment": environment.name, "region": None, "plan_only": False, "keep": None, **params}
        values.setdefault("all_regions", False)
        self.context: Any = {
            "params": values,
            "dag_run": DagRun(run_id, "platform_teardown"),
            "ti": self.ti,
            "run_id": run_id,
        }

    def step(self, task_id: str, *, stop_at: str | None = None, max_waits: int = 200) -> Any:
        """Run one task to its end, or until it waits for ``stop_at``, as if the worker died there."""
        try:
            outcome = run(self.tasks[task_id], self.context, stop_at=stop_at, max_waits=max_waits)
        except AirflowSkipException:
            return None
        self.ti.results[task_id] = outcome.value
        return outcome.value

    def whole(self, *, until: str | None = None) -> dict[str, Any]:
        """Run all tasks in order, as far as one when given; their results. The first error ends it."""
        for task_id in self.tasks:
            self.step(task_id)
            if task_id == until:
                break
        return self.ti.results

    def failing(self, task_id: str) -> str:
        """Run a task that must fail for good; its message."""
        try:
            self.step(task_id)
        except AirflowFailException as error:
            return str(error)
        raise AssertionError(f"{task_id} did not fail")


def inventory(platform: Platform) -> Inventory:
    """Everything that is there now."""
    return ResourcesHook(platform).inventory()


def show(found: Inventory) -> str:
    """Ours by kind, for messages of failed assertions."""
    return "\n".join(f"{kind}: {', '.join(str(one) for one in some)}" for kind, some in by_kind(found.ours).items())
