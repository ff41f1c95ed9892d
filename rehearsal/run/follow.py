"""Triggering a DAG and following its run to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rehearsal.run.api import AirflowApi
from rehearsal.run.progress import ENDED, Progress, Task
from rehearsal.run.run_log import relevant
from rehearsal.run.settings import RunError, Settings
from rehearsal.run.terminal import View

PARSE_TIMEOUT = 180.0
POLL_SECONDS = 1.0
# An update is stamped before it is committed; what was committed late is asked for again.
OVERLAP = timedelta(seconds=5)
FINAL = frozenset({"success", "failed"})

Watch = Callable[[], None]


def wait_parsed(api: AirflowApi, dag_id: str, since: datetime, watch: Watch) -> None:
    """Return once the DAG was read after `since`.

    Raises `RunError` for any DAG file that cannot be read, and when the DAG does not appear in time.
    """
    deadline = time.monotonic() + PARSE_TIMEOUT
    while time.monotonic() < deadline:
        watch()
        dag = api.dag(dag_id)
        unreadable = unreadable_files(api, since)
        if unreadable:
            raise RunError(unreadable)
        if dag is not None and datetime.fromisoformat(dag["last_parsed_time"]) >= since:
            return
        time.sleep(0.3)
    raise RunError(f"The DAG {dag_id} did not appear within {PARSE_TIMEOUT:.0f} s. See dag-processor.log")


def unreadable_files(api: AirflowApi, since: datetime) -> str:
    """The DAG files that Airflow could not read since then, with their traces; empty when there is none."""
    failures = [failure for failure in api.import_failures() if failure.seen >= since]
    if not failures:
        return ""
    parts = [f"{failure.filename}:\n{failure.stack_trace.rstrip()}" for failure in failures]
    return "Airflow cannot read these DAG files:\n\n" + "\n\n".join(parts)


def trigger(api: AirflowApi, settings: Settings) -> str:
    """End what an interrupted start left behind, then start a run and return its id."""
    for run_id in api.unfinished_runs(settings.dag_id):
        api.end_run(settings.dag_id, run_id)
    api.unpause(settings.dag_id)
    return api.trigger(settings.dag_id, settings.conf(), "started by make run")


def follow(api: AirflowApi, settings: Settings, run_id: str, progress: Progress, view: View, watch: Watch) -> str:
    """Show progress until the run has ended, and return its state. Raises `RunError` on timeout."""
    deadline = time.monotonic() + settings.timeout
    since: datetime | None = None
    while True:
        watch()
        asked = datetime.now(UTC)
        # The state is asked for first: when it is final, the tasks asked for after it are final too.
        state = api.run_state(settings.dag_id, run_id)
        changed = progress.update(api.task_instances(settings.dag_id, run_id, since))
        since = asked - OVERLAP
        view.show(progress, changed)
        if state in FINAL:
            return state
        if time.monotonic() > deadline:
            at_work = [task.task_id for task in progress.tasks() if task.outcome not in ENDED]
            raise RunError(
                f"The run did not end within {settings.timeout:.0f} s (RUN_TIMEOUT). "
                f"Not ended: {', '.join(at_work[:10]) or 'no task'}"
            )
        time.sleep(POLL_SECONDS)


def explain_failures(api: AirflowApi, settings: Settings, run_id: str, progress: Progress) -> dict[Task, list[str]]:
    """For each failed task the lines of its last attempt's log that say why."""
    explained = {}
    for task in progress.failed():
        events = api.log_lines(settings.dag_id, run_id, task.task_id, max(1, task.attempt), task.map_index)
        explained[task] = relevant(events)
    return explained
