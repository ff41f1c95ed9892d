"""When a fact becomes a finding, and which page of ``docs/runbooks`` explains each kind of finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.model.health import Finding, FindingKind, Verdict


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a fact becomes a finding."""

    pending: timedelta = timedelta(minutes=5)
    crash_restarts: int = 3
    workload_down: timedelta = timedelta(minutes=5)
    workload_short: timedelta = timedelta(minutes=15)
    scaling: timedelta = timedelta(minutes=10)
    service_unanswered: timedelta = timedelta(minutes=10)
    claim_pending: timedelta = timedelta(minutes=10)
    failed_job: timedelta = timedelta(hours=24)
    evicted: timedelta = timedelta(hours=24)
    claim_full: float = 0.90
    claim_filling: float = 0.70
    claim_days_left: float = 3.0
    certificate: timedelta = timedelta(days=21)
    rotation_overdue: timedelta = timedelta(days=1)
    version_support: timedelta = timedelta(days=60)
    aws_quota: float = 0.90
    namespace_quota: float = 0.95
    subnet_addresses: int = 16
    lag: float = 10_000.0
    error_budget: float = 0.1
    skew: timedelta = timedelta(minutes=2)


DEFAULT = Thresholds()
Labels = Mapping[str, str]
# Pages of docs/runbooks that explain a kind; alerts have pages of their own name.
RUNBOOKS: Mapping[FindingKind, str] = {
    FindingKind.CLUSTER_GONE: "cluster-gone",
    FindingKind.CONTROL_PLANE: "control-plane",
    FindingKind.API_UNREACHABLE: "api-unreachable",
    FindingKind.VERSION_SUPPORT: "version-support",
    FindingKind.NODE_GROUP: "node-group",
    FindingKind.NODE_GONE: "node-gone",
    FindingKind.NODE_NOT_READY: "NodeNotReady",
    FindingKind.NODE_PRESSURE: "NodeUnderPressure",
    FindingKind.NO_NODES: "node-gone",
    FindingKind.ADDON_DEGRADED: "addon-degraded",
    FindingKind.POD_PENDING: "PodPending",
    FindingKind.CRASH_LOOP: "PodCrashLooping",
    FindingKind.EVICTED_PODS: "evicted-pods",
    FindingKind.WORKLOAD_DOWN: "DeploymentUnavailable",
    FindingKind.WORKLOAD_SHORT: "DeploymentDegraded",
    FindingKind.STUCK_ROLLOUT: "stuck-rollout",
    FindingKind.FAILED_JOB: "JobFailed",
    FindingKind.CLAIM_FULL: "VolumeFilling",
    FindingKind.CLAIM_PENDING: "claim-pending",
    FindingKind.NO_ENDPOINTS: "no-endpoints",
    FindingKind.CERTIFICATE: "certificate-expiring",
    FindingKind.SECRET_ROTATION: "secret-rotation",
    FindingKind.AWS_QUOTA: "aws-quota",
    FindingKind.NAMESPACE_QUOTA: "QuotaNearlyUsed",
    FindingKind.SUBNET_ADDRESSES: "subnet-addresses",
    FindingKind.TARGET_DOWN: "TargetDown",
    FindingKind.COMPONENT_SILENT: "TargetDown",
    FindingKind.ERROR_BUDGET: "error-budget",
    FindingKind.CONSUMER_LAG: "KafkaConsumerLagGrowing",
    FindingKind.MONITORING: "ClusterStateUnknown",
    FindingKind.CLOCK_SKEW: "clock-skew",
    FindingKind.CHECK_FAILED: "check-failed",
}


def finding(
    kind: FindingKind,
    subject: str,
    what: str,
    *,
    down: bool = False,
    since: datetime | None = None,
    labels: Labels | None = None,
) -> Finding:
    """A finding with its page; degraded unless it takes the platform down."""
    severity = Verdict.DOWN if down else Verdict.DEGRADED
    page = RUNBOOKS.get(kind, "")
    return Finding(
        kind=kind,
        severity=severity,
        subject=subject,
        what=what,
        since=since,
        labels=dict(labels or {}),
        runbook=f"docs/runbooks/{page}.md" if page else "",
    )
