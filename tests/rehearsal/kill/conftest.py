"""Two lives of one platform: one that nobody disturbs, and one whose workers die at every call."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway.catalog import paths
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess

from rehearsal.cloud import Cloud
from tests.rehearsal.deploy.conftest import get
from tests.rehearsal.kill import state
from tests.rehearsal.kill.knife import Knife
from tests.rehearsal.kill.runner import Outcome, Runner, preload, share_service_models

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
SPEED = "1200"
# The cluster's store is on disk a second after a change.
SETTLED_SECONDS = 1.5
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "deploy": ("platform_deploy", {}),
    "change": ("platform_deploy", {}),
    "upgrade": ("platform_upgrade", {"unattended": True, "bake_minutes": 0}),
    "teardown": (
        "platform_teardown",
        {"unattended": True, "keep": [], "final_backup": True, "all_regions": False},
    ),
}
# A sample leaves some out.
VERBS = tuple(os.environ.get("SLIPWAY_KILL_RUNS", " ".join(RUNS)).split())


@dataclass
class Step:
    """One run of a life, and what there was when it had ended."""

    outcome: Outcome
    account: Counter[str]
    cluster: Counter[str]
    calls: Counter[str]
    kills: int
    counted: int
    left_out: list[str] = field(default_factory=list)


class Life:
    """A cloud, a project and an Airflow to run its DAGs.

    :param every: kill one call of so many; 0 for none.
    """

    def __init__(self, cloud: Cloud, include: Path, folder: Path, every: int) -> None:
        self.cloud = cloud
        self.include = include
        self.folder = folder
        self.every = every
        self.steps: dict[str, Step] = {}

    def live(self, name: str, dag_id: str, wanted: Counter[str] | None = None, **conf: Any) -> Step:
        """Run a DAG to its end.

        :param wanted: calls of the undisturbed life, all of which are to be killed.
        """
        knife = Knife(self.folder / f"{name}.jsonl", every=self.every)
        before = self.mutating()
        outcome = Runner(dag_id, {"environment": "dev", **conf}, knife, self.folder / f"{name}.log").whole()
        counted = self.mutating() - before
        time.sleep(SETTLED_SECONDS)
        assert self.cloud.state is not None
        step = Step(
            outcome,
            state.account(),
            state.cluster(self.cloud.state),
            knife.calls,
            len(knife.kills),
            counted,
            knife.left_out(wanted or Counter()),
        )
        self.steps[name] = step
        return step

    def mutating(self) -> int:
        """Mutating calls that AWS has answered."""
        return int(get(f"{self.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/stats")["mutating"])

    def edit(self) -> None:
        """Change a component: one object goes, one is new, one is another."""
        file = self.include / "manifests/data-layer/clerk/clerk.yaml"
        text = file.read_text().replace("clerk-old", "clerk-new").replace("greeting: hello", "greeting: good evening")
        file.write_text(text.replace("replicas: 2", "replicas: 1"))


def project(include: Path) -> None:
    """A project with a few small components, whose cluster is one version behind."""
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include/manifests/base-services" / name, include / "manifests/base-services" / name)
    for folder in (ROOT / "tests/rehearsal/day2/life/manifests", HERE / "manifests"):
        shutil.copytree(folder, include / "manifests", dirs_exist_ok=True)
    for file in (include / "environments").glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        content.pop("components", None)
        content.setdefault("cluster", {})["version"] = "1.35"
        file.write_text(yaml.safe_dump(content))


@contextmanager
def life(folder: Path, every: int) -> Iterator[Life]:
    """A life from its beginning, in a cloud of its own."""
    include = folder / "project" / "include"
    project(include)
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", SPEED)
    patch.setenv(paths.VARIABLE, str(include))
    patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    paths.include_dir.cache_clear()
    try:
        state_dir = folder / "cloud"
        with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=state_dir, speed=float(SPEED)) as cloud:
            for name, value in cloud.env.items():
                patch.setenv(name, value)
            os.environ.pop("AWS_PROFILE", None)
            aws._client.cache_clear()
            EksAccess._tokens.clear()
            yield Life(cloud, include, folder, every)
    finally:
        patch.undo()
        paths.include_dir.cache_clear()


@pytest.fixture(scope="session")
def airflow() -> None:
    """A database, and all that tasks need in memory."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb
    from slipway.triggers import polling

    logging.getLogger("airflow").setLevel(logging.WARNING)
    initdb()
    DagBundlesManager().sync_bundles_to_db()
    polling.FIRST_PAUSE = 0.1
    preload()
    share_service_models()


def whole(one: Life, twin: dict[str, Step] | None = None) -> dict[str, Step]:
    """Live from deploy to teardown, as far as it goes well.

    :param twin: the undisturbed life, all of whose calls are to be killed.
    """
    for name in VERBS:
        dag_id, conf = RUNS[name]
        if name == "change":
            one.edit()
        step = one.live(name, dag_id, twin[name].calls if twin else None, **conf)
        if step.outcome.state != "success":
            break
    return one.steps


@pytest.fixture(scope="session")
def quiet(airflow: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """The life that nobody disturbs."""
    with life(folder_of(tmp_path_factory, "quiet"), every=0) as one:
        return whole(one)


def folder_of(factory: pytest.TempPathFactory, name: str) -> Path:
    """Where a life is kept; SLIPWAY_KILL_DIR keeps it beyond the test."""
    kept = os.environ.get("SLIPWAY_KILL_DIR")
    folder = Path(kept) / name if kept else factory.mktemp(name)
    # A cloud would go on with what an earlier one left there.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
