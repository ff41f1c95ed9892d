"""A real Airflow, as ``make run`` starts it, whose parts can be killed; what ends is started again, as init would."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from rehearsal.run import airflow, cloud, drive, postgres
from rehearsal.run.airflow_env import read_secrets
from rehearsal.run.processes import Child
from rehearsal.run.settings import PORTS, RunError, read_settings

# States that a task is in before it has begun.
WAITING = {None, "None", "scheduled", "queued", "removed"}
RUN_SECONDS = 900.0


def free_ports() -> dict[str, str]:
    """A port for each of a run's uses."""
    probes = {name: socket.socket() for name in PORTS}
    for probe in probes.values():
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in probes.items()}
    for probe in probes.values():
        probe.close()
    return ports


@dataclass
class Strike:
    """Something that is killed once a task has begun.

    :param what: for the table.
    :param task: when: the first look at which this task has begun.
    :param how: kills it.
    """

    what: str
    task: str
    how: Callable[[RealAirflow], None]
    at: float = 0.0
    back: float = 0.0

    def row(self, dag_id: str, state: str, differences: int) -> dict[str, Any]:
        """As the table has it."""
        back = f"{self.back - self.at:.0f} s" if self.back else "none seen"
        when = f"{dag_id}, {self.task} had begun" if self.at else f"{dag_id}: never came to {self.task}"
        return {"what": self.what, "when": when, "state": state, "back": back, "differences": differences}


@dataclass
class RealAirflow:
    """Scheduler with LocalExecutor, triggerer, DAG processor, API server, PostgreSQL and the rehearsal cloud.

    :param restarts: how often each part had to be started again.
    """

    run: drive.Run
    restarts: dict[str, int] = field(default_factory=dict)

    def child(self, name: str) -> Child:
        """One of the parts."""
        return next(child for child in self.run.supervisor.children if child.name == name)

    def kill(self, name: str, *, with_workers: bool = False) -> None:
        """SIGKILL a part, alone or with all processes that it started."""
        process = psutil.Process(self.child(name).process.pid)
        started = process.children(recursive=True) if with_workers else []
        process.kill()
        for one in started:
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.child(name).process.wait()

    def kill_workers(self) -> None:
        """SIGKILL every process that runs or supervises a task; the scheduler lives."""
        for one in psutil.Process(self.child("scheduler").process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                one.kill()

    def cut_connections(self) -> None:
        """End every connection to the database from the server's side."""
        import psycopg2

        connection = psycopg2.connect(self._database().url("psycopg2").replace("+psycopg2", ""))
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def stop_cloud(self) -> None:
        """SIGTERM: it saves its state, as a machine that is shut down."""
        child = self.child("cloud")
        child.process.send_signal(signal.SIGTERM)
        child.process.wait(30)

    def tend(self) -> list[str]:
        """Start again what has ended; names of those."""
        ended = [child.name for child in self.run.supervisor.children if not child.running]
        for name in ended:
            gone = self.child(name)
            self.run.supervisor.children.remove(gone)
            self.restarts[name] = self.restarts.get(name, 0) + 1
            self._start(name)
        return ended

    def _start(self, name: str) -> None:
        supervisor, settings = self.run.supervisor, self.run.settings
        if name == "cloud":
            cloud.start(supervisor, settings, self.run.env)
        elif name == "postgres":
            server = postgres.start(supervisor, settings.run_dir / "postgres", self._database())
            postgres.wait_ready(server, settings.port("POSTGRES_PORT"))
        else:
            supervisor.start(
                name,
                airflow.command(name, preloaded=name in airflow.FORKING),
                env=self.run.env,
                cwd=settings.run_dir,
                stop_round=int(name == "api-server"),
            )

    def _database(self) -> postgres.Database:
        known = read_secrets(self.run.settings.run_dir / "secrets.json")
        return postgres.Database(self.run.settings.port("POSTGRES_PORT"), known["postgres"])

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run; its id."""
        self.run.api.unpause(dag_id)
        return self.run.api.trigger(dag_id, {"environment": "dev", **conf}, "")

    def follow(self, dag_id: str, run_ids: list[str], strikes: list[Strike]) -> dict[str, str]:
        """Watch runs to their ends, striking on the way; their states.

        :raises AssertionError: one does not end in time.
        """
        deadline = time.monotonic() + RUN_SECONDS
        open_strikes, states = list(strikes), dict.fromkeys(run_ids, "running")
        last: Strike | None = None
        while time.monotonic() < deadline:
            for name in self.tend():
                self.run.say(f"started again: {name}")
            with contextlib.suppress(RunError):
                begun = {one for run_id in run_ids for one in self._begun(dag_id, run_id)}
                states = {run_id: self.run.api.run_state(dag_id, run_id) for run_id in run_ids}
                if last is not None and not last.back:
                    last.back = time.monotonic()
                strike = next((one for one in open_strikes if one.task in begun), None)
                if strike is not None:
                    open_strikes.remove(strike)
                    self.run.say(f"{strike.task} has begun: {strike.what}")
                    strike.at = time.monotonic()
                    strike.how(self)
                    last = strike
                    continue
                if not {"running", "queued"} & set(states.values()):
                    return states
            time.sleep(1)
        raise AssertionError(f"{dag_id} did not end within {RUN_SECONDS:.0f} s: {self.states(dag_id, run_ids[0])}")

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """States of a run's tasks."""
        return {
            f"{ti['task_id']}[{ti['map_index']}]" if ti["map_index"] >= 0 else ti["task_id"]: str(ti["state"])
            for ti in self.run.api.task_instances(dag_id, run_id, None)
        }

    def _begun(self, dag_id: str, run_id: str) -> set[str]:
        return {name.partition("[")[0] for name, state in self.states(dag_id, run_id).items() if state not in WAITING}


@contextlib.contextmanager
def real_airflow(folder: Path, include: Path, speed: str) -> Iterator[RealAirflow]:
    """All of it up, on ports of its own, for a project."""
    outer = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))},
        **free_ports(),
        "SLIPWAY_RUN_DIR": str(folder),
        "SLIPWAY_INCLUDE_DIR": str(include),
        "REHEARSAL_SPEED": speed,
        "AIRFLOW_PARALLELISM": "4",
    }
    settings = read_settings(outer)
    run = drive.prepare(settings, outer, Console(width=200))
    try:
        drive.start(run)
        yield RealAirflow(run)
    finally:
        run.api.close()
        run.supervisor.stop()
