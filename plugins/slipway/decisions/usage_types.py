"""What a usage type of the bill means, and what explains it.

A usage type is ``<region code>-<what>``, the code left out for most services in us-east-1. Names follow the usage types
of the Cost and Usage Report; several services bill under one service name (NAT gateways, volumes and transfer all under
``EC2 - Other``), so only the usage type tells them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_REGION = re.compile(
    r"^(?:(?:US[EW]|UG[EW]|CA[NW]|EU[CWNS]|EU|AP[NSE]|SAE|AFS|ME[SC]|ILC|MXC)\d?|[a-z]{2}(?:-[a-z]+)+-\d)-"
)

# Service names of Cost Explorer and the service codes of the Price List.
SERVICE_CODES = {
    "Amazon Elastic Compute Cloud - Compute": "AmazonEC2",
    "EC2 - Other": "AmazonEC2",
    "Amazon Elastic Container Service for Kubernetes": "AmazonEKS",
    "Amazon Elastic Kubernetes Service": "AmazonEKS",
    "Amazon Virtual Private Cloud": "AmazonVPC",
    "Amazon Elastic Load Balancing": "AWSELB",
    "Elastic Load Balancing": "AWSELB",
    "AmazonCloudWatch": "AmazonCloudWatch",
    "AWS Key Management Service": "awskms",
    "Amazon Simple Storage Service": "AmazonS3",
    "Amazon Elastic File System": "AmazonEFS",
    "Amazon EC2 Container Registry (ECR)": "AmazonECR",
    "AWS Secrets Manager": "AWSSecretsManager",
    "AWS CloudTrail": "AWSCloudTrail",
    "AWS Data Transfer": "AWSDataTransfer",
    "AWS Cost Explorer": "AWSCostExplorer",
    "Amazon Simple Notification Service": "AmazonSNS",
}


class Basis(StrEnum):
    """What a line's quantity follows: what stands there, or what is used."""

    STANDING = "standing"
    METERED = "metered"


@dataclass(frozen=True, slots=True)
class Usage:
    """A usage type, understood.

    :param name: for people.
    :param key: where its price is, ``<service code>/<usage type without region>``.
    """

    name: str
    key: str
    basis: Basis


_STANDING, _METERED = Basis.STANDING, Basis.METERED
# Pattern of the usage type without its region, the name for people, what it follows, and the service code when it is
# not the one of the line's service. The first match counts.
_TABLE: tuple[tuple[str, str, Basis, str | None], ...] = (
    (r"AmazonEKS-Hours:perCluster", "EKS control plane, hours", _STANDING, None),
    (r"AmazonEKS-Hours:extendedSupport", "EKS extended support, hours", _STANDING, None),
    (r"BoxUsage:(.+)", "Instances on demand, {0}", _STANDING, None),
    (r"SpotUsage:(.+)", "Instances on spot, {0}", _STANDING, None),
    (r"EBS:VolumeUsage\.(.+)", "Volumes, {0}", _STANDING, None),
    (r"EBS:VolumeUsage", "Volumes, magnetic", _STANDING, None),
    (r"EBS:VolumeP-IOPS\.(.+)", "Volumes, {0} provisioned IOPS", _STANDING, None),
    (r"EBS:VolumeP-Throughput\.(.+)", "Volumes, {0} provisioned throughput", _STANDING, None),
    (r"EBS:SnapshotUsage", "Snapshots of volumes", _METERED, None),
    (r"CPUCredits:(.+)", "CPU credits beyond the baseline, {0}", _METERED, None),
    (r"NatGateway-Hours", "NAT gateways, hours", _STANDING, None),
    (r"NatGateway-Bytes", "NAT gateways, data processed", _METERED, None),
    (r"DataTransfer-Regional-Bytes", "Transfer between zones", _METERED, "AWSDataTransfer"),
    (r"DataTransfer-Out-Bytes", "Transfer to the internet", _METERED, "AWSDataTransfer"),
    (r"DataTransfer-In-Bytes", "Transfer from the internet", _METERED, "AWSDataTransfer"),
    (r"[A-Z]{2,3}\d?-AWS-(?:In|Out)-Bytes", "Transfer between regions", _METERED, "AWSDataTransfer"),
    (r"PublicIPv4:InUseAddress", "Public IPv4 addresses in use", _STANDING, "AmazonVPC"),
    (r"PublicIPv4:IdleAddress", "Public IPv4 addresses, idle", _STANDING, "AmazonVPC"),
    (r"VpcEndpoint-Hours", "Interface endpoints, hours", _STANDING, "AmazonVPC"),
    (r"VpcEndpoint-Bytes", "Interface endpoints, data", _METERED, "AmazonVPC"),
    (r"LoadBalancerUsage", "Load balancers, hours", _STANDING, "AWSELB"),
    (r"LCUUsage", "Load balancers, capacity units", _METERED, "AWSELB"),
    (r"DataProcessing-Bytes", "Logs taken in", _METERED, None),
    (r"VendedLog-Bytes", "Logs of AWS services taken in (control plane, flow logs)", _METERED, None),
    (r"CW:AlarmMonitorUsage", "CloudWatch alarms", _METERED, None),
    (r"CW:MetricMonitorUsage", "CloudWatch metrics", _METERED, None),
    (r"KMS-Keys", "KMS keys", _STANDING, None),
    (r"KMS-Requests", "KMS requests", _METERED, None),
    (r"AWSSecretsManager-Secrets", "Secrets", _STANDING, None),
    (r"AWSSecretsManagerAPIRequest", "Secrets, requests", _METERED, None),
    (r"PaidEventsRecorded", "CloudTrail, further copies of events", _METERED, None),
    (r"Requests-Tier(\d)", "S3 requests, tier {0}", _METERED, None),
    (r"API-?Request", "Cost Explorer requests", _METERED, None),
)
_PATTERNS = tuple((re.compile(pattern), name, basis, code) for pattern, name, basis, code in _TABLE)
# The same usage type is storage of different things.
_STORED = {
    "AmazonCloudWatch": "Logs stored",
    "AmazonS3": "S3 storage",
    "AmazonECR": "Images stored",
    "AmazonEFS": "EFS",
}


def without_region(usage_type: str) -> str:
    """The usage type without its region code: ``EUC1-NatGateway-Hours`` is ``NatGateway-Hours``."""
    return _REGION.sub("", usage_type, count=1)


def understand(service: str, usage_type: str) -> Usage:
    """Name a line of the bill; one that is not in the table keeps its own name and is metered."""
    plain = without_region(usage_type)
    code = SERVICE_CODES.get(service, service)
    if plain.startswith("TimedStorage") and code in _STORED:
        return Usage(_STORED[code], f"{code}/{plain}", _METERED)
    for pattern, name, basis, other in _PATTERNS:
        found = pattern.fullmatch(plain)
        if found:
            return Usage(name.format(*found.groups()), f"{other or code}/{plain}", basis)
    return Usage(plain, f"{code}/{plain}", _METERED)
