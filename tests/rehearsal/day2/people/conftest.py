"""A whole Airflow with people who sign in, as ``make run`` starts it, beside the rehearsal cloud."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from botocore.config import Config
from rich.console import Console

from rehearsal.run import airflow, cloud, postgres
from rehearsal.run.airflow_env import read_secrets
from rehearsal.run.drive import Run, prepare
from rehearsal.run.settings import read_settings

ROOT = Path(__file__).resolve().parents[4]
LIFE = Path(__file__).parents[1] / "life"
# Who signs in, with which role of Airflow's.
PEOPLE = {"ann": "user", "vic": "viewer"}
PASSWORDS = {name: f"{name}-says-friend" for name in PEOPLE}
PATIENCE = 240.0
HASTY = "platform_teardown_hasty"
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
PORTS = (
    "AIRFLOW_PORT", "AIRFLOW_WORKER_LOG_PORT", "AIRFLOW_TRIGGER_LOG_PORT", "POSTGRES_PORT", "REHEARSAL_AWS_PORT",
    "REHEARSAL_KUBERNETES_PORT", "REHEARSAL_ADMIN_PORT",
)  # fmt: skip


@dataclass
class Person:
    """Somebody who signed in, with what Airflow's REST API lets them do."""

    name: str
    api: httpx.Client

    def trigger(self, dag_id: str = "platform_teardown", **conf: Any) -> str:
        """Start a teardown."""
        answer = self.api.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def answer(self, run_id: str, task_id: str, option: str, **fields: str) -> httpx.Response:
        """Answer a question, as the form in the UI does."""
        path = f"/api/v2/dags/platform_teardown/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        return self.api.patch(path, json={"chosen_options": [option], "params_input": fields})

    def question(self, run_id: str, task_id: str) -> dict[str, Any]:
        """What is asked."""
        path = f"/api/v2/dags/platform_teardown/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        found: dict[str, Any] = self.api.get(path).raise_for_status().json()
        return found


@dataclass
class Office:
    """The running Airflow, and the account that it works on."""

    run: Run
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def ann(self) -> Person:
        """May start runs and answer."""
        return self.people["ann"]

    @property
    def vic(self) -> Person:
        """May only look."""
        return self.people["vic"]

    def states(self, run_id: str, dag_id: str = "platform_teardown") -> dict[str, str]:
        """States of a run's tasks."""
        answer = self.ann.api.get(
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 1000}
        ).raise_for_status()
        return {one["task_id"]: str(one["state"]) for one in answer.json()["task_instances"]}

    def state(self, run_id: str, dag_id: str = "platform_teardown") -> str:
        """State of a run."""
        answer = self.ann.api.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").raise_for_status()
        return str(answer.json()["state"])

    def tries(self, run_id: str, task_id: str, dag_id: str) -> int:
        """How often a task was tried."""
        answer = self.ann.api.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}").raise_for_status()
        return int(answer.json()["try_number"])

    def log(self, run_id: str, task_id: str, dag_id: str = "platform_teardown") -> str:
        """Log of a task's first try."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        answer = self.ann.api.get(path, params={"full_content": True}, headers={"Accept": "application/json"})
        return json.dumps(answer.raise_for_status().json()["content"])

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Wait, while everything that was started still runs."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            self.run.supervisor.require_running()
            assert time.monotonic() < deadline, f"still not so after {PATIENCE:.0f} s: {what}"
            time.sleep(1)

    def until_asked(self, run_id: str, task_id: str) -> dict[str, Any]:
        """Wait for a question; what is asked."""

        def asked() -> bool:
            state = self.states(run_id).get(task_id)
            assert state not in ENDED, f"{task_id} is {state}: {self.states(run_id)}"
            return state == "awaiting_input"

        self.until(f"{task_id} asks", asked)
        # Nobody reads that fast: to an answer given before the scheduler has noted that the asking process ended,
        # Airflow says that the task was killed, and asks again.
        self.until(f"the scheduler knows that {task_id} asks", lambda: self._parked(run_id, task_id))
        return self.ann.question(run_id, task_id)

    def _parked(self, run_id: str, task_id: str) -> bool:
        """Whether the scheduler has taken note that a task waits for its answer."""
        with (self.run.settings.run_dir / "logs" / "scheduler.log").open() as log:
            return any(
                f"task_id={task_id}, run_id={run_id}," in line and "state=awaiting_input" in line for line in log
            )

    def until_over(self, run_id: str, dag_id: str = "platform_teardown") -> str:
        """Wait for a run's end; its state."""
        self.until("the run ends", lambda: self.state(run_id, dag_id) in {"success", "failed"})
        return self.state(run_id, dag_id)

    def ec2(self) -> Any:
        """The account, as somebody else looks at it."""
        env = self.run.env
        return boto3.client(
            "ec2",
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 2}),
        )

    def disk(self, environment: str | None) -> str:
        """A volume of a platform, or of nobody we know."""
        platform = f"slipway-{environment}"
        tags = {"slipway:platform": platform, "slipway:managed-by": "slipway"} if environment else {"owner": "them"}
        made = self.ec2().create_volume(
            Size=1,
            AvailabilityZone="us-east-1a",
            TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
        )
        return str(made["VolumeId"])

    def disks(self) -> set[str]:
        """All volumes of the account."""
        return {one["VolumeId"] for one in self.ec2().describe_volumes()["Volumes"]}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Airflow on PostgreSQL with its own processes, started as ``make run`` does, and two people who signed in."""
    folder = tmp_path_factory.mktemp("office")
    outer = {**os.environ, **_ports(), "SLIPWAY_RUN_DIR": str(folder / "run"), "REHEARSAL_SPEED": "1200"}
    outer |= {"SLIPWAY_DAGS_FOLDER": str(_dags(folder)), "SLIPWAY_INCLUDE_DIR": str(_include(folder))}
    outer["AIRFLOW_PARALLELISM"] = "4"
    settings = read_settings(outer)
    run = prepare(settings, outer, Console(quiet=True))
    passwords = folder / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps(PASSWORDS))
    run.env |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in PEOPLE.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    }
    people: dict[str, Person] = {}
    try:
        _start(run)
        people |= {name: _sign_in(settings.airflow_url, name) for name in PEOPLE}
        yield Office(run, people)
    finally:
        for person in people.values():
            person.api.close()
        run.api.close()
        run.supervisor.stop()


def _start(run: Run) -> None:
    settings, supervisor = run.settings, run.supervisor
    data = settings.run_dir / "postgres"
    password = read_secrets(settings.run_dir / "secrets.json")["postgres"]
    aws = cloud.start(supervisor, settings, run.env)
    postgres.prepare(data, password)
    server = postgres.start(supervisor, data, postgres.Database(settings.port("POSTGRES_PORT"), password))
    postgres.wait_ready(server, settings.port("POSTGRES_PORT"))
    if (migration := airflow.start_migration(supervisor, settings, run.env)) is not None:
        airflow.finish_migration(migration, settings, aws.require_running)
        supervisor.children.remove(migration)
    airflow.start_components(supervisor, settings, run.env)
    airflow.wait_healthy(run.api, supervisor.require_running)
    cloud.wait_ready(aws, settings)


def _sign_in(url: str, name: str) -> Person:
    body = {"username": name, "password": PASSWORDS[name]}
    token = httpx.post(f"{url}/auth/token", json=body, trust_env=False, timeout=60).raise_for_status().json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    api = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60)
    deadline = time.monotonic() + PATIENCE
    # Airflow has to have read the DAG files first.
    while any(api.get(f"/api/v2/dags/{dag}").status_code == 404 for dag in ("platform_teardown", HASTY)):
        assert time.monotonic() < deadline, api.get("/api/v2/importErrors").text
        time.sleep(0.5)
    return Person(name, api)


def _dags(folder: Path) -> Path:
    """The real teardown, and the same one once more for people who are given ten seconds to answer."""
    dags = folder / "dags"
    dags.mkdir()
    source = (ROOT / "dags/platform_teardown.py").read_text()
    (dags / "platform_teardown.py").write_text(source)
    name, body = 'dag_id="platform_teardown"', "):\n    build_teardown()\n"
    assert name in source
    assert source.endswith(body)
    # Of this task alone: what is changed in a module is changed for every DAG that a process reads after this one.
    in_a_hurry = '    dag.get_task("approve").response_timeout = timedelta(seconds=10)\n'
    hasty = source.removesuffix(body).replace(name, f'dag_id="{HASTY}"')
    hasty += ") as dag:\n    build_teardown()\n" + in_a_hurry
    (dags / "platform_teardown_hasty.py").write_text(hasty)
    return dags


def _include(folder: Path) -> Path:
    """The project with one component, and an environment beside dev that is protected."""
    include = folder / "include"
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    base = "manifests/base-services"
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include" / base / name, include / base / name)
    shutil.copytree(LIFE / "manifests/data-layer/keeper", include / "manifests/data-layer/keeper")
    for name in ("dev", "prod"):
        path = include / f"environments/{name}.yaml"
        chosen = yaml.safe_load(path.read_text())
        chosen.pop("components", None)
        path.write_text(yaml.safe_dump({**chosen, "protected": name == "prod"}))
    return include


def _ports() -> dict[str, str]:
    """Ports that nobody uses now."""
    probes = [socket.socket() for _ in PORTS]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {name: str(probe.getsockname()[1]) for name, probe in zip(PORTS, probes, strict=True)}
    finally:
        for probe in probes:
            probe.close()
