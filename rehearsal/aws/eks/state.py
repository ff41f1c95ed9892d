"""What the EKS emulation knows, and the context its functions work in.

Every resource keeps its public face (``data``) in the member names of the API, so that describing it is
returning it; what AWS knows but does not show stands beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal.aws.clock import Clock
from rehearsal.aws.eks.kubernetes import KubernetesAdmin
from rehearsal.aws.errors import not_found
from rehearsal.aws.faults import Faults
from rehearsal.aws.protocol import Call
from rehearsal.aws.scheduler import Scheduler

Data = dict[str, Any]


@dataclass
class Update:
    """An update of a cluster, a node group or an add-on, and what it changes once it succeeds."""

    data: Data
    changes: Data
    nodegroup: str | None = None
    addon: str | None = None


@dataclass
class Nodegroup:
    """A managed node group and the EC2 side of it."""

    data: Data
    launch_template_id: str | None = None
    prefix_delegation: bool = False
    started: float = 0.0
    joined: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Addon:
    """An add-on of a cluster."""

    data: Data
    started: float = 0.0


@dataclass
class AccessEntry:
    """An access entry and the access policies associated with it, by policy ARN."""

    data: Data
    policies: dict[str, Data] = field(default_factory=dict)


@dataclass
class Cluster:
    """A cluster with everything in it."""

    region: str
    account: str
    data: Data
    creator_arn: str
    creator_is_admin: bool
    self_managed_addons: bool
    network_interfaces: list[str] = field(default_factory=list)
    nodegroups: dict[str, Nodegroup] = field(default_factory=dict)
    addons: dict[str, Addon] = field(default_factory=dict)
    access_entries: dict[str, AccessEntry] = field(default_factory=dict)
    pod_identities: dict[str, Data] = field(default_factory=dict)
    updates: dict[str, Update] = field(default_factory=dict)
    tokens: dict[tuple[str, str], tuple[Data, Data]] = field(default_factory=dict)
    insights: dict[str, Data] = field(default_factory=dict)
    insights_refresh: Data | None = None
    upgraded: Data | None = None

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self.data["name"])

    @property
    def kubernetes_id(self) -> str:
        """The cluster's id at the Kubernetes side of the rehearsal."""
        return f"{self.region}.{self.name}"

    def forget(self, data: Data) -> None:
        """Drop the request tokens that answer with ``data``, a resource that is gone."""
        self.tokens = {
            key: (params, answer)
            for key, (params, answer) in self.tokens.items()
            if all(value is not data for value in answer.values())
        }

    def arn(self, kind: str, *rest: str) -> str:
        """The ARN of a resource of this cluster, e.g. ``arn('nodegroup', name, uuid)``."""
        partition = self.data["arn"].split(":")[1]
        return f"arn:{partition}:eks:{self.region}:{self.account}:{'/'.join((kind, self.name, *rest))}"


class Eks:
    """The context of every EKS function: state, clock, later work and the Kubernetes side.

    :param lock: held while anything in this process's AWS state is read or changed.
    """

    def __init__(
        self,
        clock: Clock,
        scheduler: Scheduler,
        kubernetes: KubernetesAdmin,
        lock: threading.RLock,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.clock = clock
        self.scheduler = scheduler
        self.kubernetes = kubernetes
        self.lock = lock
        self.clusters: dict[tuple[str, str], Cluster] = {}

    def cluster(self, call: Call) -> Cluster:
        """The cluster a call names, or ``ResourceNotFoundException``."""
        name = call.get("clusterName") or call.get("name")
        found = self.clusters.get((call.region, name))
        if found is None:
            raise not_found(f"No cluster found for name: {name}.", clusterName=name)
        return found

    def find(self, region: str, name: str) -> Cluster | None:
        """A cluster by name, for later work; None when it is gone."""
        return self.clusters.get((region, name))

    def in_region(self, region: str) -> Iterator[Cluster]:
        """The clusters of a region, by name."""
        for (where, _), cluster in sorted(self.clusters.items()):
            if where == region:
                yield cluster

    def later(self, real_seconds: float, job: str, *arguments: str) -> None:
        """Run ``job`` after ``real_seconds`` of AWS's time."""
        self.scheduler.after(self.clock.compressed(real_seconds), job, *arguments)
