"""Health on the rehearsal cloud: quiet while all is well, and every fault found within one run and by its name."""

from __future__ import annotations

import time
from typing import Any

import pytest
from slipway.model.health import FindingKind

from tests.rehearsal.watch.conftest import Watched, call, thorough

# What is injected, and what must be found: kind, part of the subject, part of the sentence.
FAULTS: list[tuple[str, dict[str, Any], FindingKind, str, str]] = [
    ("node-gone", {}, FindingKind.NODE_GONE, "node group primary", "2 of 3 nodes"),
    ("node-not-ready", {}, FindingKind.NODE_NOT_READY, "Node ip-", "Kubelet stopped posting"),
    ("node-pressure", {}, FindingKind.NODE_PRESSURE, "Node ip-", "DiskPressure"),
    ("pods-pending", {"namespace": "default"}, FindingKind.POD_PENDING, "default/pending-0", "pending for 15 min"),
    ("pods-evicted", {"namespace": "default"}, FindingKind.EVICTED_PODS, "default/evicted-", "evicted"),
    ("crash-loop", {"workload": "kafka"}, FindingKind.CRASH_LOOP, "streaming/kafka", "12 restarts"),
    ("stuck-rollout", {"namespace": "default"}, FindingKind.STUCK_ROLLOUT, "Deployment default/stuck", "timed out"),
    ("failed-job", {"namespace": "default"}, FindingKind.FAILED_JOB, "Job default/nightly-0", "backoff limit"),
    ("claim-full", {"name": "data-kafka-0"}, FindingKind.CLAIM_FULL, "claim streaming/data-kafka-0", "95% full"),
    (
        "claim-pending",
        {"namespace": "default"},
        FindingKind.CLAIM_PENDING,
        "claim default/waits",
        "Pending since 15 min",
    ),
    ("no-endpoints", {"namespace": "default"}, FindingKind.NO_ENDPOINTS, "default/nobody-answers", "none of them"),
    ("certificate-expiring", {"days": 5}, FindingKind.CERTIFICATE, "Secret default/ingress-tls", "expires in "),
    ("quota-nearly-used", {"namespace": "streaming"}, FindingKind.NAMESPACE_QUOTA, "streaming: pods", "used ("),
    ("target-down", {"job": "prometheus"}, FindingKind.TARGET_DOWN, "monitoring/prometheus", "do not answer"),
    ("alert-firing", {"alert": "KubernetesAPISlow"}, FindingKind.ALERT_FIRING, "alert KubernetesAPISlow", "warning"),
    (
        "error-budget-spent",
        {},
        FindingKind.ERROR_BUDGET,
        "objective maze: requests succeed",
        "-20% of its error budget",
    ),
    ("consumer-lagging", {}, FindingKind.CONSUMER_LAG, "group etl on events", "250,000 messages behind"),
    ("prometheus-gone", {}, FindingKind.MONITORING, "Prometheus", "no endpoints available"),
]


def test_healthy_and_cheap(watched: Watched) -> None:
    watched.watch()
    stats = f"{watched.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/stats"
    before, kubernetes = call("GET", stats), _kubernetes(watched)
    report = watched.watch()
    after, later = call("GET", stats), _kubernetes(watched)
    assert report.verdict == "Healthy", [str(one) for one in report.body.findings]
    assert report.missing == []
    # The report says what it cost; the cloud counted.
    of_aws = {
        name: entry["count"] - before["calls"].get(name, {"count": 0})["count"]
        for name, entry in after["calls"].items()
    }
    made = {name: count for name, count in of_aws.items() if count and not name.startswith("sts.")}
    s3 = sum(count for name, count in made.items() if name.startswith("s3."))
    # The test itself reads the report once.
    assert s3 == report.body.calls["s3"] + 1, made
    assert sum(made.values()) - s3 == report.body.calls["aws"], made
    assert later - kubernetes == report.body.calls["kubernetes"] + report.body.calls["prometheus"]
    # 11 + node groups + add-ons, one and four of which are here; whatever the cluster's size.
    assert report.body.calls["aws"] <= 16
    assert report.body.calls["kubernetes"] <= 11
    # Nothing but the report and the memory is written.
    mutating = [name for name in made if after["calls"][name]["mutating"]]
    assert mutating == ["s3.PutObject"]


def _kubernetes(watched: Watched) -> int:
    """Reads of the cluster's API so far, other than by the rehearsal's own controllers."""
    return sum(sum(one["reading"].values()) for one in call("GET", f"{watched.cloud.admin_url}/stats").values())


# A few of every source are found by default: nodes, pods, Secrets, Prometheus.
_ALWAYS = {"node-gone", "pods-pending", "claim-full", "certificate-expiring", "consumer-lagging"}


@pytest.mark.parametrize(
    ("kind", "spec", "found", "subject", "what"),
    [pytest.param(*fault, id=fault[0], marks=() if fault[0] in _ALWAYS else thorough) for fault in FAULTS],
)
def test_every_fault_is_found_in_one_run_by_its_name(
    watched: Watched, kind: str, spec: dict[str, Any], found: FindingKind, subject: str, what: str
) -> None:
    with watched.fault(kind, **spec):
        report = watched.watch()
    named = {one.kind: one for one in report.body.findings}
    assert report.verdict == "Degraded", report.verdict
    assert found in named, [str(one) for one in report.body.findings]
    assert subject in named[found].subject
    assert what in named[found].what
    # Named rightly: nothing else is blamed, other than what the fault really does bring about.
    assert set(named) <= {found, *CONSEQUENCES.get(found, set())}, [str(one) for one in report.body.findings]
    _settle(watched)


CONSEQUENCES = {
    # Pods of a node that is gone find no place in its zone, or not at once.
    FindingKind.NODE_GONE: {FindingKind.POD_PENDING},
}


def _settle(watched: Watched) -> None:
    """Wait until the platform is as before; controllers need a moment to mend what a fault broke."""
    watched.until_running()
    deadline = time.monotonic() + 20
    while (report := watched.watch()).verdict != "Healthy":
        assert time.monotonic() < deadline, [str(one) for one in report.body.findings]
        time.sleep(0.2)


@thorough
def test_degraded_add_on_is_found(watched: Watched) -> None:
    import boto3

    eks = boto3.client("eks")
    with watched.fault(
        "addon-degraded", name="coredns", message="Deployment kube-system/coredns has 0 of 2 pods ready"
    ):
        _until(
            lambda: eks.describe_addon(clusterName="slipway-dev", addonName="coredns")["addon"]["status"], "DEGRADED"
        )
        report = watched.watch()
    (finding,) = report.body.findings
    assert (finding.kind, finding.subject) == (FindingKind.ADDON_DEGRADED, "add-on coredns")
    assert "0 of 2 pods ready" in finding.what
    _until(lambda: eks.describe_addon(clusterName="slipway-dev", addonName="coredns")["addon"]["status"], "ACTIVE")


def _until(state: Any, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while state() != wanted:
        assert time.monotonic() < deadline, state()
        time.sleep(0.1)


def test_version_near_its_end_is_found(watched: Watched) -> None:
    with watched.aws_fault("version-support-ends", version="1.36", days=20):
        report = watched.watch()
    (finding,) = report.body.findings
    assert (finding.kind, finding.subject) == (FindingKind.VERSION_SUPPORT, "Kubernetes 1.36")
    assert "standard support of 1.36 ends in" in finding.what


def test_missing_permission_costs_its_own_part_only(watched: Watched) -> None:
    with watched.aws_fault("denied", service="servicequotas", operation="GetServiceQuota"):
        report = watched.watch()
    assert report.verdict == "Healthy"
    assert {part.part for part in report.missing} == {"quota of instances", "quota of addresses"}
    assert "AccessDenied" in report.missing[0].reason
    assert report.body.counts["nodes"] == 3


@thorough
def test_throttling_is_waited_out(watched: Watched) -> None:
    with watched.aws_fault("throttled", service="eks", operation="DescribeAddon", times=2):
        report = watched.watch()
    assert (report.verdict, report.missing) == ("Healthy", [])


@thorough
def test_no_false_alarm_in_a_row_of_healthy_runs(watched: Watched) -> None:
    verdicts = {watched.watch().verdict for _ in range(5)}
    assert verdicts == {"Healthy"}
