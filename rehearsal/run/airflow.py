"""Starting Airflow's components, each a child of its own: `airflow standalone` orphans its children on SIGTERM."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rehearsal.run.api import AirflowApi
from rehearsal.run.processes import Child, Supervisor
from rehearsal.run.settings import RunError, Settings

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
# Those that fork a process for each piece of work.
FORKING = frozenset({"scheduler", "dag-processor"})
# Names under which /monitor/health reports them.
HEALTHY = frozenset({"metadatabase", "scheduler", "triggerer", "dag_processor"})
START_TIMEOUT = 240.0
MIGRATE_TIMEOUT = 300.0


def command(*arguments: str, preloaded: bool = False) -> list[str]:
    """An `airflow` command run by this very interpreter, with large libraries in memory if asked for."""
    return [sys.executable, "-m", "rehearsal.run.preloaded" if preloaded else "airflow", *arguments]


def schema_mark() -> str:
    """Identifies the database schema: it is Airflow's and its providers' versions that decide about migrations."""
    versions = sorted(
        f"{item.name}=={item.version}"
        for item in importlib.metadata.distributions()
        if (item.name or "").startswith("apache-airflow")
    )
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


def start_migration(supervisor: Supervisor, settings: Settings, env: Mapping[str, str]) -> Child | None:
    """Start `airflow db migrate`, unless these versions have done so before; returns the child to wait for."""
    if _mark_file(settings).exists() and _mark_file(settings).read_text() == schema_mark():
        return None
    return supervisor.start("db-migrate", command("db", "migrate"), env=env, cwd=settings.run_dir)


def finish_migration(child: Child, settings: Settings, watch: Callable[[], None]) -> None:
    """Wait for the migration; `watch` raises when something else has ended.

    Raises `RunError` with the end of its log if it failed or takes too long.
    """
    deadline = time.monotonic() + MIGRATE_TIMEOUT
    while child.running:
        watch()
        if time.monotonic() > deadline:
            raise RunError(f"`airflow db migrate` did not end within {MIGRATE_TIMEOUT:.0f} s. See {child.log}")
        time.sleep(0.1)
    if child.process.returncode != 0:
        child.require_running()
    _mark_file(settings).write_text(schema_mark())


def start_components(supervisor: Supervisor, settings: Settings, env: Mapping[str, str]) -> list[Child]:
    """Start the components side by side; they wait for one another by themselves."""
    return [
        # Without the API server the triggerer does not find its way out, so that one stops after the others.
        supervisor.start(
            name,
            command(name, preloaded=name in FORKING),
            env=env,
            cwd=settings.run_dir,
            stop_round=int(name == "api-server"),
        )
        for name in COMPONENTS
    ]


def wait_healthy(api: AirflowApi, watch: Callable[[], None], timeout: float = START_TIMEOUT) -> None:
    """Return once all components report a heartbeat; `watch` raises when one of them has ended."""
    deadline = time.monotonic() + timeout
    found: set[str] = set()
    while time.monotonic() < deadline:
        watch()
        found = api.healthy()
        if found >= HEALTHY:
            return
        time.sleep(0.3)
    missing = ", ".join(sorted(HEALTHY - found))
    raise RunError(f"Airflow was not healthy within {timeout:.0f} s: no heartbeat from {missing}.")


def _mark_file(settings: Settings) -> Path:
    return settings.run_dir / "postgres" / ".airflow-schema"
