"""Savings beside the nodes: disks, addresses, load balancers, network, logs, and what outlived its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

from slipway.decisions.cost_estimate import (
    ADDRESS_IN_USE,
    ENDPOINT_BYTES,
    HOURS_PER_MONTH,
    LOGS_STORED,
    NAT_BYTES,
    NAT_HOURS,
)
from slipway.decisions.savings import SavingFacts
from slipway.decisions.usage_types import without_region
from slipway.model.cost import Confidence, Saving
from slipway.model.resource import Kind, Resource

_GIB = 1024**3
DAYS_PER_MONTH = 365 / 12
# Of the bytes through NAT gateways, what image layers and other objects in S3 may be. Nobody measures it from outside.
S3_SHARE = 0.5
# Of a control plane's log volume, what the types beside api, audit and authenticator may be.
OTHER_LOGS_SHARE = 0.2
_OTHER_LOGS = {"controllerManager", "scheduler"}


def rest_savings(facts: SavingFacts) -> Iterator[Saving]:
    """All savings beside the nodes."""
    yield from _gp3(facts)
    yield from _idle_volumes(facts)
    yield from _idle_addresses(facts)
    yield from _idle_balancers(facts)
    yield from _one_nat(facts)
    yield from _s3_endpoint(facts)
    yield from _interface_endpoints(facts)
    yield from _log_retention(facts)
    yield from _log_types(facts)
    yield from _outlived(facts)


def _ids(resources: list[Resource], flag: str = " ") -> str:
    return flag.join(one.id for one in resources)


def _gp3(facts: SavingFacts) -> Iterator[Saving]:
    old = [one for one in facts.of(Kind.VOLUME) if one.text("type") == "gp2" and one.text("state") != "available"]
    gib = fsum(one.number("gib") for one in old)
    usd = gib * (facts.usd("AmazonEC2/EBS:VolumeUsage.gp2") - facts.usd("AmazonEC2/EBS:VolumeUsage.gp3"))
    if usd > 0:
        yield Saving(
            name="gp3",
            title="Change gp2 volumes to gp3",
            monthly_usd=round(usd, 2),
            confidence=Confidence.HIGH,
            breaks="Nothing stops. gp2 volumes beyond 1,000 GiB have more than gp3's 3,000 IOPS: give those theirs.",
            change=f"for id in {_ids(old)}; do aws ec2 modify-volume --volume-id $id --volume-type gp3; done; and "
            "type: gp3 in the StorageClass that made them",
            evidence=f"{len(old)} volumes, {gib:g} GiB",
            touches=[f"volume/{one.id}" for one in old],
        )


def _idle_volumes(facts: SavingFacts) -> Iterator[Saving]:
    # A claim keeps its volume while no pod mounts it; without the cluster's word nobody knows which those are.
    claimed = {claim.volume for claim in facts.cluster.claims} if facts.cluster else set()
    idle = [one for one in facts.of(Kind.VOLUME) if one.text("state") == "available" and one.id not in claimed]
    if idle:
        yield Saving(
            name="idle-volumes",
            title="Delete volumes that nothing uses",
            monthly_usd=round(facts.cost(*(one.id for one in idle)), 2),
            confidence=Confidence.MEDIUM if facts.cluster else Confidence.LOW,
            breaks="Their data, but for the snapshots.",
            change=f"for id in {_ids(idle)}; do aws ec2 create-snapshot --volume-id $id && "
            "aws ec2 delete-volume --volume-id $id; done, once no PersistentVolume names them",
            evidence=f"{len(idle)} volumes are attached to no instance"
            + (" and belong to no claim" if facts.cluster else "; whether a claim names them could not be read"),
            touches=[f"volume/{one.id}" for one in idle],
        )


def _idle_addresses(facts: SavingFacts) -> Iterator[Saving]:
    idle = [one for one in facts.of(Kind.ADDRESS) if not one.text("association")]
    if idle:
        yield Saving(
            name="idle-addresses",
            title="Release addresses that nothing uses",
            monthly_usd=round(facts.cost(*(one.id for one in idle)), 2),
            confidence=Confidence.HIGH,
            breaks="The addresses are gone for good: whoever allows them in a firewall must learn of it.",
            change=f"for id in {_ids(idle)}; do aws ec2 release-address --allocation-id $id; done",
            evidence=", ".join(one.text("ip") for one in idle),
            touches=[f"address/{one.id}" for one in idle],
        )


def _idle_balancers(facts: SavingFacts) -> Iterator[Saving]:
    """Load balancers to which no target group belongs, so that they can answer nobody."""
    serving = {one.text("balancer") for one in facts.of(Kind.TARGET_GROUP)}
    idle = [one for one in facts.of(Kind.BALANCER) if one.id not in serving]
    if idle:
        yield Saving(
            name="idle-balancers",
            title="Delete load balancers without targets",
            monthly_usd=round(facts.cost(*(one.id for one in idle)), 2),
            confidence=Confidence.MEDIUM,
            breaks="One that only redirects or answers by itself has no targets either: look at its listeners.",
            change="delete the Service or Ingress that made it; without one: for arn in "
            f"{_ids(idle)}; do aws elbv2 delete-load-balancer --load-balancer-arn $arn; done",
            evidence=", ".join(one.name for one in idle),
            touches=[f"balancer/{one.id}" for one in idle],
        )


def _one_nat(facts: SavingFacts) -> Iterator[Saving]:
    gateways = facts.of(Kind.NAT)
    if facts.platform.environment.protected or len(gateways) < 2:
        return
    spare = len(gateways) - 1
    each = (facts.usd(NAT_HOURS) + facts.usd(ADDRESS_IN_USE)) * HOURS_PER_MONTH
    yield Saving(
        name="one-nat",
        title="One NAT gateway in place of one per zone",
        monthly_usd=round(spare * each, 2),
        confidence=Confidence.HIGH,
        breaks="When its zone fails, the others cannot reach the internet; their traffic to it crosses zones, at 0.01 "
        "USD per GB each way.",
        change=f"{facts.file}: network.nat: single",
        evidence=f"{len(gateways)} gateways with an address each",
        touches=["nat-hours"],
    )


def _s3_endpoint(facts: SavingFacts) -> Iterator[Saving]:
    services = [one.text("service") for one in facts.of(Kind.ENDPOINT)]
    if any(name.endswith(".s3") for name in services) or not facts.of(Kind.NAT):
        return
    gigabytes = _billed(facts, "NatGateway-Bytes")
    usd = gigabytes * DAYS_PER_MONTH * facts.usd(NAT_BYTES) * S3_SHARE
    if usd > 0:
        yield Saving(
            name="s3-endpoint",
            title="Reach S3 (and ECR's layers, which lie in it) through a gateway endpoint",
            monthly_usd=round(usd, 2),
            confidence=Confidence.LOW,
            breaks="Nothing; bucket policies that name the NAT gateway's address must name the VPC.",
            change="aws ec2 create-vpc-endpoint --vpc-endpoint-type Gateway --service-name "
            f"com.amazonaws.{facts.platform.region}.s3 for the private route tables, or deploy the network stack",
            evidence=f"{gigabytes:.1f} GB a day pass the NAT gateways; half of it is assumed to be S3's",
            touches=["nat-bytes"],
        )


def _interface_endpoints(facts: SavingFacts) -> Iterator[Saving]:
    """Interface endpoints whose hours cost more than their traffic would through the NAT gateways that are there."""
    endpoints = [one for one in facts.of(Kind.ENDPOINT) if one.text("type") == "Interface"]
    # Without a bill nobody knows what passes them.
    if not endpoints or not facts.of(Kind.NAT) or not facts.lines:
        return
    gigabytes = _billed(facts, "VpcEndpoint-Bytes") * DAYS_PER_MONTH
    instead = gigabytes * (facts.usd(NAT_BYTES) - facts.usd(ENDPOINT_BYTES))
    hours = facts.cost(*(one.id for one in endpoints))
    if hours > instead:
        yield Saving(
            name="interface-endpoints",
            title="Reach AWS APIs through the NAT gateways in place of interface endpoints",
            monthly_usd=round(hours - instead, 2),
            confidence=Confidence.MEDIUM,
            breaks="Requests to AWS leave the VPC, still within AWS's network; policies that name the endpoints deny "
            "them. Leave them where no way out is wanted.",
            change="parameter InterfaceEndpoints of include/cloudformation/network.yaml: none",
            evidence=f"{len(endpoints)} endpoints cost {hours:.2f} USD a month by the hour; {gigabytes:.1f} GB a month "
            f"pass them, which cost {instead:.2f} USD more through NAT",
            touches=["interface-endpoints"],
        )


def _billed(facts: SavingFacts, usage_type: str) -> float:
    """Quantity of a usage type on the last whole day."""
    return fsum(line.quantity for line in facts.lines if without_region(line.usage_type) == usage_type)


def _log_retention(facts: SavingFacts) -> Iterator[Saving]:
    endless = [one for one in facts.of(Kind.LOG_GROUP) if not one.number("retention_days")]
    price = facts.usd(LOGS_STORED)
    # A group that is kept for ever grows for ever: what it holds today is what it costs at least.
    usd = fsum(one.number("bytes") for one in endless) / _GIB * price
    if usd > 0:
        days = facts.platform.environment.cluster.log_retention_days
        yield Saving(
            name="log-retention",
            title="Give log groups an end",
            monthly_usd=round(usd, 2),
            confidence=Confidence.MEDIUM,
            breaks=f"Logs older than {days} days are gone.",
            change=f"for group in {_ids(endless)}; do aws logs put-retention-policy --log-group-name $group "
            f"--retention-in-days {days}; done",
            evidence=f"{len(endless)} groups are kept for ever",
            touches=[f"logs/{one.id}" for one in endless],
        )


def _log_types(facts: SavingFacts) -> Iterator[Saving]:
    extra = sorted(_OTHER_LOGS & set(facts.platform.environment.cluster.logs))
    day = fsum(line.usd for line in facts.lines if without_region(line.usage_type) == "VendedLog-Bytes")
    if extra and day > 0:
        kept = [one for one in facts.platform.environment.cluster.logs if one not in _OTHER_LOGS]
        yield Saving(
            name="log-types",
            title=f"Leave out the control plane's {' and '.join(extra)} logs",
            monthly_usd=round(day * DAYS_PER_MONTH * OTHER_LOGS_SHARE, 2),
            confidence=Confidence.LOW,
            breaks="Why a pod was not scheduled, or a controller did what it did, is then only in events.",
            change=f"{facts.file}: cluster.logs: [{', '.join(kept)}]",
            evidence=f"logs of AWS services cost {day:.2f} USD a day; a fifth of it is assumed to be these types'",
            touches=["vended-logs"],
        )


def _outlived(facts: SavingFacts) -> Iterator[Saving]:
    """What is left of a platform whose cluster is gone."""
    if facts.of(Kind.CLUSTER):
        return
    left = [one for one in facts.resources if facts.cost(one.id) > 0 and one.kind != Kind.BUCKET]
    usd = fsum(facts.cost(one.id) for one in left)
    if left:
        yield Saving(
            name="outlived",
            title="Delete what outlived its cluster",
            monthly_usd=round(usd, 2),
            confidence=Confidence.MEDIUM,
            breaks="Volumes and snapshots among it hold data; keys open what they sealed.",
            change="run platform_teardown again: it sweeps what carries the platform's tags",
            evidence=", ".join(sorted({str(one.kind) for one in left})),
            touches=[_part(one) for one in left],
        )


def _part(one: Resource) -> str:
    names = {
        Kind.VOLUME.value: f"volume/{one.id}",
        Kind.ADDRESS.value: f"address/{one.id}",
        Kind.BALANCER.value: f"balancer/{one.id}",
        Kind.NAT.value: "nat-hours",
        Kind.LOG_GROUP.value: f"logs/{one.id}",
    }
    return names.get(one.kind, f"{one.kind}/{one.id}")
