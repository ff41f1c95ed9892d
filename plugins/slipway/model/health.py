"""What is known of a platform's health, and what was made of it.

Facts are small whatever the cluster's size: healthy pods are counted, only the others are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, JsonValue

from slipway.model.light_checks import Checking, CheckMemory, CheckSeen
from slipway.model.records import Record
from slipway.model.report import Missing

KIND = "health"


class Verdict(StrEnum):
    """A platform's health in one word."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    DOWN = "Down"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Verdict).index(self)


class FindingKind(StrEnum):
    """Everything that can be wrong. A kind with a runbook has its page in ``docs/runbooks``."""

    CLUSTER_GONE = "cluster-gone"
    CONTROL_PLANE = "control-plane"
    API_UNREACHABLE = "api-unreachable"
    VERSION_SUPPORT = "version-support"
    NODE_GROUP = "node-group"
    NODE_GONE = "node-gone"
    NODE_NOT_READY = "node-not-ready"
    NODE_PRESSURE = "node-pressure"
    NO_NODES = "no-nodes"
    ADDON_DEGRADED = "addon-degraded"
    POD_PENDING = "pod-pending"
    CRASH_LOOP = "crash-loop"
    EVICTED_PODS = "evicted-pods"
    WORKLOAD_DOWN = "workload-down"
    WORKLOAD_SHORT = "workload-short"
    STUCK_ROLLOUT = "stuck-rollout"
    FAILED_JOB = "failed-job"
    CLAIM_FULL = "claim-full"
    CLAIM_PENDING = "claim-pending"
    NO_ENDPOINTS = "no-endpoints"
    CERTIFICATE = "certificate"
    SECRET_ROTATION = "secret-rotation"  # noqa: S105 - the name of a kind
    AWS_QUOTA = "aws-quota"
    NAMESPACE_QUOTA = "namespace-quota"
    SUBNET_ADDRESSES = "subnet-addresses"
    TARGET_DOWN = "target-down"
    COMPONENT_SILENT = "component-silent"
    ALERT_FIRING = "alert-firing"
    ERROR_BUDGET = "error-budget"
    CONSUMER_LAG = "consumer-lag"
    MONITORING = "monitoring"
    CLOCK_SKEW = "clock-skew"
    CHECK_FAILED = "check-failed"


class Finding(Record):
    """One thing that is wrong.

    :param subject: which object, as a person would name it: ``Deployment apps/maze``.
    :param what: one sentence with the numbers.
    :param since: when it began, where that is known.
    :param labels: what a runbook needs to find the subject again.
    """

    kind: FindingKind
    severity: Verdict
    subject: str
    what: str
    since: AwareDatetime | None = None
    labels: dict[str, str] = {}
    runbook: str = ""

    @property
    def key(self) -> str:
        """Names the finding over runs."""
        return f"{self.kind.value} {self.subject}"

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.subject}: {self.what}"


class HealthBody(Record):
    """Body of a health report.

    :param counts: what was looked at: nodes, pods, workloads, ...
    :param calls: API calls that were made for it, by API.
    :param seconds: wall time of gathering and judging.
    :param node_groups: ready and desired nodes of each group, which the next run compares with.
    :param checks: light checks of what is deployed, each as it ended last.
    """

    findings: list[Finding]
    counts: dict[str, int]
    calls: dict[str, int]
    seconds: float
    version: str = ""
    node_groups: dict[str, dict[str, int]] = {}
    skew_seconds: float = 0.0
    runbooks: list[dict[str, JsonValue]] = []
    checks: list[CheckSeen] = []
    checking: Checking | None = None


@dataclass(frozen=True, slots=True)
class NodeGroupFact:
    """A managed node group, with the ready nodes that it should have."""

    name: str
    status: str
    desired: int
    modified: datetime | None
    issues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node.

    :param pressures: conditions such as DiskPressure that are true.
    """

    name: str
    group: str
    ready: bool
    since: datetime | None
    why: str = ""
    pressures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddonFact:
    """An EKS add-on."""

    name: str
    status: str
    issues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadFact:
    """A Deployment, StatefulSet or DaemonSet.

    :param since: when it last became or stopped being available, as far as the API tells.
    :param stuck: why its rollout does not go on.
    """

    kind: str
    namespace: str
    name: str
    component: str
    wanted: int
    ready: int
    since: datetime | None
    stuck: str = ""

    @property
    def subject(self) -> str:
        """As a person names it."""
        return f"{self.kind} {self.namespace}/{self.name}"


class PodTrouble(StrEnum):
    """What is wrong with a pod that is kept."""

    PENDING = "pending"
    CRASH_LOOP = "crash-loop"
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod in trouble."""

    namespace: str
    name: str
    workload: str
    trouble: PodTrouble
    since: datetime
    why: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class JobFact:
    """A Job that failed.

    :param group: its CronJob, or its own name.
    """

    namespace: str
    name: str
    group: str
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class ClaimFact:
    """A volume claim that is not bound."""

    namespace: str
    name: str
    phase: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """A Service that selects pods and reaches none."""

    namespace: str
    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ExpiryFact:
    """Something that ends: a certificate.

    :param kind: ``Secret`` or ``ACM certificate``.
    """

    kind: str
    name: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class RotationFact:
    """A Secrets Manager secret with a due rotation."""

    name: str
    due: datetime


@dataclass(frozen=True, slots=True)
class QuotaFact:
    """A limit and its use.

    :param scope: ``AWS`` or the namespace.
    """

    scope: str
    name: str
    limit: float
    used: float


@dataclass(frozen=True, slots=True)
class SubnetFact:
    """Addresses left in a subnet."""

    subnet: str
    zone: str
    free: int


@dataclass(frozen=True, slots=True)
class AlertFact:
    """A firing alert."""

    name: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a recorded series."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class ControlPlaneFact:
    """The EKS cluster.

    :param network: ids of its subnets.
    """

    status: str
    version: str
    support_type: str = "STANDARD"
    end_of_standard_support: datetime | None = None
    end_of_extended_support: datetime | None = None
    issues: tuple[str, ...] = ()
    network: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """What the last run saw.

    :param desired: nodes that each group should have had, ``ready`` what it had.
    :param short: since when workloads had too few ready pods, by subject.
    """

    desired: Mapping[str, int] = field(default_factory=dict)
    ready: Mapping[str, int] = field(default_factory=dict)
    short: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class HealthFacts:
    """Everything a verdict is made of.

    :param control_plane: ``None`` when EKS has no such cluster.
    :param api_error: why the Kubernetes API could not be asked.
    :param monitoring_error: why Prometheus could not be asked although it is deployed.
    :param skew_seconds: this machine's clock minus AWS's.
    :param missing: parts that could not be read.
    """

    environment: str
    region: str
    control_plane: ControlPlaneFact | None = None
    api_error: str = ""
    monitoring_error: str = ""
    node_groups: Sequence[NodeGroupFact] = ()
    nodes: Sequence[NodeFact] = ()
    addons: Sequence[AddonFact] = ()
    workloads: Sequence[WorkloadFact] = ()
    pods: Sequence[PodFact] = ()
    jobs: Sequence[JobFact] = ()
    claims: Sequence[ClaimFact] = ()
    services: Sequence[ServiceFact] = ()
    # Several sources add to these while others read: appended to, never replaced.
    expiries: list[ExpiryFact] = field(default_factory=list)
    rotations: Sequence[RotationFact] = ()
    quotas: list[QuotaFact] = field(default_factory=list)
    subnets: Sequence[SubnetFact] = ()
    samples: Sequence[Sample] = ()
    alerts: Sequence[AlertFact] = ()
    checks: Sequence[CheckSeen] = ()
    skew_seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


class HealthState(Record):
    """What the next run must remember, beside the reports.

    :param told: what each channel was told last, see ``slipway.decisions.telling``.
    :param tries: mends of each finding, by its key.
    :param called: findings for which a person was called, and when.
    :param checks: how each light check ended last, by ``component/check``.
    """

    verdict: Verdict = Verdict.HEALTHY
    since: AwareDatetime | None = None
    healthy_runs: int = 0
    keys: list[str] = []
    node_groups: dict[str, dict[str, int]] = {}
    short: dict[str, AwareDatetime] = {}
    seen_cluster: bool = False
    told: dict[str, JsonValue] = {}
    tries: dict[str, list[AwareDatetime]] = {}
    called: dict[str, AwareDatetime] = {}
    checks: dict[str, CheckMemory] = {}
    checking: Checking | None = None
