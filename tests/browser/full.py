"""A real Airflow with the page in it, over the rehearsal cloud: what `make run` starts, with users, without its run.

    python -m tests.browser.full FOLDER      prints one line of JSON when it is up; ends with its standard input

The DAGs see a catalog of a few components, so that a whole deploy takes a minute; the page sees all of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console

from rehearsal.cloud import Cloud
from rehearsal.run import airflow, cloud, postgres
from rehearsal.run.airflow_env import read_secrets
from rehearsal.run.drive import Run, prepare, shut_down
from rehearsal.run.settings import PORTS, ROOT, read_settings
from rehearsal.run.signals import StopSignals
from tests.browser.said import apart

SPEED = 1200
DAG = "platform_deploy"
ROLES = {"admin": "admin", "operator": "user", "viewer": "viewer"}
# Of each stage something, by the folder's name.
COMPONENTS = ("connectivity", "namespaces", "storage-classes", "kafka", "mysql", "benchmark")
PARSE_SECONDS = 240


def small_catalog(folder: Path) -> Path:
    """A copy of ``include`` with those components, each with one check and without needs that are not there.

    Its environment staging has the size of dev.
    """
    include = folder / "include"
    include.mkdir(parents=True)
    for entry in (ROOT / "include").iterdir():
        if entry.name not in ("manifests", "environments"):
            (include / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "include" / "environments", include / "environments")
    environments = include / "environments"
    small = yaml.safe_load((environments / "dev.yaml").read_text())
    left_out = {"components": {"disabled": []}}
    for name in ("dev", "staging", "prod"):
        path = environments / f"{name}.yaml"
        known = yaml.safe_load(path.read_text())
        shape = {**small, "name": name, "network": known["network"]} if name == "staging" else known
        path.write_text(yaml.safe_dump({**shape, **left_out}))
    for name in COMPONENTS:
        (found,) = (ROOT / "include" / "manifests").glob(f"*/{name}")
        made = include / "manifests" / found.relative_to(ROOT / "include" / "manifests")
        shutil.copytree(found, made)
        if (made / "overlays" / "dev").is_dir():
            shutil.copytree(made / "overlays" / "dev", made / "overlays" / "staging", dirs_exist_ok=True)
        spec = yaml.safe_load((made / "component.yaml").read_text())
        spec["needs"] = [need for need in spec.get("needs", []) if need in COMPONENTS]
        spec["checks"] = spec.get("checks", [])[:1]
        (made / "component.yaml").write_text(yaml.safe_dump(spec))
    return include


def free_ports(count: int) -> list[int]:
    """So many ports that nothing listens on; the one behind the first is free as well, for a second cluster."""
    while True:
        with closing(socket.socket()) as first, closing(socket.socket()) as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            others = [socket.socket() for _ in range(count - 1)]
            try:
                for one in others:
                    one.bind(("127.0.0.1", 0))
                return [port, *(one.getsockname()[1] for one in others)]
            finally:
                for one in others:
                    one.close()


def start(run: Run, small: Path, passwords: dict[str, str]) -> None:
    """Everything side by side, as `make run` does."""
    settings, supervisor = run.settings, run.supervisor
    file = settings.run_dir / "passwords.json"
    file.write_text(json.dumps(passwords))
    run.env.update(
        {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in ROLES.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file),
        }
    )
    data = settings.run_dir / "postgres"
    known = read_secrets(settings.run_dir / "secrets.json")
    child = cloud.start(supervisor, settings, run.env)
    postgres.prepare(data, known["postgres"])
    database = postgres.Database(settings.port("POSTGRES_PORT"), known["postgres"])
    postgres.wait_ready(postgres.start(supervisor, data, database), settings.port("POSTGRES_PORT"))
    migration = airflow.start_migration(supervisor, settings, run.env)
    cloud.wait_ready(child, settings)
    filled = Filled(run.env)
    if migration is not None:
        airflow.finish_migration(migration, settings, child.require_running)
        supervisor.children.remove(migration)
    for name in airflow.COMPONENTS:
        env = run.env if name == "api-server" else {**run.env, "SLIPWAY_INCLUDE_DIR": str(small)}
        supervisor.start(
            name,
            airflow.command(name, preloaded=name in airflow.FORKING),
            env=env,
            cwd=settings.run_dir,
            stop_round=int(name == "api-server"),
        )
    airflow.wait_healthy(run.api, supervisor.require_running)
    filled.wait()


class Filled(threading.Thread):
    """The fleet that is there already, made while Airflow starts."""

    def __init__(self, env: dict[str, str]) -> None:
        super().__init__(daemon=True)
        wanted = ("AWS_", "REHEARSAL_", "AIRFLOW_CONN_")
        os.environ.update({name: value for name, value in env.items() if name.startswith(wanted)})
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Fill it."""
        from tests.browser.fill import fill

        try:
            # The ports come from the environment: this cloud is started already.
            fill(Cloud(), staging=False)
        except BaseException as error:
            self.error = error

    def wait(self) -> None:
        """Return when it is done; raises what went wrong."""
        self.join()
        if self.error is not None:
            raise self.error


def unpaused(url: str, password: str) -> None:
    """Return once the deploy DAG is read and runs may start."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        login = client.post("/auth/token", json={"username": "admin", "password": password})
        login.raise_for_status()
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        deadline = time.monotonic() + PARSE_SECONDS
        while (answer := client.patch(f"/api/v2/dags/{DAG}", json={"is_paused": False})).status_code == 404:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{DAG} was not read: {client.get('/api/v2/importErrors').text[:2000]}")
            time.sleep(0.5)
        answer.raise_for_status()


def main(folder: Path) -> None:
    """Start, say so, wait for the end of standard input."""
    answer = apart()
    folder.mkdir(parents=True, exist_ok=True)
    names = ["REHEARSAL_KUBERNETES_PORT", *(name for name in PORTS if name != "REHEARSAL_KUBERNETES_PORT")]
    ports = {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    outer: dict[str, Any] = {
        **os.environ,
        **ports,
        "SLIPWAY_RUN_DIR": str(folder / "run"),
        "ENVIRONMENT": "staging",
        "REHEARSAL_SPEED": str(SPEED),
    }
    os.environ["STACK_FOLDER"] = str(folder)
    passwords = {name: secrets.token_urlsafe(16) for name in ROLES}
    with StopSignals() as signals:
        run = prepare(read_settings(outer), outer, Console(file=sys.stderr))
        try:
            start(run, small_catalog(folder), passwords)
            unpaused(run.settings.airflow_url, passwords["admin"])
            print(json.dumps({"url": run.settings.airflow_url, "passwords": passwords}), file=answer, flush=True)
            sys.stdin.read()
        finally:
            signals.only_note()
            shut_down(run, signals)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
