"""A platform with data, its backups, and a driver for the drill: the runs that it triggers are run in its place."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException
from slipway.build.drill import build_drill
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.hooks.aws import client
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.resources import ResourcesHook
from slipway.model.resource import Inventory, Kind
from slipway.operators import teardown

from rehearsal.cloud import Cloud
from tests.rehearsal.deploy.conftest import Run, Stack

ROOT = Path(__file__).resolve().parents[4]
LIFE = Path(__file__).parents[1] / "life"
GATE = Path(__file__).parents[1] / "gate"
SPEED = "1200"
ELSEWHERE = "eu-west-1"


class Place(Stack):
    """Where everything of the test happens."""

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Run a DAG to its end."""
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bag = DagBag(str(ROOT / "dags" / f"{dag_id}.py"))
        assert not bag.import_errors
        sync_bag_to_db(bag, "dags-folder", None)
        return self._collect(bag.dags[dag_id].test(run_conf=conf))

    def inventory(self, name: str = "dev", region: str | None = None) -> Inventory:
        """What a platform has."""
        return ResourcesHook(load_platform(name, region)).inventory()

    def disk_of(self, claim: str) -> str:
        """The disk that a claim is on."""
        volume = self.kubectl("get", "pvc", claim, "-n", "keeper", "-o", "jsonpath={.spec.volumeName}").strip()
        return self.kubectl("get", "pv", volume, "-o", "jsonpath={.spec.csi.volumeHandle}").strip()

    def snapshots_of(self, region: str, *disks: str) -> set[str]:
        """Snapshots that disks were made from."""
        found = client("ec2", region).describe_volumes(VolumeIds=list(disks))["Volumes"]
        return {one.get("SnapshotId", "") for one in found}

    def originals_objects(self) -> str:
        """The original's workloads and claims, to be found unchanged."""
        return self.kubectl(
            "get", "statefulset,deployment,pvc,configmap", "-A", "-o", "name", "--sort-by=.metadata.uid"
        )

    def disks(self) -> set[str]:
        """Ids of the original's disks."""
        return {one.id for one in self.inventory().of(Kind.VOLUME)}


class Drill:
    """One run of the drill: its own tasks as they are, and the runs that it triggers each to their end."""

    def __init__(self, place: Place, **params: Any) -> None:
        self.place = place
        with DAG(
            "platform_dr_drill",
            start_date=datetime(2026, 1, 1, tzinfo=UTC),
            schedule=None,
            render_template_as_native_obj=True,
        ) as dag:
            build_drill()
        self.dag = dag
        self.results: dict[str, Any] = {}
        self.states: dict[str, str] = {}
        self.triggered: dict[str, Run] = {}
        self.confs: dict[str, dict[str, Any]] = {}
        # What breaks a run on purpose: a parameter that its task gets in addition.
        self.broken: dict[str, dict[str, Any]] = {}
        self.params = {"environment": "dev", "region": None, "to_region": ELSEWHERE, "components": ["keeper"], **params}
        run = SimpleNamespace(run_id="drill__1", dag_id="platform_dr_drill", start_date=datetime.now(UTC))
        ti = SimpleNamespace(
            id="1",
            xcom_pull=lambda task_id: self.results.get(task_id),
            xcom_push=lambda key, value: self.results.__setitem__(key, value),
            get_task_states=lambda dag_id, run_ids: {run_ids[0]: dict(self.states)},
        )
        self.context: Any = {"params": self.params, "dag_run": run, "ti": ti, "task_instance": ti, "run_id": run.run_id}

    def whole(self) -> None:
        """All tasks, in order. After a failure only those that Airflow would still run."""
        for task in self.dag.topological_sort():
            failed = "failed" in self.states.values()
            if failed and not (task.is_teardown or task.trigger_rule == TriggerRule.ALL_DONE):
                self.states[task.task_id] = "upstream_failed"
                continue
            if task.is_teardown and self.states.get("order") != "success":
                self.states[task.task_id] = "upstream_failed"
                continue
            self.states[task.task_id] = self._one(task)

    def _one(self, task: Any) -> str:
        task.render_template_fields(self.context)
        if isinstance(task, TriggerDagRunOperator):
            self.confs[task.task_id] = conf = {**task.conf, **self.broken.get(task.task_id, {})}
            if task.task_id == "take_down":
                # The rehearsal's other regions have nothing, and take their time to say so.
                conf["all_regions"] = False
            run = self.triggered[task.task_id] = self.place.run(task.trigger_dag_id, **conf)
            return run.state
        token = ExecutorSafeguard.tracker.set(task)
        try:
            self.results[task.task_id] = task.execute({**self.context, "task": task})
        except AirflowFailException as error:
            self.results[f"error of {task.task_id}"] = str(error)
            return "failed"
        finally:
            ExecutorSafeguard.tracker.reset(token)
        return "success"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One cloud, one Airflow, one platform that holds data; the tests of this folder follow each other."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    include = tmp_path_factory.mktemp("drill") / "include"
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include/manifests/base-services" / name, include / "manifests/base-services" / name)
    data = include / "manifests/data-layer"
    shutil.copytree(LIFE / "manifests/data-layer/keeper", data / "keeper")
    shutil.copytree(GATE / "manifests/data-layer/gentle", data / "gentle")
    described = yaml.safe_load((data / "keeper/component.yaml").read_text())
    described["secrets"] = [{"name": "keeper-auth", "keys": {"password": {"generate": 32}}}]
    (data / "keeper/component.yaml").write_text(yaml.safe_dump(described))
    for file in (include / "environments").glob("*.yaml"):
        chosen = yaml.safe_load(file.read_text())
        chosen.pop("components", None)
        file.write_text(yaml.safe_dump(chosen))
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    patch.setenv(paths.VARIABLE, str(include))
    paths.include_dir.cache_clear()
    patch.setattr(teardown, "LONGEST_PAUSE", 2.0)
    logging.getLogger("airflow").setLevel(logging.WARNING)
    state = tmp_path_factory.mktemp("cloud")
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=state, speed=float(SPEED)) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        os.environ.pop("AWS_PROFILE", None)
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        yield Place(cloud, include)
    patch.undo()
    # The next folder has a cloud of its own.
    paths.include_dir.cache_clear()
    aws._client.cache_clear()
    EksAccess._tokens.clear()
