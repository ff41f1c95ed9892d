"""What an EKS node offers to pods."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.model.facts import InstanceType

# EKS recommends at most 110 pods on instances below 30 vCPUs and 250 from there on, whatever the addresses allow:
# https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
_PODS_SMALL, _PODS_LARGE, _LARGE_FROM_VCPUS = 110, 250, 30
# The kernel and the hypervisor keep part of the advertised memory; Karpenter assumes the same 7.5 %.
_MEMORY_OVERHEAD = 0.075
_EVICTION_MIB = 100


@dataclass(frozen=True, slots=True)
class Allocatable:
    """What pods may request on one node: CPU in millicores, memory in MiB, number of pods."""

    cpu: int
    memory: int
    pods: int


def max_pods(instance: InstanceType, *, prefix_delegation: bool) -> int:
    """Pods that kubelet accepts: interfaces x (addresses - 1) + 2, with 16 addresses a slot under prefix delegation.

    Source: amazon-vpc-cni-k8s, eni-max-pods.txt and max-pods-calculator.
    """
    slots = instance.network_interfaces * (instance.addresses_per_interface - 1)
    pods = slots * (16 if prefix_delegation else 1) + 2
    if not prefix_delegation:
        return pods
    return min(pods, _PODS_LARGE if instance.vcpus >= _LARGE_FROM_VCPUS else _PODS_SMALL)


def allocatable(instance: InstanceType, *, prefix_delegation: bool) -> Allocatable:
    """What is left after kubelet's reservations.

    Source: amazon-eks-ami, nodeadm's kubelet defaults: 6 % of the first core, 1 % of the second, 0.5 % of the next
    two, 0.25 % of the rest; 255 MiB + 11 MiB per pod; 100 MiB for eviction.
    """
    pods = max_pods(instance, prefix_delegation=prefix_delegation)
    shares = [60, 10, 5, 5] + [2.5] * max(0, instance.vcpus - 4)
    reserved_cpu = sum(shares[: instance.vcpus])
    usable = instance.memory_mib * (1 - _MEMORY_OVERHEAD)
    return Allocatable(
        cpu=int(instance.vcpus * 1000 - reserved_cpu),
        memory=int(usable - 255 - 11 * pods - _EVICTION_MIB),
        pods=pods,
    )
