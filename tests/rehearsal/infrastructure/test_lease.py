"""The lease against S3: races, expiry, clearing."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from slipway.hooks.lease import LeaseHook
from slipway.model.errors import LeaseLostError, RefusedError
from slipway.model.lease import LEASE_KEY
from slipway.model.platform import Platform
from slipway.operators.lease import AcquireLeaseOperator, ReleaseLeaseOperator

from tests.rehearsal.infrastructure.conftest import Aws
from tests.support.deferral import context, run

DAG = "platform_deploy"


@pytest.fixture
def bucket(aws: Aws, platform: Platform) -> str:
    aws.client("s3").create_bucket(Bucket=platform.bucket)
    return platform.bucket


def test_one_of_many_gets_it(aws: Aws, bucket: str, platform: Platform) -> None:
    outcomes: dict[int, str] = {}
    start = threading.Barrier(8)

    def contend(number: int) -> None:
        hook = LeaseHook(platform)
        start.wait()
        try:
            outcomes[number] = hook.acquire(f"run-{number}", DAG).holder
        except RefusedError:
            outcomes[number] = "refused"

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, outcome in outcomes.items() if outcome == f"run-{number}"]
    assert len(winners) == 1
    assert list(outcomes.values()).count("refused") == 7
    held = LeaseHook(platform).read()
    assert held is not None
    assert held.holder == f"run-{winners[0]}"


def test_refusal_says_who_since_when_and_how_to_break_it(bucket: str, platform: Platform) -> None:
    LeaseHook(platform).acquire("run-1", DAG)
    with pytest.raises(RefusedError) as refused:
        LeaseHook(platform).acquire("run-2", DAG)
    message = str(refused.value)
    assert "run run-1 of DAG platform_deploy, since 20" in message
    assert f"aws s3 rm s3://{bucket}/{LEASE_KEY}" in message


def test_same_run_of_another_dag_is_another_holder(bucket: str, platform: Platform) -> None:
    LeaseHook(platform).acquire("run-1", DAG)
    with pytest.raises(RefusedError):
        LeaseHook(platform).acquire("run-1", "platform_teardown")


def test_a_dead_holders_lease_is_taken_over_once_it_expired(bucket: str, platform: Platform) -> None:
    LeaseHook(platform).acquire("dead", DAG, ttl=timedelta(seconds=-1))
    assert LeaseHook(platform).read() is None
    assert LeaseHook(platform).acquire("alive", DAG).holder == "alive"
    with pytest.raises(LeaseLostError, match="went to run alive"):
        LeaseHook(platform).hold("dead", DAG)


def test_holding_renews_only_when_it_pays(aws: Aws, bucket: str, platform: Platform) -> None:
    hook = LeaseHook(platform)
    first = hook.acquire("run-1", DAG)
    assert hook.hold("run-1", DAG) == first
    hook.s3.put_object(
        Bucket=bucket,
        Key=LEASE_KEY,
        Body=first.model_copy(update={"until": first.until - timedelta(minutes=30)}).model_dump_json().encode(),
    )
    renewed = hook.hold("run-1", DAG)
    assert renewed.until > first.until - timedelta(minutes=1)
    assert renewed.since == first.since


def test_released_lease_is_free_and_a_cleared_task_takes_it_again(bucket: str, platform: Platform) -> None:
    hook = LeaseHook(platform)
    hook.acquire("run-1", DAG)
    assert hook.release("run-1", DAG) is True
    assert hook.read() is None
    assert hook.release("run-1", DAG) is False
    assert hook.hold("run-1", DAG).holder == "run-1"


def test_a_cleared_task_does_not_take_it_from_another_run(bucket: str, platform: Platform) -> None:
    hook = LeaseHook(platform)
    hook.acquire("run-1", DAG)
    hook.release("run-1", DAG)
    hook.acquire("run-2", DAG)
    with pytest.raises(LeaseLostError, match="went to run run-2"):
        hook.hold("run-1", DAG)
    assert hook.release("run-1", DAG) is False
    held = hook.read()
    assert held is not None
    assert held.holder == "run-2"


def test_holding_without_a_bucket_says_so(aws: Aws, platform: Platform) -> None:
    assert LeaseHook(platform).read() is None
    with pytest.raises(LeaseLostError, match="Run the task that acquires the lease first"):
        LeaseHook(platform).hold("run-1", DAG)


def test_operators_make_the_bucket_take_the_lease_and_give_it_back(aws: Aws, platform: Platform) -> None:
    outcome = run(
        AcquireLeaseOperator(task_id="acquire"),
        context(
            environment=platform.environment.name,
        ),
    )
    assert {change["action"] for change in outcome.value} == {"create"}
    held = LeaseHook(platform).read()
    assert held is not None
    assert (held.holder, held.dag_id) == ("manual__1", DAG)
    assert (
        run(
            AcquireLeaseOperator(task_id="acquire"),
            context(
                environment=platform.environment.name,
            ),
        ).value
        == []
    )
    run(
        ReleaseLeaseOperator(task_id="release"),
        context(
            environment=platform.environment.name,
        ),
    )
    assert LeaseHook(platform).read() is None


def test_planning_takes_no_lease(aws: Aws, platform: Platform) -> None:
    before = aws.mutating_calls()
    outcome = run(
        AcquireLeaseOperator(task_id="acquire"), context(environment=platform.environment.name, plan_only=True)
    )
    assert [change["action"] for change in outcome.value] == ["create"]
    run(ReleaseLeaseOperator(task_id="release"), context(environment=platform.environment.name, plan_only=True))
    assert aws.mutating_calls() == before
