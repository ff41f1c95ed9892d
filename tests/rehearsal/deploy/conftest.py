"""The real DAG on the rehearsal cloud, in one process: Airflow's first task costs seconds, the next milliseconds."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway.catalog import paths
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess

from rehearsal.cloud import Cloud
from rehearsal.kubeconfig import kubeconfig

ROOT = Path(__file__).resolve().parents[3]
SPEED = "1200"
# A life of ten runs tells no more with all components than with some of every stage; `make run` deploys them all.
LEAVES = ("connectivity", "kafka", "mongodb", "maze", "database-benchmark")


@dataclass
class Run:
    """A finished DAG run."""

    state: str
    states: dict[str, str]
    returned: dict[str, Any]
    retried: set[str]

    def changes(self) -> dict[str, list[Any]]:
        """What each task reported to have changed, tasks that changed nothing left out."""
        return {
            task: value
            for task, value in self.returned.items()
            if isinstance(value, list) and value and isinstance(value[0], dict) and "action" in value[0]
        }

    def failed(self) -> list[str]:
        return [task for task, state in self.states.items() if state in {"failed", "upstream_failed"}]


class Stack:
    """The rehearsal cloud, an Airflow on it and a copy of ``include`` that a test may edit."""

    def __init__(self, cloud: Cloud, include: Path) -> None:
        self.cloud = cloud
        self.include = include
        self.slept: list[tuple[float, str]] = []

    def deploy(self, only: str | None = None, **conf: Any) -> Run:
        """Run ``platform_deploy`` to its end.

        :param only: run just this task, with the setup and teardown that Airflow clears along with it, and take all
            others as done. Node groups run as well: they are mapped over a result that a task not run does not have.
        """
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bag = DagBag(str(ROOT / "dags"))
        assert not bag.import_errors
        sync_bag_to_db(bag, "dags-folder", None)
        dag = bag.dags["platform_deploy"]
        others = f"^(?!(acquire_lease|release_lease|infrastructure.node_groups.*|{only})$).*" if only else None
        run = dag.test(run_conf={"environment": "dev", **conf}, mark_success_pattern=others)
        return self._collect(run)

    def _collect(self, run: Any) -> Run:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            rows = session.query(XComModel).filter_by(run_id=run.run_id, key="return_value").all()
            returned = {label(row.task_id, row.map_index): XComModel.deserialize_value(row) for row in rows}
        states = {label(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}
        retried = {label(ti.task_id, ti.map_index) for ti in run.get_task_instances() if (ti.try_number or 0) > 1}
        return Run(str(run.state), states, returned, retried)

    def mutating_calls(self) -> int:
        """Mutating calls so far, to AWS and the clusters; dry runs and the clusters' own controllers do not count."""
        aws = get(f"{self.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/stats")["mutating"]
        clusters = get(f"{self.cloud.admin_url}/stats").values()
        return int(aws) + sum(sum(cluster["mutating"].values()) for cluster in clusters)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl against the platform's cluster."""
        config = self.include.parent / "kubeconfig"
        config.write_text(kubeconfig("slipway-dev"))
        process = subprocess.run(
            [str(Path(sys.executable).parent / "kubectl"), f"--kubeconfig={config}", *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=90,
        )
        return process.stdout


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def watched(sleep: Callable[[float], None], slept: list[tuple[float, str]]) -> Callable[[float], None]:
    """`time.sleep`, noting who in an operator's turn at work sleeps: there it would hold a worker slot."""

    def note(seconds: float) -> None:
        frames = [frame.filename for frame in traceback.extract_stack()[:-1]]
        if any(file.endswith("execution_time/task_runner.py") for file in frames):
            slept.append((seconds, frames[-1]))
        sleep(seconds)

    return note


def keep_only(leaves: Iterable[str], manifests: Path) -> None:
    """Take away all components but these and those that they need."""
    folders = {path.parent.name: path.parent for path in manifests.glob("*/*/component.yaml")}
    kept: set[str] = set()
    wanted = list(leaves)
    while wanted:
        name = wanted.pop()
        kept.add(name)
        needs = yaml.safe_load((folders[name] / "component.yaml").read_text())["needs"]
        wanted += [need for need in needs if need not in kept]
    for name, folder in folders.items():
        if name not in kept:
            shutil.rmtree(folder)
    for environment in manifests.parent.glob("environments/*.yaml"):
        chosen = yaml.safe_load(environment.read_text())
        components = chosen.get("components", {})
        for key, names in components.items():
            if isinstance(names, dict):
                components[key] = {name: value for name, value in names.items() if name in kept}
            else:
                components[key] = [name for name in names if name in kept]
        environment.write_text(yaml.safe_dump(chosen))


def label(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One cloud and one Airflow for all tests of this folder, which build on each other in file order."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    include = tmp_path_factory.mktemp("project") / "include"
    shutil.copytree(ROOT / "include", include)
    keep_only(LEAVES, include / "manifests")
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    patch.setenv(paths.VARIABLE, str(include))
    paths.include_dir.cache_clear()
    logging.getLogger("airflow").setLevel(logging.WARNING)
    cloud = Cloud(
        aws_port=0,
        kubernetes_port=0,
        admin_port=0,
        state=tmp_path_factory.mktemp("cloud"),
        speed=float(SPEED),
    )
    with cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        os.environ.pop("AWS_PROFILE", None)
        # Those of the cloud of another folder, whose tests ran in this process before.
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        stack = Stack(cloud, include)
        patch.setattr(time, "sleep", watched(time.sleep, stack.slept))
        yield stack
    patch.undo()
    paths.include_dir.cache_clear()
