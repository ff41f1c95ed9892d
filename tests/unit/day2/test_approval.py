"""Who is asked, and what counts as a yes."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput
from slipway.operators import approval
from slipway.operators.approval import CONFIRMATION, ApproveOperator, ConfirmOperator

EVENT: dict[str, Any] = {
    "chosen_options": ["Approve"],
    "params_input": {"platform": "slipway-prod"},
    "responded_at": datetime(2026, 11, 22, tzinfo=UTC),
    "responded_by_user": {"id": "1", "name": "ann"},
}


def platform(protected: bool) -> Any:
    environment = SimpleNamespace(name="prod", protected=protected)
    return SimpleNamespace(name="slipway-prod", environment=environment)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of people."""
    found: list[dict[str, Any]] = []
    from airflow.providers.standard.operators import hitl

    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **values: found.append(values))
    return found


def operators() -> tuple[ApproveOperator, ConfirmOperator]:
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None):
        approve = ApproveOperator(task_id="approve", subject="s", body="b")
        confirm = ConfirmOperator(task_id="confirm", subject="s", params=CONFIRMATION)
        approve >> confirm
    return approve, confirm


def execute(operator: Any, **params: Any) -> Any:
    ti = SimpleNamespace(id="1", xcom_push=lambda **_: None)
    context = {"params": params, "task": operator, "task_instance": ti, "ti": ti}
    token = ExecutorSafeguard.tracker.set(operator)
    try:
        return operator.execute(context)
    finally:
        ExecutorSafeguard.tracker.reset(token)


def test_a_person_is_asked(asked: list[dict[str, Any]]) -> None:
    approve, _ = operators()
    with pytest.raises(TaskAwaitingInput):
        execute(approve)
    assert asked[0]["options"] == ["Approve", "Reject"]
    assert asked[0]["body"] == "b"


def test_unattended_asks_nobody_unless_the_environment_is_protected(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    approve, _ = operators()
    monkeypatch.setattr(approval, "platform_of", lambda context: platform(False))
    assert execute(approve, unattended=True) is None
    monkeypatch.setattr(approval, "platform_of", lambda context: platform(True))
    with pytest.raises(AirflowFailException, match="protected: true, so a person must approve"):
        execute(approve, unattended=True)
    assert asked == []


def test_only_the_exact_name_confirms(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    _, confirm = operators()
    monkeypatch.setattr(approval, "platform_of", lambda context: platform(False))
    with pytest.raises(AirflowSkipException):
        execute(confirm)
    monkeypatch.setattr(approval, "platform_of", lambda context: platform(True))
    with pytest.raises(TaskAwaitingInput):
        execute(confirm)
    assert list(asked[0]["params"]) == ["platform"]
    context: Any = {"params": {}, "task": confirm}
    assert confirm.execute_complete(context, EVENT)["chosen"] == "Approve"
    with pytest.raises(AirflowFailException, match="allowed: 'slipway-prod'"):
        confirm.execute_complete(context, {**EVENT, "params_input": {"platform": "slipway-dev"}})


def test_no_answer_in_time_ends_the_run_and_is_not_asked_again() -> None:
    event = {"error": "The timeout has passed", "error_type": "timeout"}
    for operator in operators():
        with pytest.raises(AirflowFailException, match="Nobody answered within 1 day"):
            operator.execute_complete({"params": {}, "task": operator}, event)
