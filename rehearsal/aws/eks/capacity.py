"""What a node of an instance type offers to pods: pure functions of the instance type's data.

Sources: ``eni-max-pods`` and prefix delegation of amazon-vpc-cni; the kubelet reservations of the EKS AMI
(nodeadm: 255 MiB + 11 MiB per pod, CPU in steps, 1 GiB of disk), its hard eviction thresholds (100 MiB of
memory, 10 % of disk); the 7.5 % of memory that hypervisor and kernel keep is Karpenter's default estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_VM_OVERHEAD = 0.075
_CPU_STEPS = ((1, 0.06), (1, 0.01), (2, 0.005))
_CPU_REST = 0.0025
_ADDRESSES_PER_PREFIX = 16


@dataclass(frozen=True)
class InstanceType:
    """The facts of an EC2 instance type that matter to a node.

    :param memory_mib: as advertised.
    """

    name: str
    vcpus: int
    memory_mib: int
    interfaces: int
    addresses_per_interface: int
    architectures: tuple[str, ...]
    nitro: bool


@lru_cache(maxsize=1)
def _known() -> dict[str, dict[str, Any]]:
    # moto reads this large table only when EC2 is first used; so do we.
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    known: dict[str, dict[str, Any]] = INSTANCE_TYPES
    return known


def instance_type(name: str) -> InstanceType | None:
    """Look an instance type up; None when EC2 has none of that name."""
    found = _known().get(name)
    if found is None:
        return None
    network = found["NetworkInfo"]
    return InstanceType(
        name=name,
        vcpus=found["VCpuInfo"]["DefaultVCpus"],
        memory_mib=found["MemoryInfo"]["SizeInMiB"],
        interfaces=network["MaximumNetworkInterfaces"],
        addresses_per_interface=network["Ipv4AddressesPerInterface"],
        architectures=tuple(found["ProcessorInfo"]["SupportedArchitectures"]),
        nitro=found.get("Hypervisor") == "nitro" or bool(found.get("BareMetal")),
    )


def max_pods(kind: InstanceType, *, prefix_delegation: bool) -> int:
    """Pods a node can hold.

    ENIs x (addresses - 1) + 2, with 16 addresses per slot under prefix delegation (Nitro only); managed node
    groups cap it at 110 below 30 vCPUs and at 250 from there.
    """
    per_slot = _ADDRESSES_PER_PREFIX if prefix_delegation and kind.nitro else 1
    by_addresses = kind.interfaces * (kind.addresses_per_interface - 1) * per_slot + 2
    return min(by_addresses, 110 if kind.vcpus < 30 else 250)


def reserved_cpu_millicores(vcpus: int) -> int:
    """CPU kept for kubelet and system.

    6 % of the first core, 1 % of the second, 0.5 % of each of the next two, 0.25 % of each further one.
    """
    reserved, left = 0.0, vcpus
    for cores, share in _CPU_STEPS:
        used = min(left, cores)
        reserved += used * share
        left -= used
    return round((reserved + left * _CPU_REST) * 1000)


def capacity(kind: InstanceType, disk_gib: int, pods: int) -> dict[str, str]:
    """``Node.status.capacity``."""
    return {
        "cpu": str(kind.vcpus),
        "memory": f"{_usable_memory_mib(kind) * 1024}Ki",
        "ephemeral-storage": f"{disk_gib * 1024 * 1024}Ki",
        "pods": str(pods),
    }


def allocatable(kind: InstanceType, disk_gib: int, pods: int) -> dict[str, str]:
    """``Node.status.allocatable``: capacity without what kubelet, system and eviction thresholds keep."""
    memory = _usable_memory_mib(kind) - (255 + 11 * pods) - 100
    disk = disk_gib * 1024 * 0.9 - 1024
    return {
        "cpu": f"{kind.vcpus * 1000 - reserved_cpu_millicores(kind.vcpus)}m",
        "memory": f"{memory * 1024}Ki",
        "ephemeral-storage": f"{int(disk * 1024)}Ki",
        "pods": str(pods),
    }


def _usable_memory_mib(kind: InstanceType) -> int:
    return int(kind.memory_mib * (1 - _VM_OVERHEAD))
