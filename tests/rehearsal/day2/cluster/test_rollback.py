"""Going back to a kept release, through the deploy's own operators."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from slipway.operators.rollback import RollbackComponentOperator, SurveyRollbackOperator

from tests.rehearsal.components.conftest import Stack
from tests.rehearsal.components.driver import Run

pytestmark = pytest.mark.timeout(120)


class Rollback(Run):
    """One run of the rollback: the survey's choice is what the others pull."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"components": ["tiny"], "release": None, **params})
        self.surveyed: Any = None

    def context(self, operator: Any) -> Any:
        found = super().context(operator)
        found["ti"].xcom_pull = lambda task_id: self.surveyed if task_id == "survey" else None
        return found

    def survey(self) -> dict[str, Any]:
        self.surveyed = self.task(SurveyRollbackOperator(task_id="survey")).value
        return dict(self.surveyed)

    def back(self, stack: Stack) -> Any:
        return self.task(RollbackComponentOperator(task_id="roll_back", component=stack.component("tiny"))).value


def replicas(stack: Stack) -> int:
    return int(stack.kubernetes("GET", "/apis/apps/v1/namespaces/tiny/deployments/tiny")["spec"]["replicas"])


def write_replicas(stack: Stack, number: int) -> None:
    path = stack.folder("tiny") / "deployment.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"  replicas: {number}" if "replicas:" in line else line for line in lines) + "\n")


def test_back_to_the_release_before_and_a_retry_stays_there(stack: Stack) -> None:
    write_replicas(stack, 1)
    stack.deploy("tiny")
    write_replicas(stack, 2)
    stack.deploy("tiny")
    assert replicas(stack) == 2
    run = Rollback()
    surveyed = run.survey()
    assert "changes Deployment tiny/tiny spec.replicas: 2 -> 1" in surveyed["body"]
    run.back(stack)
    assert replicas(stack) == 1
    # A task that is run again takes no second step back.
    assert run.back(stack) == []
    assert replicas(stack) == 1
    # And what was current before is a release to go back to as well.
    again = Rollback()
    again.survey()
    again.back(stack)
    assert replicas(stack) == 2


def test_a_release_that_is_not_kept_is_refused_and_others_are_left_alone(stack: Stack) -> None:
    stack.deploy("tiny")
    with pytest.raises(AirflowFailException, match="release 9999 is not kept; there are"):
        Rollback(release=9999).survey()
    with pytest.raises(AirflowFailException, match="Unknown components nobody; there are tiny"):
        Rollback(components=["nobody"]).survey()
    idle = Rollback()
    idle.surveyed = {"targets": {}}
    with pytest.raises(AirflowSkipException):
        idle.back(stack)
