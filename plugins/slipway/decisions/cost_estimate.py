"""What stands in a region, at list prices: the bill as it should be, resource by resource.

Only what costs money by standing there is estimated. What costs by use (data, requests, logs taken in) cannot be read
from an inventory; it is checked against the bill's own quantities instead, see :mod:`slipway.decisions.cost_explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slipway.model.cost import Estimate, EstimateLine
from slipway.model.prices import PriceBook
from slipway.model.resource import Kind, Resource

# AWS's own convention for a month.
HOURS_PER_MONTH = 730
SHOWN = 5
# Included in gp3's price: IOPS, and MiB per second.
GP3_IOPS = 3000
GP3_THROUGHPUT = 125
_GIB = 1024**3

CONTROL_PLANE = "AmazonEKS/AmazonEKS-Hours:perCluster"
EXTENDED_SUPPORT = "AmazonEKS/AmazonEKS-Hours:extendedSupport"
NAT_HOURS = "AmazonEC2/NatGateway-Hours"
NAT_BYTES = "AmazonEC2/NatGateway-Bytes"
ADDRESS_IN_USE = "AmazonVPC/PublicIPv4:InUseAddress"
ADDRESS_IDLE = "AmazonVPC/PublicIPv4:IdleAddress"
BALANCER_HOURS = "AWSELB/LoadBalancerUsage"
ENDPOINT_HOURS = "AmazonVPC/VpcEndpoint-Hours"
ENDPOINT_BYTES = "AmazonVPC/VpcEndpoint-Bytes"
LOGS_STORED = "AmazonCloudWatch/TimedStorage-ByteHrs"
KEYS = "awskms/KMS-Keys"
SECRETS = "AWSSecretsManager/AWSSecretsManager-Secrets"


@dataclass(frozen=True, slots=True)
class Item:
    """One resource's part of one price.

    :param count: units a month, for example 730 hours or 30 GB-months.
    :param kind: of the resource.
    """

    resource: str
    kind: str
    what: str
    key: str
    count: float


def items(resources: Iterable[Resource], extended_clusters: frozenset[str] = frozenset()) -> Iterator[Item]:
    """Everything of some resources that costs money by standing there.

    :param extended_clusters: names of clusters whose version is past standard support.
    """
    for one in resources:
        makers = _MAKERS.get(one.kind)
        if makers is not None:
            for what, key, count in makers(one):
                if count > 0:
                    yield Item(one.id, one.kind, what, key, count)
        if one.kind == Kind.CLUSTER and one.id in extended_clusters:
            what = f"Extended support of Kubernetes {one.text('version')}"
            yield Item(one.id, one.kind, what, EXTENDED_SUPPORT, HOURS_PER_MONTH)


Parts = Iterator[tuple[str, str, float]]


def _cluster(one: Resource) -> Parts:
    yield "EKS control plane", CONTROL_PLANE, HOURS_PER_MONTH


def _instance(one: Resource) -> Parts:
    if one.text("state") in ("running", "pending", ""):
        kind = one.text("type")
        spot = bool(one.attributes.get("spot"))
        yield (
            f"Instances {'on spot' if spot else 'on demand'}, {kind}",
            f"AmazonEC2/{'SpotUsage' if spot else 'BoxUsage'}:{kind}",
            HOURS_PER_MONTH,
        )


def _volume(one: Resource) -> Parts:
    kind = one.text("type") or "gp2"
    yield f"Volumes, {kind}", f"AmazonEC2/EBS:VolumeUsage.{kind}", one.number("gib")
    if kind == "gp3":
        yield "Volumes, gp3 IOPS beyond 3,000", "AmazonEC2/EBS:VolumeP-IOPS.gp3", one.number("iops") - GP3_IOPS
        # Priced by the GiB per second, given in MiB per second.
        throughput = (one.number("throughput") - GP3_THROUGHPUT) / 1024
        yield "Volumes, gp3 throughput beyond 125 MiB/s", "AmazonEC2/EBS:VolumeP-Throughput.gp3", throughput


def _nat(one: Resource) -> Parts:
    if one.text("state") in ("available", "pending", ""):
        yield "NAT gateways", NAT_HOURS, HOURS_PER_MONTH


def _address(one: Resource) -> Parts:
    if one.text("association"):
        yield "Public IPv4 addresses in use", ADDRESS_IN_USE, HOURS_PER_MONTH
    else:
        yield "Public IPv4 addresses, idle", ADDRESS_IDLE, HOURS_PER_MONTH


def _balancer(one: Resource) -> Parts:
    yield f"Load balancers, {one.text('type') or 'classic'}", BALANCER_HOURS, HOURS_PER_MONTH
    if one.text("scheme") == "internet-facing":
        # One address per zone; they are on no list of ours.
        yield "Public IPv4 addresses in use", ADDRESS_IN_USE, HOURS_PER_MONTH * one.number("zones")


def _endpoint(one: Resource) -> Parts:
    if one.text("type") == "Interface":
        yield "Interface endpoints", ENDPOINT_HOURS, HOURS_PER_MONTH * max(1.0, one.number("zones"))


def _logs(one: Resource) -> Parts:
    yield "Logs stored", LOGS_STORED, one.number("bytes") / _GIB


def _key(one: Resource) -> Parts:
    if not one.text("deletion"):
        yield "KMS keys", KEYS, 1


def _secret(one: Resource) -> Parts:
    if not one.text("deletion"):
        yield "Secrets", SECRETS, 1


_MAKERS: Mapping[str, Callable[[Resource], Parts]] = {
    Kind.CLUSTER: _cluster,
    Kind.INSTANCE: _instance,
    Kind.VOLUME: _volume,
    Kind.NAT: _nat,
    Kind.ADDRESS: _address,
    Kind.BALANCER: _balancer,
    Kind.CLASSIC_BALANCER: _balancer,
    Kind.ENDPOINT: _endpoint,
    Kind.LOG_GROUP: _logs,
    Kind.KEY: _key,
    Kind.SECRET: _secret,
}


def price_of(key: str, book: PriceBook, spot: Mapping[str, float]) -> tuple[str, float] | None:
    """Unit and USD per unit; instances on spot at the spot price there is now.

    :param spot: USD per hour by instance type.
    """
    if ":" in key and key.startswith("AmazonEC2/SpotUsage:"):
        usd = spot.get(key.partition(":")[2])
        return None if usd is None else ("Hrs", usd)
    found = book.find(key)
    return None if found is None else (found.unit, found.usd)


def estimate(found: Iterable[Item], book: PriceBook, spot: Mapping[str, float]) -> Estimate:
    """Items by price, the dearest first."""
    groups: dict[tuple[str, str], list[Item]] = {}
    for one in found:
        groups.setdefault((one.what, one.key), []).append(one)
    lines = [_line(what, key, some, book, spot) for (what, key), some in groups.items()]
    lines.sort(key=lambda line: (-(line.monthly_usd or 0.0), line.what))
    # A book that is all table says so itself.
    dated = sorted({line.what for line in lines if line.key in book.fallback and len(book.fallback) < len(book.prices)})
    return Estimate(
        source=book.source + (f"; from the dated table: {', '.join(dated)}" if dated else ""),
        lines=lines,
        monthly_usd=round(sum(line.monthly_usd or 0.0 for line in lines), 4),
        unpriced=[line.what for line in lines if line.monthly_usd is None],
    )


def _line(what: str, key: str, some: list[Item], book: PriceBook, spot: Mapping[str, float]) -> EstimateLine:
    count = sum(one.count for one in some)
    price = price_of(key, book, spot)
    return EstimateLine(
        what=what,
        key=key,
        resources=[one.resource for one in some[:SHOWN]],
        number=len(some),
        count=round(count, 6),
        unit="" if price is None else price[0],
        monthly_usd=None if price is None else round(count * price[1], 4),
    )


def cost_by_resource(found: Iterable[Item], book: PriceBook, spot: Mapping[str, float]) -> dict[str, float]:
    """USD a month of each resource; parts without a price count nothing."""
    costs: dict[str, float] = {}
    for one in found:
        price = price_of(one.key, book, spot)
        costs[one.resource] = costs.get(one.resource, 0.0) + (one.count * price[1] if price else 0.0)
    return costs
