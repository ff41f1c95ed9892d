"""Makes, watches and takes down platforms with Slipway's own tasks, run without a scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog import paths
from slipway.hooks import aws as aws_hooks
from slipway.operators.health import WatchOperator
from slipway.operators.teardown import load_prices

from rehearsal.cloud import Cloud
from tests.rehearsal.day2.taking import Teardown
from tests.rehearsal.infrastructure.conftest import EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage
from tests.support.deferral import context, run

ROOT = Path(__file__).resolve().parents[2]
SPEED = 2400.0


@dataclass
class Outcome:
    """What became of the platforms that were worked on at once."""

    what: str
    seconds: float
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@contextmanager
def project(folder: Path, names: Sequence[str]) -> Iterator[tuple[Cloud, list[EnvironmentFile]]]:
    """A cloud in processes of its own, and environments that share nothing but the account."""
    include = folder / "include"
    (include / "environments").mkdir(parents=True)
    for name in ("cloudformation", "prices"):
        (include / name).symlink_to(ROOT / "include" / name)
    (include / "manifests").symlink_to(ROOT / "tests" / "rehearsal" / "components" / "project" / "manifests")
    with (
        pytest.MonkeyPatch.context() as patch,
        Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED) as cloud,
    ):
        for key, value in cloud.env.items():
            patch.setenv(key, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
        patch.setenv(paths.VARIABLE, str(include))
        paths.include_dir.cache_clear()
        aws_hooks._client.cache_clear()
        environments = [EnvironmentFile(include / "environments" / f"{name}.yaml") for name in names]
        for index, one in enumerate(environments):
            cidr = f"10.{(index * 16) // 256 + 20}.{index * 16 % 256}.0/20"
            one.edit(lambda content, cidr=cidr: content["network"].update(cidr=cidr))  # type: ignore[misc]
        yield cloud, environments
    paths.include_dir.cache_clear()
    aws_hooks._client.cache_clear()


def deploy(environment: EnvironmentFile) -> None:
    """The infrastructure of a platform: seven stacks, cluster, access, node group, add-ons."""
    Stage(environment).whole()


def watch(environment: EnvironmentFile) -> None:
    """One health run."""
    member = {"environment": environment.name, "region": "us-east-1", "problem": ""}
    run(WatchOperator(task_id="watch", member=member), context(environment=environment.name))


def take_down(environment: EnvironmentFile) -> None:
    """A teardown that keeps nothing, its sweep included."""
    load_prices.cache_clear() if hasattr(load_prices, "cache_clear") else None
    Teardown(environment, run_id=f"teardown__{time.time_ns()}", keep=[]).whole()


def together(what: str, act: Callable[[EnvironmentFile], None], environments: Sequence[EnvironmentFile]) -> Outcome:
    """Do the same to all at once."""
    began = time.monotonic()
    outcome = Outcome(what, 0.0)

    def one(environment: EnvironmentFile) -> Any:
        try:
            act(environment)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    with ThreadPoolExecutor(len(environments)) as pool:
        for environment, problem in zip(environments, pool.map(one, environments), strict=True):
            if problem is None:
                outcome.done.append(environment.name)
            else:
                outcome.failed[environment.name] = problem
    outcome.seconds = time.monotonic() - began
    return outcome
