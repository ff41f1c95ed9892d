"""What a platform costs a month by its description: fixed costs only, before anything runs.

Traffic, logs, snapshots and load balancer units depend on use and are left out; the estimate says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.decisions.quantities import parse_quantity
from slipway.model.environment import NatMode
from slipway.model.platform import Platform
from slipway.model.prices import PriceTable

# AWS's own convention for a month.
HOURS_PER_MONTH = 730
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of an estimate.

    :param usd: per month, ``None`` when the price is not known.
    """

    what: str
    usd: float | None


def estimate(
    platform: Platform, zones: list[str], manifests: Iterable[Mapping[str, Any]], prices: PriceTable, *, extended: bool
) -> list[CostLine]:
    """Fixed monthly cost of a platform at its node groups' desired sizes, line by line.

    :param extended: whether the cluster's version is past standard support, which costs six times as much.
    """
    environment = platform.environment
    plane = "control-plane-extended" if extended else "control-plane"
    lines = [CostLine(f"EKS control plane{' in extended support' if extended else ''}", _hourly(prices, plane))]
    disks = 0
    for group in platform.node_groups(zones):
        count, instance = group.spec.desired, group.spec.instance_types[0]
        disks += count * group.spec.disk_gib
        rate = prices.instances.get(instance)
        usd = None if rate is None else rate * HOURS_PER_MONTH * count
        spot = ", at the on-demand price" if group.spec.capacity_type == "SPOT" else ""
        lines.append(CostLine(f"{count} x {instance} in {group.name}{spot}", usd))
    gp3 = prices.gigabyte_month["gp3"]
    lines.append(CostLine(f"{disks} GiB gp3 of the nodes", disks * gp3))
    claimed = claimed_gib(manifests)
    lines.append(CostLine(f"{claimed:g} GiB gp3 of the components", claimed * gp3))
    gateways = len(zones) if environment.network.nat is NatMode.PER_ZONE else 1
    nat = _hourly(prices, "nat-gateway") + _hourly(prices, "public-ipv4")
    lines.append(CostLine(f"{gateways} NAT gateway{'s' if gateways > 1 else ''} with address", gateways * nat))
    lines.append(CostLine("3 KMS keys", 3 * prices.monthly["kms-key"]))
    return lines


def claimed_gib(manifests: Iterable[Mapping[str, Any]]) -> float:
    """GiB of all persistent volume claims, those of StatefulSets times their replicas."""
    total = 0.0
    for manifest in manifests:
        spec = manifest.get("spec") or {}
        if manifest["kind"] == "PersistentVolumeClaim":
            total += _storage(spec)
        elif manifest["kind"] == "StatefulSet":
            claims = spec.get("volumeClaimTemplates", [])
            total += spec.get("replicas", 1) * sum(_storage(claim["spec"]) for claim in claims)
    return total


def _storage(claim: Mapping[str, Any]) -> float:
    return float(parse_quantity(claim["resources"]["requests"]["storage"]) / _GIB)


def _hourly(prices: PriceTable, name: str) -> float:
    return prices.hourly[name] * HOURS_PER_MONTH


def total(lines: Iterable[CostLine]) -> float:
    """USD per month of all lines with a known price."""
    return sum(line.usd for line in lines if line.usd is not None)
