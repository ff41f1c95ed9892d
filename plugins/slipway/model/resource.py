"""What is really there in an account's region, resource by resource.

The inventory is the one list that cost, teardown and drift look at. Each resource carries what a price or a deletion
needs to know of it, and whether it is the platform's.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import JsonValue

from slipway.model.records import Record


class Kind(StrEnum):
    """Resource types of the inventory, by their CloudFormation names.

    What a resource's ``attributes`` hold, beyond ``vpc`` for everything that lies in one (absent values are left out):

    * ``INSTANCE``: ``type``, ``state``, ``spot``, ``zone``, ``launched``.
    * ``VOLUME``: ``gib``, ``type``, ``iops``, ``throughput``, ``state``, ``zone``, ``instances``; ``SNAPSHOT``:
      ``gib``, ``volume``, ``started``.
    * ``INTERFACE``: ``description``, ``status``, ``type``, ``managed`` (by a service), ``instance``, ``groups``.
    * ``ADDRESS``: ``ip``, ``association``, ``interface``; ``NAT``: ``state``, ``subnet``.
    * ``ENDPOINT``: ``type``, ``state``, ``zones`` (a number); ``SECURITY_GROUP``: ``group``.
    * ``BALANCER``: ``type``, ``scheme``, ``zones``; ``CLASSIC_BALANCER``: ``scheme``.
    * ``CLUSTER``: ``version``, ``status``, ``support``, ``protected``; ``NODEGROUP``: ``cluster``, ``status``,
      ``version``, ``min``, ``desired``, ``max``, ``types``, ``spot``, ``scaling_groups``; ``ADDON``: ``cluster``,
      ``status``, ``version``.
    * ``LOG_GROUP``: ``bytes``, ``retention_days``; ``KEY``: ``state``, ``deletion``; ``SECRET``: ``deletion``.
    * ``STACK``: ``status``; ``SCALING_GROUP``: ``min``, ``desired``, ``max``.
    """

    INSTANCE = "AWS::EC2::Instance"
    VOLUME = "AWS::EC2::Volume"
    SNAPSHOT = "AWS::EC2::Snapshot"
    INTERFACE = "AWS::EC2::NetworkInterface"
    ADDRESS = "AWS::EC2::EIP"
    NAT = "AWS::EC2::NatGateway"
    VPC = "AWS::EC2::VPC"
    SUBNET = "AWS::EC2::Subnet"
    ROUTE_TABLE = "AWS::EC2::RouteTable"
    GATEWAY = "AWS::EC2::InternetGateway"
    SECURITY_GROUP = "AWS::EC2::SecurityGroup"
    ENDPOINT = "AWS::EC2::VPCEndpoint"
    FLOW_LOG = "AWS::EC2::FlowLog"
    LAUNCH_TEMPLATE = "AWS::EC2::LaunchTemplate"
    SCALING_GROUP = "AWS::AutoScaling::AutoScalingGroup"
    BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
    CLASSIC_BALANCER = "AWS::ElasticLoadBalancing::LoadBalancer"
    CLUSTER = "AWS::EKS::Cluster"
    NODEGROUP = "AWS::EKS::Nodegroup"
    ADDON = "AWS::EKS::Addon"
    POD_IDENTITY = "AWS::EKS::PodIdentityAssociation"
    LOG_GROUP = "AWS::Logs::LogGroup"
    ALARM = "AWS::CloudWatch::Alarm"
    RULE = "AWS::Events::Rule"
    BUCKET = "AWS::S3::Bucket"
    ROLE = "AWS::IAM::Role"
    INSTANCE_PROFILE = "AWS::IAM::InstanceProfile"
    OIDC_PROVIDER = "AWS::IAM::OIDCProvider"
    KEY = "AWS::KMS::Key"
    ALIAS = "AWS::KMS::Alias"
    STACK = "AWS::CloudFormation::Stack"
    TRAIL = "AWS::CloudTrail::Trail"
    SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type's name
    BUDGET = "AWS::Budgets::Budget"


class Resource(Record):
    """One resource.

    :param kind: one of :class:`Kind`, or ``AWS::<service>::<type>`` for what only its tags told of.
    :param id: what its own API calls it by.
    :param arn: empty for what has none.
    :param region: ``global`` for what belongs to no region.
    :param name: for people; the id when it has none.
    :param attributes: see :class:`Kind`.
    :param ours: whether it is the platform's, made by Slipway or by the platform's own controllers.
    :param why: the evidence, either way; empty when nothing connects it to the platform.
    :param intruder: not ours, yet it lies in our VPC, and keeps it from being deleted.
    """

    kind: str
    id: str
    arn: str = ""
    region: str
    name: str = ""
    tags: dict[str, str] = {}
    attributes: dict[str, JsonValue] = {}
    ours: bool = False
    why: str = ""
    intruder: bool = False

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name and self.name != self.id else ""
        return f"{self.kind} {self.id}{name}"

    def text(self, attribute: str) -> str:
        """An attribute as text, empty when it is absent."""
        value = self.attributes.get(attribute)
        return "" if value is None else str(value)

    def number(self, attribute: str) -> float:
        """An attribute as a number, 0 when it is absent."""
        value = self.attributes.get(attribute)
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def vpc(self) -> str:
        """The VPC it lies in, empty for none."""
        return self.text("vpc")


class Unread(Record):
    """A part of the inventory that could not be read: what is there is unknown, which is not the same as nothing."""

    part: str
    reason: str


class Inventory(Record):
    """Everything found in a region, and what could not be looked at."""

    region: str
    account: str
    resources: list[Resource]
    unread: list[Unread] = []

    @property
    def ours(self) -> list[Resource]:
        """The platform's resources."""
        return [one for one in self.resources if one.ours]

    @property
    def intruders(self) -> list[Resource]:
        """Other people's resources inside the platform's network."""
        return [one for one in self.resources if one.intruder]

    def of(self, *kinds: str) -> list[Resource]:
        """Resources of some kinds."""
        return [one for one in self.resources if one.kind in kinds]


def by_kind(resources: Iterable[Resource]) -> dict[str, list[Resource]]:
    """Resources by kind, kinds in the order of their names."""
    found: dict[str, list[Resource]] = {}
    for one in sorted(resources, key=lambda one: (one.kind, one.name, one.id)):
        found.setdefault(one.kind, []).append(one)
    return found
