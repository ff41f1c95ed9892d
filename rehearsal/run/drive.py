"""The whole of one run in order: check, start, trigger, follow, tell, stop."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console

from rehearsal.run import airflow, cloud, postgres, slots
from rehearsal.run.airflow_env import airflow_environment, aws_environment, base_environment, read_secrets
from rehearsal.run.api import AirflowApi
from rehearsal.run.follow import explain_failures, follow, trigger, unreadable_files, wait_parsed
from rehearsal.run.lock import exclusive
from rehearsal.run.ports import describe_taken, owner_of, taken
from rehearsal.run.processes import Supervisor, describe, find_leftovers
from rehearsal.run.progress import Progress
from rehearsal.run.settings import RunError, Settings
from rehearsal.run.signals import StoppedError, StopSignals
from rehearsal.run.summary import headline, print_summary
from rehearsal.run.terminal import duration, view_for


@dataclass
class Run:
    """One run with what it has started."""

    settings: Settings
    console: Console
    supervisor: Supervisor
    env: dict[str, str]
    api: AirflowApi
    began: float

    def say(self, text: str) -> None:
        """One line of progress with the seconds since the start."""
        self.console.print(
            f"{time.monotonic() - self.began:6.0f} s  {text}", highlight=False, markup=False, soft_wrap=True
        )


def drive(settings: Settings, outer: dict[str, str], console: Console) -> int:
    """Do one run; returns the exit code: 0 when the DAG run succeeded (or, without one-shot, was left by Ctrl-C).

    Raises `RunError` with the reason when it cannot be done.
    """
    with exclusive(settings), StopSignals() as signals:
        refuse_taken_ports(settings)
        run = prepare(settings, outer, console)
        try:
            start(run)
            succeeded = deploy(run)
            if settings.oneshot:
                return 0 if succeeded else 1
            stay_up(run)
        except StoppedError:
            return 130 if settings.oneshot else 0
        finally:
            signals.only_note()
            shut_down(run, signals)


def refuse_taken_ports(settings: Settings) -> None:
    """Raise `RunError` with one line for each port that something else uses."""
    problems = [describe_taken(port, owner_of(port.number)) for port in taken(settings.ports.values())]
    if problems:
        raise RunError("\n".join(problems))


def prepare(settings: Settings, outer: dict[str, str], console: Console) -> Run:
    """Put together what the children get to know."""
    known = read_secrets(settings.run_dir / "secrets.json")
    database = postgres.Database(settings.port("POSTGRES_PORT"), known["postgres"])
    base = base_environment(outer)
    env = {
        **base,
        **aws_environment(cloud.variables(settings, outer)),
        **airflow_environment(settings, known, database.url("psycopg2")),
    }
    supervisor = Supervisor(f"{settings.run_dir}@{time.time_ns()}", settings.logs, base)
    return Run(settings, console, supervisor, env, AirflowApi(settings.airflow_url), time.monotonic())


def start(run: Run) -> None:
    """Start everything, side by side where nothing depends on it, and return when all is healthy."""
    settings, supervisor = run.settings, run.supervisor
    data = settings.run_dir / "postgres"
    known = read_secrets(settings.run_dir / "secrets.json")
    aws = cloud.start(supervisor, settings, run.env)
    run.say("creating the database" if postgres.prepare(data, known["postgres"]) else "starting the database")
    server = postgres.start(supervisor, data, postgres.Database(settings.port("POSTGRES_PORT"), known["postgres"]))
    postgres.wait_ready(server, settings.port("POSTGRES_PORT"))
    migration = airflow.start_migration(supervisor, settings, run.env)
    if migration is not None:
        run.say("creating Airflow's tables")
        airflow.finish_migration(migration, settings, aws.require_running)
        supervisor.children.remove(migration)
    run.say("starting Airflow")
    airflow.start_components(supervisor, settings, run.env)
    airflow.wait_healthy(run.api, supervisor.require_running)
    cloud.wait_ready(aws, settings)
    run.say(f"Airflow is up: {settings.airflow_url}")


def deploy(run: Run) -> bool:
    """Trigger the DAG, follow it and tell how it went; returns whether it succeeded."""
    settings, api, watch = run.settings, run.api, run.supervisor.require_running
    since = datetime.fromtimestamp(time.time() - (time.monotonic() - run.began), UTC)
    wait_parsed(api, settings.dag_id, since, watch)
    # Task groups are spelt with underscores.
    asked = frozenset(stage.replace("-", "_") for stage in settings.stages)
    progress = Progress(api.tasks(settings.dag_id), asked)
    run_id = trigger(api, settings)
    run.say(f"running {settings.dag_id}: {settings.airflow_url}/dags/{settings.dag_id}/runs/{run_id}")
    began = time.monotonic()
    try:
        with view_for(run.console, run.began) as view:
            state = follow(api, settings, run_id, progress, view, watch)
    except StoppedError:
        run.say("ending the run")
        # Or the next start would find it running, with nobody working on it.
        with suppress(RunError):
            api.end_run(settings.dag_id, run_id)
        raise
    wall = time.monotonic() - began
    logs = explain_failures(api, settings, run_id, progress)
    text = headline(settings.dag_id, state, progress, wall)
    print_summary(run.console, text, progress, logs, datetime.now(UTC))
    if waits := slots.sentence(slots.stays(api.events(run_id))):
        run.console.print(waits, highlight=False, markup=False, soft_wrap=True)
    run.console.print(f"Start {duration(began - run.began)}, run {duration(wall)}.", highlight=False)
    # Files are read one after another: one that cannot be read may have been found only now.
    unreadable = unreadable_files(api, since)
    if unreadable:
        run.console.print(unreadable, style="red", markup=False)
    return state == "success" and not unreadable


def stay_up(run: Run) -> NoReturn:
    """Tell how to look around, then wait for Ctrl-C; raises `RunError` when something ends on its own."""
    tell_how_to_look_around(run)
    while True:
        run.supervisor.require_running()
        time.sleep(1)


def tell_how_to_look_around(run: Run) -> None:
    """Addresses and commands for the person at the terminal."""
    lines = [f"Airflow    {run.settings.airflow_url}"]
    path, reason = cloud.write_kubeconfig(run.settings, run.env)
    lines.append(f"kubectl    export KUBECONFIG={path}" if path else f"kubectl    no kubeconfig: {reason}")
    exports = [f"{name}={run.env[name]}" for name in cloud.SDK_VARIABLES]
    lines.append(f"AWS        export {' '.join(exports)}")
    lines.append(f"logs       {run.settings.logs}")
    run.console.print()
    for line in lines:
        run.console.print(line, highlight=False, markup=False, soft_wrap=True)
    run.console.print("\nAll of it stays up until Ctrl-C.", style="bold")


def shut_down(run: Run, signals: StopSignals) -> None:
    """Stop all children; what had to be killed is told, what is still left is an error."""
    run.say("stopping")
    run.api.close()
    sessions = {child.process.pid for child in run.supervisor.children}
    killed = run.supervisor.stop(hurry=lambda: signals.again)
    if killed:
        run.say(f"took too long to stop and was killed: {', '.join(killed)}")
    left = find_leftovers(run.supervisor.run_id, sessions)
    if left:
        raise RunError(f"These processes could not be stopped: {', '.join(map(describe, left))}")
    run.say("stopped, no process is left")


def error_console() -> Console:
    """Where errors are told."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)
