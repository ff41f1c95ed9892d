"""Checks as pods, and the gate that counts them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from slipway.hooks.records import RecordsHook
from slipway.model.component import StageName
from slipway.operators.check import CheckOperator
from slipway.operators.gate import GateOperator

from tests.rehearsal.components.conftest import Stack, edit
from tests.rehearsal.components.driver import Outcome, Run

pytestmark = pytest.mark.timeout(180)
PODS = "/api/v1/namespaces/tiny/pods"


def recorded(stack: Stack, check: str, run_id: str = "manual__1") -> dict[str, Any]:
    found = RecordsHook(stack.platform).get_json(f"runs/{run_id}/checks/data-layer/tiny/{check}.json")
    assert isinstance(found, dict)
    return found


def check_pods(stack: Stack) -> list[Any]:
    found = stack.kubernetes("GET", PODS, labelSelector="slipway.dev/role=check")
    return list(found["items"])


def test_a_check_that_passes_says_what_it_proved(stack: Stack) -> None:
    stack.deploy("tiny")
    outcome = stack.check("tiny", "lists")
    assert outcome.waits == ["CheckPodTrigger"]
    result = outcome.pushed["return_value"]
    assert (result["state"], result["proved"]) == ("passed", {"replicas": 2})
    assert result["seconds"] >= 0
    assert recorded(stack, "lists") == result
    assert check_pods(stack) == []


def test_a_check_that_cannot_run_here_is_skipped_with_its_reason(stack: Stack) -> None:
    stack.deploy("tiny")
    with pytest.raises(AirflowSkipException, match="answers could not run here: "):
        stack.check("tiny", "answers")
    result = recorded(stack, "answers")
    assert result["state"] == "skipped"
    assert result["reason"]
    assert result["proved"] == {}
    assert check_pods(stack) == []


def test_a_check_that_fails_fails_with_its_own_words(stack: Stack) -> None:
    stack.deploy("tiny")
    with pytest.raises(AirflowFailException, match=r"tiny/fails failed: exit code 1: .*no-such-thing.* not found"):
        stack.check("tiny", "fails")
    assert recorded(stack, "fails")["state"] == "failed"
    assert check_pods(stack) == []


def test_a_check_that_proves_nothing_fails(stack: Stack) -> None:
    stack.deploy("tiny")
    with pytest.raises(AirflowFailException, match="tiny/silent proved nothing"):
        stack.check("tiny", "silent")
    assert recorded(stack, "silent")["state"] == "failed"


def test_a_retry_finds_the_pod_of_the_try_before(stack: Stack) -> None:
    stack.deploy("tiny")
    run = Run("manual__8")
    component = stack.component("tiny")
    check = next(item for item in component.spec.checks if item.name == "endless")
    for _ in range(2):
        operator = CheckOperator(task_id="check_endless", component=component, check=check)
        context = run.context(operator)
        operator.render_template_fields(context)
        with pytest.raises(TaskDeferred):
            operator.execute(context)
    pods = check_pods(stack)
    assert len(pods) == 1
    assert pods[0]["spec"]["activeDeadlineSeconds"] == 300
    stack.kubernetes("DELETE", f"{PODS}/{pods[0]['metadata']['name']}")


def test_a_check_pod_may_do_nothing_but_check(stack: Stack) -> None:
    stack.deploy("tiny")
    component = stack.component("tiny")
    check = next(item for item in component.spec.checks if item.name == "answers")
    operator = CheckOperator(task_id="check_answers", component=component, check=check)
    context = Run("manual__9").context(operator)
    operator.render_template_fields(context)
    with pytest.raises(TaskDeferred):
        operator.execute(context)
    (pod,) = check_pods(stack)
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert container["image"] == "nginxinc/nginx-unprivileged:1.31.0"
    assert container["command"] == ["sh", "/checks/answers.sh"]
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert spec["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"] == {"limits": {"memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}}
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert pod["metadata"]["labels"]["slipway.dev/component"] == "tiny"
    stack.kubernetes("DELETE", f"{PODS}/{pod['metadata']['name']}")


def test_plans_and_unchosen_stages_skip_checks_and_gates_and_call_nothing(stack: Stack) -> None:
    stack.deploy("tiny")
    before = stack.mutating_calls()
    with pytest.raises(AirflowSkipException, match="Plan only"):
        stack.check("tiny", "lists", Run(plan_only=True))
    with pytest.raises(AirflowSkipException, match="was not chosen"):
        stack.check("tiny", "lists", Run(stages=["validation"]))
    with pytest.raises(AirflowSkipException, match="Plan only"):
        gate(stack, Run(plan_only=True))
    with pytest.raises(AirflowSkipException, match="was not chosen"):
        gate(stack, Run(stages=["validation"]))
    assert stack.mutating_calls() == before


def test_a_pod_that_is_refused_is_a_recorded_failure(empty: Stack) -> None:
    with pytest.raises(Exception, match=r"namespaces .*tiny.* not found|404"):
        empty.check("tiny", "lists", Run("manual__2"))
    result = recorded(empty, "lists", "manual__2")
    assert result["state"] == "failed"
    assert result["reason"].startswith("its pod could not be started")


def gate(stack: Stack, run: Run) -> Outcome:
    components = [stack.component("tiny")]
    return run.task(GateOperator(task_id="gate", stage=StageName.DATA_LAYER, components=components))


def keep_checks(stack: Stack, *names: str) -> None:
    path = stack.folder("tiny") / "component.yaml"
    checks = [check for check in yaml.safe_load(path.read_text())["checks"] if check["name"] in names]
    edit(path, checks=checks)


def test_a_gate_counts_honestly(stack: Stack) -> None:
    keep_checks(stack, "lists", "answers")
    run = Run("manual__3")
    stack.deploy("tiny")
    stack.check("tiny", "lists", run)
    with pytest.raises(AirflowSkipException):
        stack.check("tiny", "answers", run)
    outcome = gate(stack, run)
    assert outcome.value == {
        "stage": "data-layer",
        "green": True,
        "passed": 1,
        "skipped": 1,
        "failed": 0,
        "disabled": [],
    }
    report = RecordsHook(stack.platform).get_json("runs/manual__3/stages/data-layer.json")
    assert isinstance(report, dict)
    assert {check["check"]: check["state"] for check in report["checks"]} == {"lists": "passed", "answers": "skipped"}


def test_a_gate_refuses_failures_unknowns_and_what_was_never_deployed(empty: Stack) -> None:
    keep_checks(empty, "lists", "fails")
    with pytest.raises(AirflowFailException, match="never deployed to slipway-dev: tiny"):
        gate(empty, Run("manual__4"))
    empty.deploy("tiny")
    run = Run("manual__5")
    with pytest.raises(AirflowFailException):
        empty.check("tiny", "fails", run)
    with pytest.raises(AirflowFailException, match=r"tiny/fails failed: [\s\S]*tiny/lists has no result"):
        gate(empty, run)
    report = RecordsHook(empty.platform).get_json("runs/manual__5/stages/data-layer.json")
    assert isinstance(report, dict)
    assert report["green"] is False


def test_a_gate_leaves_disabled_components_out(stack: Stack) -> None:
    edit(stack.include / "environments/dev.yaml", components={"disabled": ["tiny"]})
    outcome = gate(stack, Run("manual__6"))
    assert (outcome.value["green"], outcome.value["disabled"]) == (True, ["tiny"])


def test_a_gate_waits_for_stragglers_and_gives_up_on_the_lost(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from slipway.operators import gate as module

    keep_checks(stack)
    stack.deploy("tiny")
    stack.kubernetes("DELETE", "/apis/apps/v1/namespaces/tiny/deployments/tiny")
    monkeypatch.setattr(module, "SETTLING", timedelta(seconds=2))
    with pytest.raises(AirflowFailException, match="not ready: Deployment tiny/tiny does not exist"):
        gate(stack, Run("manual__7"))
