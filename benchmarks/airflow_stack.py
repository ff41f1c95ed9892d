"""An Airflow of a benchmark's own: every component a process, in the shape that is asked for, watched while it runs.

It is started as ``make run`` starts it, with PostgreSQL and the rehearsal cloud; a shape adds schedulers, Celery
workers with their Redis, and settings. Memory is proportional (PSS): what forks share is counted once.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from rich.console import Console

from rehearsal.run import airflow, cloud, postgres
from rehearsal.run.airflow_env import read_secrets
from rehearsal.run.drive import Run, prepare, refuse_taken_ports
from rehearsal.run.follow import wait_parsed
from rehearsal.run.settings import PORTS, Settings, read_settings

SAMPLE_SECONDS = 2.0
FINAL = {"success", "failed"}


@dataclass(frozen=True)
class Shape:
    """How many of what.

    :param slots: tasks at once: of each scheduler's LocalExecutor, or of each Celery worker.
    :param workers: Celery workers; none means LocalExecutor.
    :param settings: Airflow's, as environment variables, over those of ``make run``.
    """

    schedulers: int = 1
    workers: int = 0
    slots: int = 8
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def executor(self) -> str:
        """Airflow's name of the executor."""
        return "CeleryExecutor" if self.workers else "LocalExecutor"

    def __str__(self) -> str:
        workers = f", {self.workers} workers of {self.slots} slots" if self.workers else f" of {self.slots} slots"
        return f"{self.executor}{workers}, {self.schedulers} scheduler{'s' if self.schedulers > 1 else ''}"


class Stack:
    """What runs, and what was seen of it."""

    def __init__(self, run: Run, shape: Shape, database: postgres.Database) -> None:
        self.run = run
        self.shape = shape
        self._database = database
        self._stop = threading.Event()
        self.memory: dict[str, float] = {}
        self.processes: dict[str, int] = {}
        self.connections = 0
        self._names: dict[int, str] = {}

    @property
    def settings(self) -> Settings:
        """Ports and folders."""
        return self.run.settings

    def query(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Ask Airflow's database."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self._database.port,
            user=postgres.USER,
            password=self._database.password,
            dbname=postgres.DATABASE,
        )
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, arguments)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def wait_parsed(self, dag: str) -> None:
        """Wait until a DAG was read."""
        wait_parsed(self.run.api, dag, datetime.fromtimestamp(0, UTC), self.run.supervisor.require_running)

    def run_dag(self, dag: str, conf: Mapping[str, Any], limit: float) -> tuple[str, str]:
        """Run a DAG to its end; returns the run's id and state.

        :param limit: seconds until it is given up.
        """
        self.wait_parsed(dag)
        self.run.api.unpause(dag)
        run_id = self.run.api.trigger(dag, dict(conf), "a benchmark")
        deadline = time.monotonic() + limit
        while (state := self.run.api.run_state(dag, run_id)) not in FINAL:
            self.run.supervisor.require_running()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{dag} did not end within {limit:.0f} s")
            time.sleep(1)
        return run_id, state

    def restart_scheduler(self, settings: Mapping[str, str], preloaded: bool = True) -> None:
        """Replace the schedulers by one with other settings."""
        for child in [one for one in self.run.supervisor.children if one.name.startswith("scheduler")]:
            child.process.terminate()
            with suppress(Exception):
                child.process.wait(20)
            if child.running:
                child.process.kill()
            self.run.supervisor.children.remove(child)
        _scheduler(self.run, 0, self.run.env | dict(settings), preloaded)

    def watch(self) -> threading.Thread:
        """Look at memory and connections until the stack ends."""
        thread = threading.Thread(target=self._sample, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Look no more."""
        self._stop.set()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for child in list(self.run.supervisor.children):
                total, count = tree_megabytes(child.process.pid)
                self.memory[child.name] = max(self.memory.get(child.name, 0.0), total)
                self.processes[child.name] = max(self.processes.get(child.name, 0), count)
            with suppress(psycopg2.Error):
                found = self.query("select count(*) from pg_stat_activity where datname = %s", postgres.DATABASE)
                self.connections = max(self.connections, int(found[0][0]) - 1)


def tree_megabytes(pid: int) -> tuple[float, int]:
    """Proportional memory of a process and all below it, and how many they are."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0, 0
    sizes = [megabytes(process.pid) for process in family]
    return sum(sizes), len(sizes)


def megabytes(pid: int) -> float:
    """Proportional memory of one process; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def stack(
    folder: Path,
    first_port: int,
    shape: Shape = Shape(),
    env: Mapping[str, str] | None = None,
    with_cloud: bool = True,
) -> Iterator[Stack]:
    """Start an Airflow in ``folder`` on nine ports from ``first_port`` on, and stop all of it afterwards."""
    ports = {name: str(first_port + number) for number, name in enumerate(PORTS)}
    outer = {**os.environ, **ports, "SLIPWAY_RUN_DIR": str(folder), **(env or {})}
    outer["AIRFLOW_PARALLELISM"] = str(min(64, shape.slots * max(1, shape.workers)))
    settings = read_settings(outer)
    refuse_taken_ports(settings)
    run = prepare(settings, outer, Console(file=io.StringIO()))
    run.env |= {name: value for name, value in (env or {}).items() if name.startswith("SLIPWAY_")}
    known = read_secrets(settings.run_dir / "secrets.json")
    database = postgres.Database(settings.port("POSTGRES_PORT"), known["postgres"])
    if shape.workers:
        run.env |= _celery(run, first_port + len(PORTS), database, shape)
    run.env |= dict(shape.settings)
    found = Stack(run, shape, database)
    try:
        _start(run, shape, database, with_cloud)
        found.watch()
        yield found
    finally:
        found.end()
        run.api.close()
        run.supervisor.stop()


def _start(run: Run, shape: Shape, database: postgres.Database, with_cloud: bool) -> None:
    supervisor, settings = run.supervisor, run.settings
    aws = cloud.start(supervisor, settings, run.env) if with_cloud else None
    data = settings.run_dir / "postgres"
    postgres.prepare(data, database.password)
    postgres.wait_ready(postgres.start(supervisor, data, database), database.port)
    migration = airflow.start_migration(supervisor, settings, run.env)
    if migration is not None:
        airflow.finish_migration(migration, settings, lambda: None)
        supervisor.children.remove(migration)
    for name in ("api-server", "dag-processor", "triggerer"):
        command = airflow.command(name, preloaded=name in airflow.FORKING)
        supervisor.start(name, command, env=run.env, cwd=settings.run_dir, stop_round=int(name == "api-server"))
    for number in range(shape.schedulers):
        _scheduler(run, number, run.env)
    for number in range(shape.workers):
        command = airflow.command("celery", "worker", "--celery-hostname", f"worker-{number}@%h", "--skip-serve-logs")
        supervisor.start(f"worker-{number}", command, env=run.env, cwd=settings.run_dir)
    airflow.wait_healthy(run.api, supervisor.require_running)
    if aws is not None:
        cloud.wait_ready(aws, settings)


def _scheduler(run: Run, number: int, env: Mapping[str, str], preloaded: bool = True) -> None:
    # Each serves its tasks' logs.
    port = run.settings.port("AIRFLOW_WORKER_LOG_PORT") if not number else run.settings.port("AIRFLOW_PORT") + 20
    own = {**env, "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port)}
    name = f"scheduler-{number}" if number else "scheduler"
    run.supervisor.start(name, airflow.command("scheduler", preloaded=preloaded), env=own, cwd=run.settings.run_dir)


def _celery(run: Run, port: int, database: postgres.Database, shape: Shape) -> dict[str, str]:
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("celery") is None:
        raise RuntimeError(
            "CeleryExecutor needs redis-server on PATH (Debian: redis-server), and an environment with its packages:\n"
            "  make celery && .cache/celery/bin/python benchmarks/fleet.py --workers 2 --schedulers 2"
        )
    run.supervisor.start(
        "redis", [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], stop_round=2
    )
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database.url('psycopg2')}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(shape.slots),
    }


if __name__ == "__main__":
    sys.exit("Used by the other benchmarks; run one of those.")
