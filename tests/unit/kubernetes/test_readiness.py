"""Readiness as a table: live facts in, a verdict and its reasons out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Facts, Readiness, awaited, judge

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
DEADLINE = NOW + timedelta(minutes=10)
READY, PROGRESSING, FAILED = Readiness.READY, Readiness.PROGRESSING, Readiness.FAILED


def ref(kind: str, name: str = "it") -> ObjectRef:
    namespace = "" if kind in {"Namespace", "CustomResourceDefinition"} else "data"
    return ObjectRef("v1", kind, namespace, name)


def live(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, generation: int = 1
) -> dict[str, Any]:
    metadata = {"name": "it", "namespace": "data", "generation": generation}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}}


def deployment(**status: Any) -> dict[str, Any]:
    return live({"replicas": 2}, {"observedGeneration": 1, **status})


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return live({"replicas": 3, **(spec or {})}, {"observedGeneration": 1, **status})


DONE = {"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("kind", "found", "state", "reason"),
    [
        ("Deployment", deployment(**DONE), READY, ""),
        (
            "Deployment",
            live({"replicas": 2}, {"observedGeneration": 1, **DONE}, generation=2),
            PROGRESSING,
            "not been seen",
        ),
        ("Deployment", deployment(), PROGRESSING, "0 of 2 replicas updated"),
        ("Deployment", deployment(updatedReplicas=2, replicas=3, availableReplicas=3), PROGRESSING, "1 old replicas"),
        ("Deployment", deployment(updatedReplicas=2, replicas=2, availableReplicas=1), PROGRESSING, "1 of 2 updated"),
        (
            "Deployment",
            deployment(conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]),
            PROGRESSING,
            "0 of 2 replicas updated, none of them for as long",
        ),
        ("Deployment", live({"replicas": 0}, {"observedGeneration": 1}), READY, ""),
        (
            "StatefulSet",
            stateful_set(readyReplicas=3, updatedReplicas=3, updateRevision="a", currentRevision="a"),
            READY,
            "",
        ),
        (
            "StatefulSet",
            stateful_set(readyReplicas=3, updatedReplicas=1, updateRevision="b", currentRevision="a"),
            PROGRESSING,
            "1 of 3 replicas updated",
        ),
        ("StatefulSet", stateful_set(readyReplicas=2), PROGRESSING, "2 of 3 replicas ready"),
        (
            "StatefulSet",
            stateful_set(
                {"updateStrategy": {"type": "OnDelete"}}, readyReplicas=3, updateRevision="b", currentRevision="a"
            ),
            READY,
            "",
        ),
        (
            "StatefulSet",
            stateful_set(
                {"updateStrategy": {"rollingUpdate": {"partition": 2}}},
                readyReplicas=3,
                updatedReplicas=1,
                updateRevision="b",
                currentRevision="a",
            ),
            READY,
            "",
        ),
        (
            "DaemonSet",
            live(
                {},
                {
                    "observedGeneration": 1,
                    "desiredNumberScheduled": 2,
                    "updatedNumberScheduled": 2,
                    "numberAvailable": 1,
                },
            ),
            PROGRESSING,
            "1 of 2 pods available",
        ),
        ("DaemonSet", live({}, {"observedGeneration": 1}), READY, ""),
        ("Job", live({"completions": 1}, {"conditions": [{"type": "Complete", "status": "True"}]}), READY, ""),
        ("Job", live({"completions": 2}, {"succeeded": 1}), PROGRESSING, "1 of 2 completed"),
        (
            "Job",
            live({}, {"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]}),
            FAILED,
            "backoff limit",
        ),
        ("Service", live({"type": "ClusterIP"}), READY, ""),
        ("Service", live({"type": "LoadBalancer"}), PROGRESSING, "no address"),
        ("Service", live({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"hostname": "x"}]}}), READY, ""),
        ("Namespace", live({}, {"phase": "Active"}), READY, ""),
        ("Namespace", live({}, {"phase": "Terminating"}), PROGRESSING, "Terminating"),
        ("CustomResourceDefinition", live(), PROGRESSING, "not served"),
        (
            "CustomResourceDefinition",
            live({}, {"conditions": [{"type": "Established", "status": "True"}]}),
            READY,
            "",
        ),
        ("ConfigMap", live(), READY, ""),
        ("Deployment", None, PROGRESSING, "does not exist"),
    ],
)
def test_each_kind(kind: str, found: dict[str, Any] | None, state: Readiness, reason: str) -> None:
    verdict = judge(Facts({ref(kind): found}), NOW, DEADLINE)
    assert verdict.state is state, verdict
    assert reason in "; ".join(verdict.reasons)
    assert bool(verdict.reasons) is (state is not READY)


def pod(status: dict[str, Any], claims: tuple[str, ...] = ()) -> dict[str, Any]:
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    created = (NOW - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    metadata = {"name": "it-0", "namespace": "data", "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"volumes": volumes}, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "apache/kafka:0",
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    return {"containerStatuses": [container | more]}


def judged(**facts: Any) -> Any:
    since = facts.pop("since", None)
    return judge(Facts({ref("Deployment"): deployment()}, **facts), NOW, DEADLINE, since)


def test_an_image_that_does_not_exist_is_given_up_after_its_grace() -> None:
    verdict = judged(pods=[pod(waiting("ImagePullBackOff", "manifest unknown"))])
    assert verdict.state is FAILED
    assert "apache/kafka:0 cannot be pulled: manifest unknown" in verdict.reasons[0]


@pytest.mark.parametrize("message", ["", "connection reset by peer"])
def test_an_image_that_may_yet_be_pulled_is_waited_for(message: str) -> None:
    assert judged(pods=[pod(waiting("ErrImagePull", message))]).state is PROGRESSING


def test_an_image_name_that_is_none_is_final_at_once() -> None:
    assert judged(pods=[pod(waiting("InvalidImageName"))]).state is FAILED


def test_crash_loops_are_waited_for_and_explained_with_the_last_words() -> None:
    last = {"terminated": {"exitCode": 3, "message": "no route\n to zookeeper"}}
    verdict = judged(pods=[pod(waiting("CrashLoopBackOff", lastState=last, restartCount=4))])
    assert verdict.state is PROGRESSING
    assert any("exit code 3 (4 restarts): no route to zookeeper" in reason for reason in verdict.reasons)


def test_unschedulable_pods_are_waited_for_until_the_deadline() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: cpu"}
    facts = Facts({ref("Deployment"): deployment()}, [pod({"conditions": [condition]})])
    assert judge(facts, NOW, DEADLINE).state is PROGRESSING
    late = judge(facts, DEADLINE, DEADLINE)
    assert late.state is FAILED
    assert late.reasons[0] == "the deadline has passed"
    assert any("0/2 nodes: cpu" in reason for reason in late.reasons)


def event(
    message: str, kind: str = "ReplicaSet", name: str = "it-7d9f", ago: int = 120, last: int = 5
) -> dict[str, Any]:
    def stamp(seconds: int) -> str:
        return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    source = {"kind": kind, "name": name, "namespace": "data"}
    times = {"firstTimestamp": stamp(ago), "lastTimestamp": stamp(last)}
    return {"reason": "FailedCreate", "message": message, "involvedObject": source, **times}


@pytest.mark.parametrize(
    "message", ["pods is forbidden: exceeded quota: namespace", 'violates PodSecurity "restricted"']
)
def test_refused_pods_are_final_after_a_grace(message: str) -> None:
    assert judged(events=[event(message)]).state is FAILED
    assert judged(events=[event(message, ago=10)]).state is PROGRESSING


def test_refusals_of_an_earlier_rollout_or_of_others_do_not_count() -> None:
    message = "exceeded quota"
    earlier = judged(events=[event(message, last=60)], since=NOW - timedelta(seconds=30))
    assert not any("quota" in reason for reason in earlier.reasons)
    other = judged(events=[event(message, name="other-7d9f")])
    assert not any("quota" in reason for reason in other.reasons)


def test_a_claim_is_waited_for_only_when_a_pod_wants_it() -> None:
    claim = ref("PersistentVolumeClaim", "disk")
    pending = live({}, {"phase": "Pending"})
    assert judge(Facts({claim: pending}), NOW, DEADLINE).state is READY
    wanted = judge(Facts({claim: pending}, [pod({}, ("disk",))]), NOW, DEADLINE)
    assert wanted.state is PROGRESSING
    lost = judge(Facts({claim: live({}, {"phase": "Lost"})}, [pod({}, ("disk",))]), NOW, DEADLINE)
    assert lost.state is FAILED


def test_pods_with_the_same_trouble_are_told_of_once() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: cpu"}
    verdict = judged(pods=[pod({"conditions": [condition]})] * 3)
    assert [reason for reason in verdict.reasons if "Pod" in reason] == [
        "Pod data/it-0 and 2 more: Unschedulable: 0/2 nodes: cpu"
    ]


def test_a_rollout_that_ran_out_of_time_still_says_what_its_pods_say() -> None:
    late = deployment(conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}])
    crash = pod(waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1, "message": "no license"}}))
    verdict = judge(Facts({ref("Deployment"): late}, [crash]), DEADLINE, DEADLINE)
    assert verdict.state is FAILED
    assert any("no license" in reason for reason in verdict.reasons)


def test_pods_of_ready_workloads_are_not_looked_at() -> None:
    facts = Facts({ref("Deployment"): deployment(**DONE)}, [pod(waiting("InvalidImageName"))])
    assert judge(facts, NOW, DEADLINE).state is READY


def test_nothing_awaited_is_ready() -> None:
    refs = [ref("ConfigMap"), ref("Deployment"), ref("PodDisruptionBudget")]
    assert awaited(refs) == [ref("Deployment")]
    assert judge(Facts({}), NOW, DEADLINE).state is READY
