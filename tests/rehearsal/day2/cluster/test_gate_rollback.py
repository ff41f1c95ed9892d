"""What a run changed in a stage whose gate failed goes back in the cluster, once, and its checks run there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from slipway.hooks.lease import LeaseHook
from slipway.hooks.reports import ReportsHook
from slipway.model.rollback import GateRollback
from slipway.operators import teardown
from slipway.operators.gate_rollback import RollBackStageOperator

from tests.rehearsal.components.conftest import Stack, edit
from tests.rehearsal.components.driver import Outcome, Run
from tests.rehearsal.day2.cluster.test_rollback import replicas, write_replicas
from tests.rehearsal.day2.thorough import thorough

pytestmark = pytest.mark.timeout(120)
CHECK = {
    "name": "mode",
    "proves": "the settings are the calm ones",
    "image": "registry.k8s.io/kubectl:v1.36.4",
    "service_account": "tiny-check",
    "command": ["kubectl", "get", "deployment/tiny", "--namespace=tiny",
                '-o=jsonpath={"{"}"check":"mode","replicas":{.spec.replicas}{"}\\n"}'],
}  # fmt: skip
NEW = {**CHECK, "name": "new", "command": None, "script": "checks/new.sh"}


class GateRun(Run):
    """One deploy, of which a task of the data layer failed."""

    states: dict[str, str] = {"data_layer.tiny.deploy": "success", "data_layer.tiny.check_mode": "failed"}

    def context(self, operator: Any) -> Any:
        found = super().context(operator)
        found["ti"].get_task_states = lambda dag_id, run_ids: {run_ids[0]: dict(self.states)}
        return found

    def back(self) -> Outcome:
        return self.task(RollBackStageOperator(task_id="roll_back"))


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[GateRun]:
    """A run that holds the platform, whose policy is to go back."""
    monkeypatch.setattr(teardown, "FIRST_PAUSE", 0.2)
    policies(stack, rollback_on_failed_gate=True)
    lease = LeaseHook(stack.platform)
    lease.release("manual__1", "platform_deploy")
    name = f"manual__{id(monkeypatch)}"
    lease.acquire(name, "platform_deploy")
    yield GateRun(name)
    lease.release(name, "platform_deploy")


def policies(stack: Stack, **values: Any) -> None:
    edit(stack.include / "environments/dev.yaml", policies=values)


def component(stack: Stack, **values: Any) -> None:
    edit(stack.folder("tiny") / "component.yaml", **values)


def deploy_before(stack: Stack, run: GateRun, number: int) -> None:
    """What was there before the run."""
    lease = LeaseHook(stack.platform)
    lease.release(run.run_id, "platform_deploy")
    lease.acquire("manual__0", "platform_deploy")
    write_replicas(stack, number)
    stack.deploy("tiny", Run("manual__0"))
    lease.release("manual__0", "platform_deploy")
    lease.acquire(run.run_id, "platform_deploy")


def told(stack: Stack) -> GateRollback:
    found = ReportsHook(stack.platform).latest("gate-rollback", GateRollback)
    assert found is not None
    return found.body


def test_goes_back_checks_and_stays_there_on_a_retry(empty: Stack, run: GateRun) -> None:
    (empty.folder("tiny") / "checks/new.sh").write_text("#!/bin/sh\n")
    component(empty, checks=[CHECK, NEW])
    deploy_before(empty, run, 1)
    write_replicas(empty, 2)
    empty.deploy("tiny", run)
    assert replicas(empty) == 2
    outcome = run.back()
    assert replicas(empty) == 1
    body = told(empty)
    assert [(one.component, one.failed, one.number) for one in body.back] == [("tiny", 2, 1)]
    assert body.back[0].changes == ["changes Deployment tiny/tiny spec.replicas: 2 -> 1"]
    assert body.failed == ["data_layer.tiny.check_mode"]
    assert {(one.check, one.state.value) for one in body.checks} == {("mode", "passed"), ("new", "skipped")}
    assert "did not have it yet" in next(one.reason for one in body.checks if one.check == "new")
    assert outcome.pushed["report"]["verdict"] == "went-back"
    assert set(outcome.waits) <= {"PauseTrigger"}, "no worker waits"
    # A try after a crash tells the same and takes no second step back.
    assert run.back().value == []
    assert replicas(empty) == 1
    assert told(empty).back == body.back


@thorough
def test_data_and_first_releases_are_left_and_said(empty: Stack, run: GateRun) -> None:
    component(empty, checks=[], stateful=True)
    write_replicas(empty, 1)
    empty.deploy("tiny", run)
    run.back()
    assert "first release: there is nothing to go back to" in told(empty).left["tiny"]

    deploy_before(empty, run, 2)
    later = GateRun(run.run_id + "b")
    lease = LeaseHook(empty.platform)
    lease.release(run.run_id, "platform_deploy")
    lease.acquire(later.run_id, "platform_deploy")
    write_replicas(empty, 3)
    empty.deploy("tiny", later)
    later.back()
    assert "its data stays as the newer version wrote it" in told(empty).left["tiny"]
    assert replicas(empty) == 3
    policies(empty, rollback_on_failed_gate=True, rollback_stateful=True)
    later.back()
    assert [one.component for one in told(empty).back] == ["tiny"]
    assert replicas(empty) == 2
    lease.release(later.run_id, "platform_deploy")


@thorough
def test_what_went_back_and_is_not_sound_either_fails(empty: Stack, run: GateRun) -> None:
    failing = {**CHECK, "command": ["kubectl", "get", "deployment/none", "--namespace=tiny"]}
    component(empty, checks=[failing])
    deploy_before(empty, run, 1)
    write_replicas(empty, 2)
    empty.deploy("tiny", run)
    with pytest.raises(AirflowFailException, match="not sound either"):
        run.back()
    assert replicas(empty) == 1


def test_it_keeps_still_without_the_policy_and_before_any_stage(stack: Stack, run: GateRun) -> None:
    policies(stack)
    with pytest.raises(AirflowSkipException, match="rollback_on_failed_gate is not set"):
        run.back()
    run.states = {"preflight": "failed", "data_layer.gate": "upstream_failed"}
    with pytest.raises(AirflowSkipException, match="nothing to go back from"):
        run.back()
