"""Runbooks on the rehearsal cloud: evidence, a mend by policy, and a person after so many tries."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from slipway.decisions.runbook_report import RunbookBody
from slipway.decisions.runbooks import Diagnosis, Outcome
from slipway.hooks import notifiers
from slipway.hooks.reports import ReportsHook
from slipway.model.health import FindingKind
from slipway.operators.health import TellOperator, WatchOperator
from slipway.operators.runbook import RunbooksOperator

from tests.rehearsal.components.driver import Run
from tests.rehearsal.watch.conftest import MEMBER, Watched, thorough


def worked(watched: Watched) -> list[Diagnosis]:
    """One run of the DAG's tasks in order."""
    watched.runs += 1
    run = Run(f"manual__{watched.runs}", environment="dev")
    run.task(WatchOperator(task_id="watch", member=MEMBER))
    run.task(RunbooksOperator(task_id="runbooks", member=MEMBER))
    report = ReportsHook(watched.platform).latest("runbook", RunbookBody)
    assert report is not None
    return report.body.diagnoses


def pods(watched: Watched, namespace: str) -> set[str]:
    return set(watched.kubectl("get", "pods", "-n", namespace, "-o", "name").split())


@thorough
def test_crash_loop_is_explained_and_left_alone_unless_asked(watched: Watched) -> None:
    with watched.fault("crash-loop", workload="kafka", log="FATAL cannot open log; password=hunter2"):
        (diagnosis,) = worked(watched)
    assert diagnosis.outcome is Outcome.SUGGESTED
    assert diagnosis.mend is not None
    assert diagnosis.mend.says.startswith("kubectl -n streaming delete pod kafka-")
    assert "cannot open log" in diagnosis.cause
    assert any("BackOff" in line for line in diagnosis.evidence.events)
    # Reports are read by more people than logs are.
    assert "hunter2" not in diagnosis.model_dump_json()
    watched.until_running()


def test_crash_loop_is_mended_when_asked(watched: Watched, described: Any) -> None:
    described(policies={"runbooks": "auto"})
    with watched.fault("crash-loop", workload="kafka"):
        (diagnosis,) = worked(watched)
        assert diagnosis.outcome is Outcome.APPLIED, diagnosis.note
        assert "its controller makes anew" in diagnosis.note
        watched.until_running()
        assert watched.watch().verdict == "Healthy"


@thorough
def test_evicted_pods_are_cleared_away(watched: Watched, described: Any) -> None:
    described(policies={"runbooks": "auto"})
    with watched.fault("pods-evicted", namespace="default", count=3):
        diagnoses = worked(watched)
        assert {one.outcome for one in diagnoses} == {Outcome.APPLIED}
        assert not [name for name in pods(watched, "default") if "evicted" in name]


@thorough
def test_a_person_is_called_when_mending_does_not_help(
    watched: Watched, described: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(notifiers, "send", lambda message, region, context: sent.append(message))
    channel = {"kind": "sns", "target": "arn:aws:sns:us-east-1:123456789012:platform"}
    described(policies={"runbooks": "auto", "mend_tries": 1}, notifications={"channels": [channel]})
    node = {"kind": "node-not-ready"}
    with watched.fault(**node):
        first = next(one for one in worked(watched) if one.finding.kind is FindingKind.NODE_NOT_READY)
        assert (first.outcome, sent) == (Outcome.APPLIED, [])
        second = next(one for one in worked(watched) if one.finding.kind is FindingKind.NODE_NOT_READY)
        assert second.outcome is Outcome.EXHAUSTED
        assert [message.kind for message in sent] == ["call"]
        worked(watched)
        assert len(sent) == 1, "nobody is called twice for the same"
    watched.kubectl("uncordon", first.finding.labels["node"])
    watched.until_running()


@thorough
def test_off_means_off(watched: Watched, described: Any) -> None:
    described(policies={"runbooks": False})
    with watched.fault("crash-loop", workload="kafka"), pytest.raises(AirflowSkipException, match="off"):
        worked(watched)
    watched.until_running()


@thorough
def test_everybody_is_told_once(watched: Watched, described: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(notifiers, "send", lambda message, region, context: sent.append(message))
    arn = "arn:aws:sns:us-east-1:123456789012:everybody"
    channels = [{"kind": "sns", "target": arn}, {"kind": "pagerduty", "at_least": "Down"}]
    described(notifications={"channels": channels})

    def told() -> list[str]:
        watched.runs += 1
        run = Run(f"manual__{watched.runs}", environment="dev")
        run.task(WatchOperator(task_id="watch", member=MEMBER))
        run.task(TellOperator(task_id="tell", member=MEMBER))
        return [message.title for message in sent]

    assert told() == []
    with watched.fault("alert-firing", alert="KubernetesAPISlow"):
        assert told() == ["slipway-dev (us-east-1) is Degraded"]
        assert told() == ["slipway-dev (us-east-1) is Degraded"]
    # Good again once two runs in a row say so.
    assert len(told()) == 1
    assert told()[1:] == ["slipway-dev (us-east-1) is healthy again"]
    assert len(told()) == 2


def test_messages_reach_sns(watched: Watched, described: Any) -> None:
    import boto3

    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="platform")["TopicArn"]
    queue = sqs.create_queue(QueueName="platform")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    described(notifications={"channels": [{"kind": "sns", "target": topic}]})
    watched.runs += 1
    run = Run(f"manual__{watched.runs}", environment="dev")
    with watched.fault("alert-firing", alert="KubernetesAPISlow"):
        run.task(WatchOperator(task_id="watch", member=MEMBER))
        run.task(TellOperator(task_id="tell", member=MEMBER))
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)["Messages"]
    assert "is Degraded" in message["Body"]
    assert "KubernetesAPISlow" in message["Body"]
