"""What is known of a platform's size, and what is recommended about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime

from slipway.model.facts import InstanceType
from slipway.model.records import Record
from slipway.model.report import Missing

KIND = "scale"


@dataclass(frozen=True, slots=True)
class GroupFact:
    """A managed node group.

    :param pool: its ``slipway.dev/workload``.
    :param ours: whether it carries the platform's tags.
    """

    name: str
    pool: str
    instance_type: str
    minimum: int
    desired: int
    maximum: int
    status: str
    ours: bool
    zones: int = 1


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node and what it offers to pods: millicores, MiB, pods."""

    name: str
    group: str
    pool: str
    cpu: int
    memory: int
    pods: int


@dataclass(slots=True)
class DemandFact:
    """Pods of one workload with the same requests.

    :param everywhere: one per node: a DaemonSet's.
    """

    namespace: str
    workload: str
    kind: str
    pool: str
    cpu: int
    memory: int
    count: int = 0
    pending: int = 0
    pending_since: datetime | None = None

    @property
    def everywhere(self) -> bool:
        """Whether every node has one."""
        return self.kind == "DaemonSet"


@dataclass(frozen=True, slots=True)
class Usage:
    """95th percentiles of one node: shares of CPU and memory, bytes per second."""

    cpu_day: float | None = None
    cpu_week: float | None = None
    memory_day: float | None = None
    memory_week: float | None = None
    network_day: float | None = None
    network_week: float | None = None


@dataclass(frozen=True, slots=True)
class WorkloadUsage:
    """A week's 95th percentile of what a workload used, and what it requested: cores and bytes."""

    cpu: float = 0.0
    memory: float = 0.0
    cpu_requested: float = 0.0
    memory_requested: float = 0.0


@dataclass(frozen=True, slots=True)
class DailyHistory:
    """The highest value of each day, oldest first, without gaps."""

    what: str
    subject: str
    values: Sequence[float]


@dataclass(slots=True)
class ScaleFacts:
    """Everything that sizes are judged by.

    :param network: baseline bandwidth by instance type, bytes per second.
    :param claims: capacity of volumes in bytes, by ``namespace/name``.
    :param autoscaler: whether Cluster Autoscaler runs, which then owns desired sizes.
    :param momentary: ``usage`` is one moment's, by metrics-server, and not percentiles of a day and a week.
    """

    environment: str
    region: str
    groups: Sequence[GroupFact] = ()
    nodes: Sequence[NodeFact] = ()
    demands: Sequence[DemandFact] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    workloads: Mapping[tuple[str, str], WorkloadUsage] = field(default_factory=dict)
    histories: Sequence[DailyHistory] = ()
    instances: Mapping[str, InstanceType] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    network: Mapping[str, float] = field(default_factory=dict)
    claims: Mapping[str, float] = field(default_factory=dict)
    free_addresses: int | None = None
    vcpu_quota: float | None = None
    vcpus_used: float | None = None
    prefix_delegation: bool = False
    autoscaler: bool = False
    momentary: bool = False
    pods: int = 0
    missing: list[Missing] = field(default_factory=list)


class Advice(StrEnum):
    """What is recommended."""

    MORE_NODES = "more-nodes"
    FEWER_NODES = "fewer-nodes"
    MEMORY_OPTIMISED = "memory-optimised"
    BETTER_PLACEMENT = "better-placement"
    MORE_CAPACITY = "more-capacity"
    CHEAPER_FLEET = "cheaper-fleet"
    RAISE_REQUESTS = "raise-requests"
    LOWER_REQUESTS = "lower-requests"
    LIMIT_AHEAD = "limit-ahead"


class Resize(Record):
    """A change of a node group's desired size."""

    nodegroup: str
    before: int
    after: int


class Recommendation(Record):
    """What to do, why, and how.

    :param evidence: the numbers it rests on.
    :param how: the exact change.
    :param monthly_usd: saving (positive) or cost (negative) where prices are known.
    """

    advice: Advice
    subject: str
    why: str
    how: str
    evidence: dict[str, float | str] = {}
    resize: Resize | None = None
    monthly_usd: float | None = None
    outcome: str = "suggested"


class GroupUsage(Record):
    """A node group over the last day and week: means over its nodes of their 95th percentiles."""

    name: str
    pool: str
    instance_type: str
    nodes: int
    minimum: int
    maximum: int
    cpu_day: float | None = None
    cpu_week: float | None = None
    memory_day: float | None = None
    memory_week: float | None = None
    network_day: float | None = None
    network_week: float | None = None
    cpu_requested: float = 0.0
    memory_requested: float = 0.0


class LimitForecast(Record):
    """When a limit is reached.

    :param days: days until the forecast reaches it; ``None`` when it does not within the horizon.
    :param earliest: days until the upper bound of its interval does.
    :param method: which method forecast it; ``errors`` says how far each was off, a week ahead, on days not shown.
    """

    what: str
    subject: str
    now: float
    limit: float
    unit: str
    days: int | None
    earliest: int | None
    method: str
    level: int
    history_days: int
    errors: dict[str, float] = {}


class FleetOption(Record):
    """Nodes of one instance type that hold everything of a pool, with headroom."""

    pool: str
    instance_type: str
    nodes: int
    monthly_usd: float
    cpu_share: float
    memory_share: float
    current: bool = False


class ScaleBody(Record):
    """Body of a scale report."""

    groups: list[GroupUsage]
    recommendations: list[Recommendation]
    forecasts: list[LimitForecast]
    fleets: list[FleetOption]
    autoscaler: bool
    nodes: int
    pods: int
    momentary: bool = False
    calls: dict[str, int] = {}
    seconds: float = 0.0


class ScaleState(Record):
    """Changes made lately, for cool-down and daily limit."""

    changes: list[tuple[AwareDatetime, Resize]] = []
