"""The few calls of Airflow's REST API (v2) that the driver makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

import httpx

from rehearsal.run.settings import RunError

PAGE = 1000
Json = dict[str, Any]


class NotFoundError(RunError):
    """The API's own 404."""


@dataclass(frozen=True)
class ImportFailure:
    """A DAG file that Airflow could not read."""

    filename: str
    stack_trace: str
    seen: datetime


class AirflowApi:
    """A client for an Airflow without login on this machine."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        """`timeout` is in seconds; an API server on a busy laptop may take many of them."""
        # trust_env off: a proxy from the environment must not see what goes to 127.0.0.1.
        self._client = httpx.Client(base_url=f"{url}/api/v2", timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def healthy(self) -> set[str]:
        """Names of the components that report a heartbeat; empty while the server does not answer."""
        with suppress(httpx.HTTPError, RunError):
            answer = self._call("GET", "/monitor/health")
            return {name for name, part in answer.items() if part and part.get("status") == "healthy"}
        return set()

    def dag(self, dag_id: str) -> Json | None:
        """One DAG, or None while it is not known."""
        with suppress(NotFoundError):
            return self._call("GET", f"/dags/{quote(dag_id)}")
        return None

    def tasks(self, dag_id: str) -> list[str]:
        """Ids of a DAG's tasks in the order they run."""
        answer = self._call("GET", f"/dags/{quote(dag_id)}/tasks")
        return [task["task_id"] for task in _in_order(answer["tasks"])]

    def import_failures(self) -> list[ImportFailure]:
        """All DAG files with errors, old findings included."""
        answer = self._call("GET", "/importErrors", params={"limit": PAGE})
        return [
            ImportFailure(item["filename"], item["stack_trace"], datetime.fromisoformat(item["timestamp"]))
            for item in answer["import_errors"]
        ]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run this DAG."""
        self._call("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Json, note: str) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": conf, "note": note}
        return str(self._call("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body)["dag_run_id"])

    def unfinished_runs(self, dag_id: str) -> list[str]:
        """Ids of runs that are queued or running."""
        params = {"state": ["queued", "running"], "limit": PAGE}
        answer = self._call("GET", f"/dags/{quote(dag_id)}/dagRuns", params=params)
        return [run["dag_run_id"] for run in answer["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        return str(self._call("GET", _run_path(dag_id, run_id))["state"])

    def end_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed, which also ends its tasks."""
        self._call("PATCH", _run_path(dag_id, run_id), json={"state": "failed"})

    def task_instances(self, dag_id: str, run_id: str, since: datetime | None) -> Iterator[Json]:
        """Task instances that changed since a moment (all for None).

        Only changes are asked for: an answer carries the rendered fields, which are large for plans.
        """
        params: dict[str, Any] = {"limit": PAGE, "offset": 0}
        if since is not None:
            params["updated_at_gte"] = since.isoformat()
        while True:
            answer = self._call("GET", f"{_run_path(dag_id, run_id)}/taskInstances", params=params)
            page = answer["task_instances"]
            yield from page
            params["offset"] += len(page)
            if not page or params["offset"] >= answer["total_entries"]:
                return

    def returned(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """What a task returned; None when it returned nothing."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/return_value"
        with suppress(NotFoundError):
            return self._call("GET", path, params={"map_index": map_index})["value"]
        return None

    def run(self, dag_id: str, run_id: str) -> Json:
        """A run: its state, when it started and ended."""
        return self._call("GET", _run_path(dag_id, run_id))

    def first_run(self, dag_id: str) -> Json:
        """The earliest run of a DAG that is known."""
        answer = self._call("GET", f"/dags/{quote(dag_id)}/dagRuns", params={"order_by": "start_date", "limit": 1})
        return cast(Json, answer["dag_runs"][0])

    def events(self, run_id: str) -> Iterator[Json]:
        """The audit events of a run, the oldest first."""
        params: dict[str, Any] = {"run_id": run_id, "order_by": "when", "limit": PAGE, "offset": 0}
        while page := self._call("GET", "/eventLogs", params=params)["event_logs"]:
            yield from page
            params["offset"] += len(page)

    def log_lines(self, dag_id: str, run_id: str, task_id: str, attempt: int, map_index: int) -> list[Json]:
        """The log of one attempt as structured events; empty when there is none."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{attempt}"
        params = {"full_content": True, "map_index": map_index}
        with suppress(NotFoundError):
            content = self._call("GET", path, params=params, headers={"Accept": "application/json"})["content"]
            return [event for event in content if isinstance(event, dict)]
        return []

    def _call(self, method: str, path: str, **arguments: Any) -> Json:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.TimeoutException as error:
            raise RunError(f"Airflow did not answer {method} {path} in time.") from error
        except httpx.TransportError as error:
            raise RunError(f"Airflow cannot be reached for {method} {path}: {error}") from error
        if response.status_code == 404:
            raise NotFoundError(f"Airflow knows no {path}.")
        if response.is_error:
            raise RunError(f"Airflow answered {response.status_code} to {method} {path}: {response.text[:2000]}")
        return cast(Json, response.json())


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"


def _in_order(tasks: list[Json]) -> list[Json]:
    """Tasks sorted so that each follows what it waits for; ties keep the order of the answer."""
    from graphlib import TopologicalSorter

    by_id = {task["task_id"]: task for task in tasks}
    sorter: TopologicalSorter[str] = TopologicalSorter({task_id: [] for task_id in by_id})
    for task in tasks:
        for follower in task["downstream_task_ids"]:
            sorter.add(follower, task["task_id"])
    return [by_id[task_id] for task_id in sorter.static_order()]
