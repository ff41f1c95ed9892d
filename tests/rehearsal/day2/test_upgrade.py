"""An upgrade goes through, goes back when its bake does not hold, and goes on where it was killed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from slipway.build.upgrade import build_upgrade
from slipway.hooks.upgrade import UpgradeHook
from slipway.model.health import Verdict
from slipway.operators import upgrade
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.triggers import polling

from tests.rehearsal.day2.taking import TaskInstance
from tests.rehearsal.day2.thorough import thorough
from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage
from tests.support.deferral import DagRun, run

pytestmark = [pytest.mark.timeout(180), thorough]
TASKS = (
    "survey", "acquire_lease", "control_plane", "bake", "control_plane_back", "go_on", "addons_before_nodes",
    "addons_after_nodes", "node_groups", "baseline", "release_lease",
)  # fmt: skip


class Upgrade:
    """One run of the upgrade, without the question and the checks in the cluster."""

    def __init__(self, environment: EnvironmentFile, **params: Any) -> None:
        with DAG("platform_upgrade", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
            build_upgrade()
        self.tasks = {task.task_id: task for task in dag.tasks}
        self.ti = TaskInstance()
        dag_run = DagRun("upgrade__1", "platform_upgrade")
        dag_run.start_date = datetime.now(UTC)  # type: ignore[attr-defined]
        values = {"environment": environment.name, "region": None, "plan_only": False, "bake_minutes": 0, **params}
        self.context: Any = {"params": values, "dag_run": dag_run, "ti": self.ti, "run_id": "upgrade__1"}

    def step(self, task_id: str, stop_at: str | None = None) -> Any:
        """Run one task to its end; a skipped one gives None."""
        try:
            value = run(self.tasks[task_id], self.context, stop_at=stop_at).value
        except AirflowSkipException:
            return None
        self.ti.results[task_id] = value
        return value

    def whole(self) -> dict[str, Any]:
        """Run all tasks in order."""
        for task_id in TASKS:
            self.step(task_id)
        return self.ti.results


@pytest.fixture(autouse=True)
def _healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Kubernetes side of this folder is a stand-in without an API: what is read there is given."""

    async def nothing(self: UpgradeHook, components: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(UpgradeHook, "_inside", nothing)
    monkeypatch.setattr(upgrade, "look_at_health", lambda platform: (Verdict.HEALTHY, "all is well"))
    monkeypatch.setattr(upgrade, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(polling, "FIRST_PAUSE", 0.05)


@pytest.fixture
def old(aws: Aws, environment: EnvironmentFile) -> EnvironmentFile:
    """A platform at 1.35."""
    environment.edit(lambda content: content["cluster"].update(version="1.35"))
    stage = Stage(environment)
    stage.whole()
    stage.run(ReleaseLeaseOperator(task_id="release"))
    return environment


def versions(aws: Aws, environment: EnvironmentFile) -> dict[str, str]:
    """Versions of the control plane, the node groups and the add-ons."""
    eks, name = aws.client("eks"), environment.platform.cluster_name
    found = {"control plane": eks.describe_cluster(name=name)["cluster"]["version"]}
    for group in eks.list_nodegroups(clusterName=name)["nodegroups"]:
        found[group] = eks.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"]["version"]
    return found


def updates(aws: Aws, environment: EnvironmentFile) -> list[str]:
    """Kinds of all version updates of the cluster so far."""
    eks, name = aws.client("eks"), environment.platform.cluster_name
    described = [
        eks.describe_update(name=name, updateId=one)["update"]["type"]
        for one in eks.list_updates(name=name)["updateIds"]
    ]
    return sorted(kind for kind in described if kind.startswith("Version"))


def test_everything_goes_to_the_next_version_once(aws: Aws, old: EnvironmentFile) -> None:
    results = Upgrade(old).whole()
    assert (results["survey"]["from"], results["survey"]["to"]) == ("1.35", "1.36")
    assert set(versions(aws, old).values()) == {"1.36"}
    assert updates(aws, old) == ["VersionUpdate"]
    assert results["baseline"]["verdict"] == "upgraded"
    assert "can go back until" in results["baseline"]["summary"]
    # There is no version after it: the next run is blocked, and changes nothing.
    with pytest.raises(AirflowFailException, match=r"version not offered: 1\.37"):
        Upgrade(old).step("survey")


def test_when_the_bake_does_not_hold_the_control_plane_goes_back(
    aws: Aws, old: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ = Upgrade(old)
    for task_id in ("survey", "acquire_lease", "control_plane"):
        run_.step(task_id)
    assert versions(aws, old)["control plane"] == "1.36"
    monkeypatch.setattr(upgrade, "look_at_health", lambda platform: (Verdict.DOWN, "nothing answers"))
    assert run_.step("bake") == {"held": False, "why": "Down since the upgrade, Healthy before it: nothing answers"}
    run_.step("control_plane_back")
    with pytest.raises(AirflowFailException, match=r"went back to 1\.35"):
        run_.step("go_on")
    assert set(versions(aws, old).values()) == {"1.35"}
    assert updates(aws, old) == ["VersionRollback", "VersionUpdate"]
    # Taken again after a clear, it does nothing more.
    run_.step("control_plane_back")
    assert updates(aws, old) == ["VersionRollback", "VersionUpdate"]


def test_one_bad_look_is_no_failed_bake(aws: Aws, old: EnvironmentFile, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ = Upgrade(old)
    for task_id in ("survey", "acquire_lease"):
        run_.step(task_id)
    looks = iter([Verdict.DOWN, Verdict.DEGRADED, Verdict.HEALTHY])
    monkeypatch.setattr(upgrade, "look_at_health", lambda platform: (next(looks), ""))
    assert run_.step("bake")["held"]


def test_killed_at_every_wait_it_goes_on_and_does_nothing_twice(aws: Aws, old: EnvironmentFile) -> None:
    run_ = Upgrade(old)
    for task_id in TASKS:
        for trigger in ("UpdateTrigger", "ClusterTrigger", "PauseTrigger", "AddonsTrigger"):
            run_.step(task_id, stop_at=trigger)
        run_.step(task_id)
    assert set(versions(aws, old).values()) == {"1.36"}
    assert updates(aws, old) == ["VersionUpdate"]


def test_unready_components_and_unread_parts_block(
    aws: Aws, old: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: UpgradeHook, components: Any) -> dict[str, Any]:
        return {"unready": {"kafka": "1 of 3 pods is ready"}, "unread": {"Kubernetes API": "does not answer"}}

    monkeypatch.setattr(UpgradeHook, "_inside", broken)
    with pytest.raises(AirflowFailException) as caught:
        Upgrade(old).step("survey")
    assert "components not ready: kafka: 1 of 3 pods is ready" in str(caught.value)
    assert "could not be read: Kubernetes API" in str(caught.value)
    assert updates(aws, old) == []
