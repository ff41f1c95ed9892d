"""Facts about an account and region, as the AWS APIs tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class InstanceType:
    """Facts of an EC2 instance type, as DescribeInstanceTypes gives them."""

    name: str
    vcpus: int
    memory_mib: int
    network_interfaces: int
    addresses_per_interface: int
    architecture: str = "x86_64"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Support dates of an offered Kubernetes version."""

    version: str
    end_of_standard_support: datetime
    end_of_extended_support: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """A service quota and its use; ``limit`` is ``None`` when it could not be read, for ``unreadable``."""

    name: str
    what: str
    limit: float | None
    used: int | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Tags of a resource that already bears one of the platform's names."""

    resource: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What the account says of itself.

    :param zones: zones of the region in which EKS places control planes.
    :param network_zones: zones of the platform's network, in its order; empty before there is one.
    :param instance_types: those of the environment that the region offers.
    """

    account: str
    principal: str
    zones: list[str]
    instance_types: Mapping[str, InstanceType]
    versions: Mapping[str, VersionFacts]
    quotas: Sequence[Quota]
    owners: Sequence[Owner]
    network_zones: Sequence[str] = ()

    @property
    def fresh(self) -> bool:
        """Whether nothing of the platform's stacks is there yet."""
        return not any(owner.resource.startswith("stack ") for owner in self.owners)
