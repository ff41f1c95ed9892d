"""Facts about the account and region a platform is meant for. Reads only."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import ClientError

from slipway.model.facts import AccountFacts, InstanceType, Owner, Quota, VersionFacts
from slipway.model.platform import Platform, Stack

AWS_CONNECTION = "aws_default"
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NoSuchResourceException"}

# Service Quotas codes and what they limit.
QUOTAS = {
    "nodes": ("ec2", "L-1216C47A", "vCPUs of running on-demand standard instances"),
    "vpcs": ("vpc", "L-F678F1CE", "VPCs per region"),
    "addresses": ("ec2", "L-0263D0A3", "Elastic IP addresses"),
    "clusters": ("eks", "L-1194D53C", "EKS clusters per region"),
}


def known_instance_types() -> frozenset[str]:
    """All instance types that the installed SDK knows; needs no call."""
    shape = botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType")
    return frozenset(shape.enum)


class AccountHook:
    """Reads what preflight judges.

    :param platform: whose account and region are looked at, through the connection ``aws_default``.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def facts(self) -> AccountFacts:
        """Gather everything in one go.

        :raises botocore.exceptions.ClientError: a call that preflight cannot do without failed.
        """
        identity = self._client("sts").get_caller_identity()
        zones = self._zones()
        return AccountFacts(
            account=identity["Account"],
            principal=identity["Arn"],
            zones=zones,
            instance_types=self._instance_types(),
            versions=self._versions(),
            quotas=self._quotas(),
            owners=self._owners(),
        )

    def _client(self, service: str) -> Any:
        return AwsBaseHook(aws_conn_id=AWS_CONNECTION, client_type=service, region_name=self.platform.region).get_conn()

    @cached_property
    def _ec2(self) -> Any:
        return self._client("ec2")

    def _zones(self) -> list[str]:
        found = self._ec2.describe_availability_zones(
            Filters=[
                {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
                {"Name": "zone-type", "Values": ["availability-zone"]},
                {"Name": "state", "Values": ["available"]},
            ]
        )
        return sorted(zone["ZoneName"] for zone in found["AvailabilityZones"])

    def _instance_types(self) -> dict[str, InstanceType]:
        wanted = {name for group in self.platform.environment.node_groups.values() for name in group.instance_types}
        found = self._ec2.describe_instance_types(InstanceTypes=sorted(wanted))
        return {
            one["InstanceType"]: InstanceType(
                name=one["InstanceType"],
                vcpus=one["VCpuInfo"]["DefaultVCpus"],
                memory_mib=one["MemoryInfo"]["SizeInMiB"],
                network_interfaces=one["NetworkInfo"]["MaximumNetworkInterfaces"],
                addresses_per_interface=one["NetworkInfo"]["Ipv4AddressesPerInterface"],
                architecture=one["ProcessorInfo"]["SupportedArchitectures"][-1],
            )
            for one in found["InstanceTypes"]
        }

    def _versions(self) -> dict[str, VersionFacts]:
        pages = self._client("eks").get_paginator("describe_cluster_versions").paginate(includeAll=True)
        return {
            one["clusterVersion"]: VersionFacts(
                version=one["clusterVersion"],
                end_of_standard_support=one["endOfStandardSupportDate"],
                end_of_extended_support=one["endOfExtendedSupportDate"],
            )
            for page in pages
            for one in page["clusterVersions"]
        }

    def _quotas(self) -> list[Quota]:
        client = self._client("service-quotas")
        used = {"vpcs": self._count_vpcs, "addresses": self._count_addresses, "clusters": self._count_clusters}
        quotas = []
        for name, (service, code, what) in QUOTAS.items():
            try:
                limit = client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
                in_use = used[name]() if name in used else None
            except ClientError as error:
                if error.response["Error"]["Code"] not in _DENIED:
                    raise
                quotas.append(Quota(name, what, None, None, error.response["Error"]["Code"]))
                continue
            quotas.append(Quota(name, what, limit, in_use))
        return quotas

    def _count_vpcs(self) -> int:
        return len(self._ec2.describe_vpcs()["Vpcs"])

    def _count_addresses(self) -> int:
        return len(self._ec2.describe_addresses()["Addresses"])

    def _count_clusters(self) -> int:
        return len(self._client("eks").list_clusters()["clusters"])

    def _owners(self) -> list[Owner]:
        """Who owns what already has one of our names."""
        owners = []
        eks = self._client("eks")
        try:
            cluster = eks.describe_cluster(name=self.platform.cluster_name)["cluster"]
            owners.append(Owner(f"EKS cluster {cluster['name']}", dict(cluster.get("tags", {}))))
        except eks.exceptions.ResourceNotFoundException:
            pass
        cloudformation = self._client("cloudformation")
        for kind in Stack:
            name = self.platform.stack_name(kind)
            try:
                stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                # CloudFormation has no error code of its own for an absent stack, only this message.
                if "does not exist" not in error.response["Error"]["Message"]:
                    raise
                continue
            owners.append(Owner(f"stack {name}", {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}))
        return owners
