"""What stands in the account and costs money by that, read through the AWS APIs like by any other caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2 import ec2_backends

from rehearsal.aws.eks.state import Eks
from rehearsal.aws.eks.versions import support
from rehearsal.aws.local import client
from rehearsal.aws.pricing.catalogue import on_demand

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
OTHER = "EC2 - Other"
VPC = "Amazon Virtual Private Cloud"
EKS = "Amazon Elastic Container Service for Kubernetes"
_VOLUME_USD = {"gp2": 0.10, "gp3": 0.08, "io1": 0.125, "io2": 0.125, "st1": 0.045, "sc1": 0.015}
# Region codes of usage types, as EC2 writes them; other services write USE1 where EC2 writes nothing.
_SHORT = {
    "us-east-1": "",
    "us-east-2": "USE2-",
    "us-west-1": "USW1-",
    "us-west-2": "USW2-",
    "eu-west-1": "EU-",
    "eu-west-2": "EUW2-",
    "eu-west-3": "EUW3-",
    "eu-central-1": "EUC1-",
    "eu-north-1": "EUN1-",
    "ap-southeast-1": "APS1-",
    "ap-southeast-2": "APS2-",
    "ap-northeast-1": "APN1-",
}
_LONG = {"us-east-1": "USE1-", "eu-west-1": "EUW1-"}
Tags = dict[str, str]


@dataclass(frozen=True)
class Standing:
    """Usage of a whole day. :param by_month: the quantity is held, and billed by the day's share of the month."""

    region: str
    service: str
    usage_type: str
    unit: str
    quantity: float
    usd: float
    tags: tuple[tuple[str, str], ...]
    by_month: bool = False


def prefixed(region: str, usage_type: str, style: str = "short") -> str:
    """The usage type with its region code: ``short`` as EC2 writes it, ``long`` as most others, ``name`` as KMS."""
    if style == "name":
        return f"{region}-{usage_type}"
    short = _SHORT.get(region, f"{region.upper().replace('-', '')[:3]}9-")
    return f"{_LONG.get(region, short) if style == 'long' else short}{usage_type}"


def regions() -> list[str]:
    """Regions in which anything was ever made."""
    return sorted(ec2_backends[DEFAULT_ACCOUNT_ID].keys())


def standing(eks: Eks, now: Any) -> Iterator[Standing]:
    """All of it."""
    for region in regions():
        for lister in (_instances, _volumes, _gateways, _addresses, _endpoints, _balancers, _keys, _secrets):
            yield from lister(region)
    for cluster in eks.clusters.values():
        tags = tuple(sorted(cluster.data.get("tags", {}).items()))
        hours = prefixed(cluster.region, "AmazonEKS-Hours:perCluster", "long")
        yield Standing(cluster.region, EKS, hours, "Hours", 24, 0.10, tags)
        if support(str(cluster.data["version"]), now) == "EXTENDED_SUPPORT":
            extended = prefixed(cluster.region, "AmazonEKS-Hours:extendedSupport", "long")
            yield Standing(cluster.region, EKS, extended, "Hours", 24, 0.50, tags)


def _tags(one: dict[str, Any], key: str = "Key", value: str = "Value") -> tuple[tuple[str, str], ...]:
    return tuple(sorted((pair[key], pair[value]) for pair in one.get("Tags") or []))


def _instances(region: str) -> Iterator[Standing]:
    for page in client("ec2", region).get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                kind, usd = one["InstanceType"], on_demand(one["InstanceType"])
                if one["State"]["Name"] not in ("running", "pending") or usd is None:
                    continue
                spot = one.get("InstanceLifecycle") == "spot"
                name = prefixed(region, f"{'SpotUsage' if spot else 'BoxUsage'}:{kind}")
                yield Standing(region, COMPUTE, name, "Hrs", 24, usd * (0.4 if spot else 1), _tags(one))


def _volumes(region: str) -> Iterator[Standing]:
    for one in client("ec2", region).describe_volumes()["Volumes"]:
        kind = one.get("VolumeType", "gp2")
        name = prefixed(region, f"EBS:VolumeUsage.{kind}")
        yield Standing(region, OTHER, name, "GB-Mo", one["Size"], _VOLUME_USD.get(kind, 0.08), _tags(one), True)


def _gateways(region: str) -> Iterator[Standing]:
    for one in client("ec2", region).describe_nat_gateways()["NatGateways"]:
        if one["State"] == "available":
            yield Standing(region, OTHER, prefixed(region, "NatGateway-Hours"), "Hrs", 24, 0.045, _tags(one))


def _addresses(region: str) -> Iterator[Standing]:
    for one in client("ec2", region).describe_addresses()["Addresses"]:
        state = "InUseAddress" if one.get("AssociationId") else "IdleAddress"
        yield Standing(region, VPC, prefixed(region, f"PublicIPv4:{state}", "long"), "Hrs", 24, 0.005, _tags(one))


def _endpoints(region: str) -> Iterator[Standing]:
    for one in client("ec2", region).describe_vpc_endpoints()["VpcEndpoints"]:
        if one.get("VpcEndpointType") == "Interface":
            hours = 24 * max(1, len(one.get("SubnetIds") or []))
            yield Standing(region, VPC, prefixed(region, "VpcEndpoint-Hours", "long"), "Hrs", hours, 0.01, _tags(one))


def _balancers(region: str) -> Iterator[Standing]:
    api = client("elbv2", region)
    for one in api.describe_load_balancers()["LoadBalancers"]:
        described = api.describe_tags(ResourceArns=[one["LoadBalancerArn"]])["TagDescriptions"]
        tags = _tags(described[0]) if described else ()
        service = "Amazon Elastic Load Balancing"
        yield Standing(region, service, prefixed(region, "LoadBalancerUsage"), "Hrs", 24, 0.0225, tags)
        if one.get("Scheme") == "internet-facing":
            hours = 24 * len(one.get("AvailabilityZones") or [])
            name = prefixed(region, "PublicIPv4:InUseAddress", "long")
            yield Standing(region, VPC, name, "Hrs", hours, 0.005, tags)


def _keys(region: str) -> Iterator[Standing]:
    api = client("kms", region)
    for one in api.list_keys()["Keys"]:
        described = api.describe_key(KeyId=one["KeyId"])["KeyMetadata"]
        if described.get("KeyManager") == "AWS" or described.get("DeletionDate"):
            continue
        listed = {"Tags": api.list_resource_tags(KeyId=one["KeyId"]).get("Tags")}
        tags = _tags(listed, "TagKey", "TagValue")
        name = prefixed(region, "KMS-Keys", "name")
        yield Standing(region, "AWS Key Management Service", name, "Keys", 1, 1.00, tags, True)


def _secrets(region: str) -> Iterator[Standing]:
    for one in client("secretsmanager", region).list_secrets()["SecretList"]:
        name = prefixed(region, "AWSSecretsManager-Secrets", "long")
        yield Standing(region, "AWS Secrets Manager", name, "Secrets", 1, 0.40, _tags(one), True)
