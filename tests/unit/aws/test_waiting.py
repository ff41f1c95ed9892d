"""Waiting without a worker: triggers survive the database, give up on time, and outlast short troubles of AWS."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from slipway.model.errors import StuckError
from slipway.operators.converge import SLICE, Progress
from slipway.operators.lease import AcquireLeaseOperator
from slipway.operators.links import ClusterLink, NodeGroupLink, StackLink
from slipway.triggers import polling
from slipway.triggers.cloudformation import ChangeSetTrigger, StackTrigger
from slipway.triggers.eks import AddonsTrigger, ClusterTrigger, NodeGroupTrigger, UpdateTrigger
from slipway.triggers.polling import PollTrigger

MEMORY = {"changes": [], "done": {"a": "b"}, "deadlines": {}}


class Scripted(PollTrigger):
    """Sees one thing after the other; an exception is what AWS answers with."""

    service = "eks"

    def __init__(self, *answers: str | Exception | None, until: float = 0.0) -> None:
        super().__init__("us-east-1", until, MEMORY)
        self.answers = list(answers)
        self.looks = 0

    def subject(self) -> dict[str, Any]:
        return {}

    async def look(self, client: Any) -> str | None:
        self.looks += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(polling, "LONGEST_PAUSE", 0.002)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")


def event(trigger: PollTrigger) -> dict[str, Any]:
    async def first() -> Any:
        return await anext(trigger.run())

    payload: dict[str, Any] = asyncio.run(first()).payload
    return payload


def soon() -> float:
    return time.time() + 5


def test_it_looks_until_it_settles() -> None:
    trigger = Scripted(None, None, "ACTIVE", until=soon())
    assert event(trigger) == {"status": "settled", "state": "ACTIVE", "memory": MEMORY}
    assert trigger.looks == 3


def test_it_stops_on_time_and_looks_at_least_once() -> None:
    trigger = Scripted(until=time.time() - 1)
    assert event(trigger) == {"status": "waiting", "memory": MEMORY}
    assert trigger.looks == 1


def test_short_troubles_are_outlasted_and_long_ones_reported() -> None:
    assert event(Scripted(OSError("reset"), OSError("reset"), "ACTIVE", until=soon()))["state"] == "ACTIVE"
    failed = event(Scripted(*[OSError("reset")] * 20, until=soon()))
    assert (failed["status"], failed["message"]) == ("failed", "OSError: reset")


@pytest.mark.parametrize(
    "trigger",
    [
        StackTrigger("us-east-1", "s", 1.5, MEMORY),
        ChangeSetTrigger("us-east-1", "s", "c", 1.5, MEMORY),
        ClusterTrigger("us-east-1", "c", 1.5, MEMORY),
        NodeGroupTrigger("us-east-1", "c", "n", 1.5, MEMORY),
        UpdateTrigger("us-east-1", "c", "u", "n", None, 1.5, MEMORY),
        AddonsTrigger("us-east-1", "c", ["a"], ["CREATING"], 1.5, MEMORY),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_triggers_survive_the_database(trigger: PollTrigger) -> None:
    path, arguments = trigger.serialize()
    again = import_string(path)(**arguments)
    assert again.serialize() == (path, arguments)
    assert arguments["memory"] == MEMORY


def test_a_long_wait_comes_back_in_slices_and_ends_at_its_deadline() -> None:
    operator = AcquireLeaseOperator(task_id="x")
    progress = Progress()
    with pytest.raises(TaskDeferred) as deferred:
        operator.wait_for(progress, "thing", StackTrigger("us-east-1", "s"), timedelta(hours=4))
    trigger = deferred.value.trigger
    assert trigger.until == pytest.approx(time.time() + SLICE.total_seconds(), abs=5)
    again = Progress.load(trigger.memory)
    assert again == progress
    again.deadlines["thing"] = time.time() - 1
    with pytest.raises(StuckError, match="thing is not ready after 240 minutes"):
        operator.wait_for(again, "thing", StackTrigger("us-east-1", "s"), timedelta(hours=4))


def test_links_lead_to_the_console_of_region_and_partition() -> None:
    assert ClusterLink.address("eu-west-1", cluster="slipway-dev") == (
        "https://eu-west-1.console.aws.amazon.com/eks/clusters/slipway-dev?region=eu-west-1"
    )
    assert StackLink.address("cn-north-1", stack="a b").startswith(
        "https://cn-north-1.console.amazonaws.cn/cloudformation/home?region=cn-north-1#/stacks?filteringText=a%20b"
    )
    assert "amazonaws-us-gov.com" in NodeGroupLink.address("us-gov-west-1", cluster="c", nodegroup="n")
