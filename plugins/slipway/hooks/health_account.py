"""Facts about health that AWS tells: the cluster, its node groups and add-ons, dates, quotas, addresses.

Reads only. A call that is refused costs its own part of the facts and no other.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from slipway.hooks.account import QUOTAS
from slipway.hooks.aws import client, code_of, message_of, tags_of
from slipway.hooks.kubernetes import ClusterEndpoint
from slipway.model.health import (
    AddonFact,
    ControlPlaneFact,
    ExpiryFact,
    HealthFacts,
    NodeGroupFact,
    QuotaFact,
    RotationFact,
    SubnetFact,
)
from slipway.model.platform import Platform
from slipway.model.report import Missing

# Instance families that count against the quota of standard on-demand instances.
_STANDARD = ("a", "c", "d", "h", "i", "m", "r", "t", "z")
_AT_ONCE = 6


class AccountFacts:
    """Gathers into :class:`HealthFacts`; counts its calls."""

    def __init__(self, platform: Platform, facts: HealthFacts) -> None:
        self.platform = platform
        self.facts = facts
        self.calls: Counter[str] = Counter()

    def cluster(self) -> ClusterEndpoint | None:
        """Describe the control plane; where its API is, ``None`` when it has none (yet, or any more)."""
        try:
            found = self._call("eks", "describe_cluster", name=self.platform.cluster_name)["cluster"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        issues = tuple(f"{one['code']}: {one['message']}" for one in (found.get("health") or {}).get("issues", []))
        network = tuple(found["resourcesVpcConfig"].get("subnetIds", []))
        support = (found.get("upgradePolicy") or {}).get("supportType", "STANDARD")
        self.facts.control_plane = ControlPlaneFact(
            found["status"], found["version"], support, issues=issues, network=network
        )
        if not found.get("endpoint"):
            return None
        authority = base64.b64decode(found["certificateAuthority"]["data"]).decode()
        return ClusterEndpoint(self.platform.cluster_name, self.platform.region, found["endpoint"], authority)

    def gather(self) -> None:
        """Everything else, a few calls at a time. Needs :meth:`cluster` first."""
        parts: dict[str, Callable[[], None]] = {
            "support dates": self._dates,
            "node groups": self._node_groups,
            "add-ons": self._addons,
            "subnets": self._subnets,
            "quota of instances": self._instances_quota,
            "quota of addresses": self._addresses_quota,
            "ACM certificates": self._certificates,
            "Secrets Manager": self._secrets,
        }
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda one: self._part(*one), parts.items()):
                pass

    def _part(self, name: str, read: Callable[[], None]) -> None:
        try:
            read()
        except ClientError as error:
            self.facts.missing.append(Missing(part=name, reason=f"{code_of(error)}: {message_of(error)}"))
        except BotoCoreError as error:
            self.facts.missing.append(Missing(part=name, reason=str(error)))

    def _call(self, service: str, operation: str, **arguments: Any) -> Any:
        self.calls[f"{service}:{operation}"] += 1
        return getattr(client(service, self.platform.region), operation)(**arguments)

    def _pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        found: list[Any] = []
        for page in client(service, self.platform.region).get_paginator(operation).paginate(**arguments):
            self.calls[f"{service}:{operation}"] += 1
            found += page.get(key, [])
        return found

    def _dates(self) -> None:
        plane = self.facts.control_plane
        if plane is None:
            return
        answer = self._call("eks", "describe_cluster_versions", clusterVersions=[plane.version])
        for one in answer["clusterVersions"]:
            self.facts.control_plane = ControlPlaneFact(
                plane.status,
                plane.version,
                plane.support_type,
                one.get("endOfStandardSupportDate"),
                one.get("endOfExtendedSupportDate"),
                plane.issues,
                plane.network,
            )

    def _node_groups(self) -> None:
        name = self.platform.cluster_name
        groups = []
        for group in self._pages("eks", "list_nodegroups", "nodegroups", clusterName=name):
            found = self._call("eks", "describe_nodegroup", clusterName=name, nodegroupName=group)["nodegroup"]
            issues = (found.get("health") or {}).get("issues", [])
            groups.append(
                NodeGroupFact(
                    group,
                    found["status"],
                    int(found["scalingConfig"]["desiredSize"]),
                    found.get("modifiedAt"),
                    tuple(f"{one['code']}: {one['message']}" for one in issues),
                )
            )
        self.facts.node_groups = groups

    def _addons(self) -> None:
        name = self.platform.cluster_name
        addons = []
        for addon in self._pages("eks", "list_addons", "addons", clusterName=name):
            found = self._call("eks", "describe_addon", clusterName=name, addonName=addon)["addon"]
            issues = (found.get("health") or {}).get("issues", [])
            addons.append(
                AddonFact(addon, found["status"], tuple(f"{one['code']}: {one['message']}" for one in issues))
            )
        self.facts.addons = addons

    def _subnets(self) -> None:
        if self.facts.control_plane is None or not self.facts.control_plane.network:
            return
        found = self._call("ec2", "describe_subnets", SubnetIds=list(self.facts.control_plane.network))["Subnets"]
        self.facts.subnets = [
            SubnetFact(one["SubnetId"], one["AvailabilityZone"], int(one["AvailableIpAddressCount"])) for one in found
        ]

    def _instances_quota(self) -> None:
        running = [
            one
            for reservation in self._pages(
                "ec2",
                "describe_instances",
                "Reservations",
                Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}],
                PaginationConfig={"PageSize": 1000},
            )
            for one in reservation["Instances"]
            if one.get("InstanceLifecycle") != "spot" and one["InstanceType"].startswith(_STANDARD)
        ]
        used = sum(_vcpus(one) for one in running)
        self._quota("nodes", used)

    def _addresses_quota(self) -> None:
        self._quota("addresses", len(self._call("ec2", "describe_addresses")["Addresses"]))

    def _quota(self, name: str, used: float) -> None:
        service, code, what = QUOTAS[name]
        limit = self._call("service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
        self.facts.quotas.append(QuotaFact("AWS", what, float(limit), used))

    def _certificates(self) -> None:
        found = self._pages("acm", "list_certificates", "CertificateSummaryList", CertificateStatuses=["ISSUED"])
        self.facts.expiries.extend(
            ExpiryFact("ACM certificate", one["DomainName"], one["NotAfter"])
            for one in found
            if one.get("NotAfter") and one.get("InUse", True)
        )

    def _secrets(self) -> None:
        filters = [{"Key": "tag-value", "Values": [self.platform.name]}]
        found = self._pages("secretsmanager", "list_secrets", "SecretList", Filters=filters)
        self.facts.counts["secrets"] = len(found)
        self.facts.rotations = [
            RotationFact(one["Name"], one["NextRotationDate"])
            for one in found
            if one.get("RotationEnabled")
            and one.get("NextRotationDate")
            and self.platform.is_ours(tags_of(one.get("Tags", [])))
        ]


def _vcpus(instance: dict[str, Any]) -> int:
    options = instance.get("CpuOptions") or {}
    return int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 2))


def server_time(answer: dict[str, Any]) -> datetime:
    """AWS's clock, from the date of an answer."""
    from email.utils import parsedate_to_datetime

    header = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(header).astimezone(UTC) if header else datetime.now(UTC)
