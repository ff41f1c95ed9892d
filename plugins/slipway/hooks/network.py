"""Zones, subnets and security groups, as EC2 knows them."""

from __future__ import annotations

from typing import Any

from slipway.decisions.parameters import ZONES_WITHOUT_EKS
from slipway.hooks.aws import client


class NetworkHook:
    """The network side of EC2 in one region."""

    def __init__(self, region: str) -> None:
        self.client: Any = client("ec2", region)

    def zones_with_eks(self) -> list[str]:
        """Available standard zones in which EKS places control planes, in order."""
        found = self.client.describe_availability_zones(
            Filters=[
                {"Name": "state", "Values": ["available"]},
                {"Name": "zone-type", "Values": ["availability-zone"]},
            ]
        )["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in found if zone["ZoneId"] not in ZONES_WITHOUT_EKS)

    def count_rules(self, group: str) -> int:
        """Number of rules of a security group."""
        found = self.client.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return len(found.get("IpPermissions", [])) + len(found.get("IpPermissionsEgress", []))

    def revoke_all_rules(self, group: str) -> int:
        """Leave a security group without rules; the number of rules revoked."""
        found = self.client.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        inbound, outbound = found.get("IpPermissions", []), found.get("IpPermissionsEgress", [])
        if inbound:
            self.client.revoke_security_group_ingress(GroupId=group, IpPermissions=inbound)
        if outbound:
            self.client.revoke_security_group_egress(GroupId=group, IpPermissions=outbound)
        return len(inbound) + len(outbound)

    def instance_architecture(self, instance_type: str) -> tuple[str, bool]:
        """Processor architecture (``x86_64`` or ``arm64``) of an instance type, and whether it has NVIDIA GPUs."""
        found = self.client.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"][0]
        architectures = found["ProcessorInfo"]["SupportedArchitectures"]
        makers = {gpu.get("Manufacturer", "") for gpu in found.get("GpuInfo", {}).get("Gpus", [])}
        return ("arm64" if "arm64" in architectures else "x86_64"), "NVIDIA" in makers
