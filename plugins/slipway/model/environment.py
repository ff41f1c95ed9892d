"""What a user describes in ``include/environments/<name>.yaml``.

The defaults are the safe and cheap ones, so that a small environment is a short file. Whatever needs AWS to be judged
(offered versions, instance types, quotas) is judged by preflight, not here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from enum import StrEnum
from itertools import islice
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from slipway.model.images import Images
from slipway.model.policies import Notifications, Policies

Network4 = ipaddress.IPv4Network


def _cidr(value: str) -> str:
    """Accept an IPv4 network in canonical form.

    :raises ValueError: not a network, or host bits set; the message names the canonical form.
    """
    network = Network4(value, strict=False)
    if str(network) != value:
        raise ValueError(f"{value} has host bits set; write {network}")
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
# Longer names would not fit into "slipway-<name>-<12 digits>-<region>-access", a bucket (63 characters at most).
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
KubernetesVersion = Annotated[str, StringConstraints(pattern=r"^1\.\d{2}$")]
ZoneName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
    ),
]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
# What all services take; "=" parts key and value in a launch template's parameters.
TagKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/+@-][A-Za-z0-9 _.:/+@-]{0,126}$")]
TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/+@-]{0,255}$")]
# Launch templates get tags as parameters, one each.
MOST_TAGS = 8
MOST_EMAILS = 5
Email = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", max_length=254)]
# The days for which CloudWatch Logs keeps logs.
Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]
MOST_NODES = 450  # of a managed node group


class Strict(BaseModel):
    """Unknown keys are errors, and a loaded description never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class NatMode(StrEnum):
    """How private subnets reach the outside: one gateway per zone survives a zone, a single one is cheaper."""

    PER_ZONE = "per-zone"
    SINGLE = "single"


class Network(Strict):
    """VPC of one region: a public and a private /24 in every zone.

    :param cidr: the VPC's network, /16 to /20.
    :param zones: number of availability zones, or their names in order.
    """

    cidr: Cidr
    zones: int | list[ZoneName] = 3
    nat: NatMode = NatMode.PER_ZONE
    flow_log_retention_days: Retention = 30

    @model_validator(mode="after")
    def _check(self) -> Self:
        prefix = Network4(self.cidr).prefixlen
        if not 16 <= prefix <= 20:
            raise ValueError(f"cidr is a /{prefix}; the VPC needs /16 to /20 to hold its /24 subnets")
        if not 2 <= self.zone_count <= 3:
            raise ValueError(
                f"zones asks for {self.zone_count}; EKS needs at least two zones, Slipway lays out at most three"
            )
        if isinstance(self.zones, list) and len(set(self.zones)) != len(self.zones):
            raise ValueError("zones names a zone twice")
        return self

    @property
    def zone_count(self) -> int:
        """Number of zones asked for."""
        return self.zones if isinstance(self.zones, int) else len(self.zones)

    def subnets(self) -> tuple[list[str], list[str]]:
        """Public and private /24 networks, one of each per zone, in zone order."""
        nets = [str(net) for net in islice(Network4(self.cidr).subnets(new_prefix=24), 2 * self.zone_count)]
        return nets[: self.zone_count], nets[self.zone_count :]


class Endpoint(Strict):
    """Who may reach the Kubernetes API."""

    public: bool = True
    private: bool = True
    public_cidrs: list[Cidr] = []
    acknowledge_open_to_the_world: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.public and not self.private:
            raise ValueError("public and private are both off; nothing could reach the API")
        if self.public and not self.public_cidrs:
            raise ValueError("public is on but public_cidrs is empty; list the networks that may reach the API")
        if any(Network4(cidr).prefixlen == 0 for cidr in self.public_cidrs) and not self.acknowledge_open_to_the_world:
            raise ValueError(
                "public_cidrs has 0.0.0.0/0, which opens the API to the world; "
                "narrow it, or set acknowledge_open_to_the_world: true"
            )
        return self


ControlPlaneLog = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]


class Cluster(Strict):
    """The EKS control plane."""

    version: KubernetesVersion = "1.36"
    support: Literal["standard", "extended"] = "standard"
    endpoint: Endpoint
    # The other two types cost more than they tell on most days.
    logs: list[ControlPlaneLog] = ["api", "audit", "authenticator"]
    log_retention_days: Retention = 30
    deletion_protection: bool = False


class Taint(Strict):
    """A node taint, with the effect as Kubernetes spells it."""

    key: LabelKey
    value: LabelValue = ""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = "NoSchedule"


class NodeGroup(Strict):
    """A managed node group. Sizes of a zonal group are per zone.

    :param workload: which components are meant for it, by their ``workload``.
    :param zonal: one group per zone, so that a replaced node comes back to the zone of its volumes.
    :param disk_gib: root volume, gp3, in GiB.
    """

    workload: KubernetesName = "primary"
    instance_types: Annotated[list[str], Field(min_length=1, max_length=20)]
    capacity_type: Literal["ON_DEMAND", "SPOT"] = "ON_DEMAND"
    min: Annotated[int, Field(ge=0)] = 1
    desired: Annotated[int, Field(ge=0)] = 1
    max: Annotated[int, Field(ge=1, le=MOST_NODES)] = 1
    disk_gib: Annotated[int, Field(ge=20, le=1000)] = 30
    labels: dict[LabelKey, LabelValue] = {}
    taints: list[Taint] = []
    zonal: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.min <= self.desired <= self.max:
            raise ValueError(
                f"sizes must rise: min {self.min} <= desired {self.desired} <= max {self.max} does not hold"
            )
        return self


class AddonPhase(StrEnum):
    """Networking must be there before the first node; the rest needs a node to run on."""

    BEFORE_NODES = "before-nodes"
    AFTER_NODES = "after-nodes"


class Addon(Strict):
    """An EKS add-on.

    :param version: an add-on version, or ``default`` for what EKS offers for the cluster's version.
    :param service_account: the service account that gets the role through EKS Pod Identity.
    :param role: output of the identity stack that holds that role's ARN.
    """

    phase: AddonPhase = AddonPhase.AFTER_NODES
    version: str = "default"
    configuration: dict[str, object] = {}
    service_account: str | None = None
    role: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.service_account is None) != (self.role is None):
            raise ValueError("service_account and role go together")
        return self


DEFAULT_ADDONS: dict[str, Addon] = {
    "eks-pod-identity-agent": Addon(phase=AddonPhase.BEFORE_NODES),
    "vpc-cni": Addon(
        phase=AddonPhase.BEFORE_NODES,
        configuration={
            # Set before the first node: kubelet's max-pods is fixed when a node joins.
            "env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"},
            # Without it EKS stores network policies and enforces none.
            "enableNetworkPolicy": "true",
        },
        service_account="aws-node",
        role="VpcCniRoleArn",
    ),
    "kube-proxy": Addon(phase=AddonPhase.BEFORE_NODES),
    "coredns": Addon(),
    "aws-ebs-csi-driver": Addon(service_account="ebs-csi-controller-sa", role="EbsCsiRoleArn"),
    "metrics-server": Addon(),
}


class AccessPolicy(StrEnum):
    """EKS access policies, by the last part of their ARN."""

    CLUSTER_ADMIN = "AmazonEKSClusterAdminPolicy"
    ADMIN = "AmazonEKSAdminPolicy"
    EDIT = "AmazonEKSEditPolicy"
    VIEW = "AmazonEKSViewPolicy"


class Access(Strict):
    """Access of an IAM principal to the cluster; to some namespaces only when they are named."""

    principal_arn: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$")
    ]
    policy: AccessPolicy
    namespaces: list[KubernetesName] = []


class Budget(Strict):
    """Monthly budget in USD, and who is told when it is nearly spent."""

    monthly_usd: Annotated[float, Field(gt=0, le=100_000_000)]
    emails: Annotated[list[Email], Field(max_length=MOST_EMAILS)] = []


class Components(Strict):
    """Which components the environment leaves out, and which it takes in another form.

    :param overlays: by component, the overlay to use in place of the one named after the environment.
    """

    disabled: list[KubernetesName] = []
    overlays: dict[KubernetesName, KubernetesName] = {}


class Environment(Strict):
    """One environment, deployable to each of its regions.

    :param account: the only AWS account it may be deployed to.
    :param regions: the only regions, the first being the default.
    :param recovery_region: where a disaster recovery drill rebuilds it; its last region when left out.
    """

    name: EnvironmentName
    account: AccountId
    regions: Annotated[list[Region], Field(min_length=1)]
    recovery_region: Region | None = None
    network: Network
    cluster: Cluster
    node_groups: Annotated[dict[KubernetesName, NodeGroup], Field(min_length=1)]
    addons: dict[str, Addon] = {}
    access: list[Access] = []
    budget: Budget
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=MOST_TAGS)] = {}
    components: Components = Components()
    images: Images = Images()
    policies: Policies = Policies()
    notifications: Notifications = Notifications()
    protected: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(group.workload == "primary" for group in self.node_groups.values()):
            raise ValueError("node_groups has no group with workload: primary, where everything else falls back to")
        if all(group.desired == 0 for group in self.node_groups.values() if group.workload == "primary"):
            raise ValueError("node_groups keeps no primary node: desired is 0, so nothing could start")
        reserved = [key for key in self.tags if key.startswith(("slipway:", "aws:"))]
        if reserved:
            raise ValueError(f"tags may not set {', '.join(reserved)}: the prefixes slipway: and aws: are taken")
        if len(set(self.regions)) != len(self.regions):
            raise ValueError("regions names a region twice")
        twice = [arn for arn, count in Counter(entry.principal_arn for entry in self.access).items() if count > 1]
        if twice:
            raise ValueError(f"access names {', '.join(twice)} more than once")
        return self

    def all_addons(self) -> dict[str, Addon]:
        """The default add-ons with the environment's own laid over them."""
        return {**DEFAULT_ADDONS, **self.addons}

    def workloads(self) -> set[str]:
        """Workloads that have a node group of their own."""
        return {group.workload for group in self.node_groups.values()}
