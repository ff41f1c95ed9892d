"""From the Price List's products to a price book, and which products to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from slipway.decisions.usage_types import without_region
from slipway.model.prices import Price, PriceBook, PriceTable

# Prices change a few times a year.
FRESH = timedelta(days=7)

# Instance families and what runs the same at a lower price on Graviton.
GRAVITON = {
    "t2": "t4g",
    "t3": "t4g",
    "t3a": "t4g",
    "m5": "m7g",
    "m6i": "m7g",
    "m7i": "m7g",
    "c5": "c7g",
    "c6i": "c7g",
    "c7i": "c7g",
    "r5": "r7g",
    "r6i": "r7g",
    "r7i": "r7g",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the Price List: a service and the values its products' attributes must have.

    :param filters: attribute to the values of which any will do.
    """

    service: str
    filters: Mapping[str, tuple[str, ...]]


def graviton(kind: str) -> str | None:
    """The Graviton twin of an instance type; ``None`` for families without one."""
    family, _, size = kind.partition(".")
    other = GRAVITON.get(family)
    return f"{other}.{size}" if other else None


def wanted_types(kinds: Iterable[str]) -> list[str]:
    """Instance types whose prices an estimate and its savings need."""
    named = set(kinds)
    return sorted(named | {twin for kind in named if (twin := graviton(kind))})


def queries(region: str, kinds: Iterable[str]) -> list[Query]:
    """The questions for a region's price book; each is one request of the Price List, which is free."""
    here = {"regionCode": (region,)}

    def families(service: str, *names: str) -> Query:
        return Query(service, {**here, "productFamily": names})

    linux = {
        "operatingSystem": ("Linux",),
        "tenancy": ("Shared",),
        "preInstalledSw": ("NA",),
        "capacitystatus": ("Used",),
        "marketoption": ("OnDemand",),
    }
    instances = Query("AmazonEC2", {**here, "instanceType": tuple(sorted(kinds)), **linux})
    return [
        *([instances] if instances.filters["instanceType"] else []),
        Query("AmazonEKS", here),
        Query("AmazonEC2", {**here, "volumeApiName": ("gp2", "gp3", "io1", "io2", "st1", "sc1")}),
        families("AmazonEC2", "NAT Gateway", "CPU Credits", "Storage Snapshot"),
        families("AmazonVPC", "VpcPublicIPv4Address", "VpcEndpoint"),
        families("AWSELB", "Load Balancer-Application", "Load Balancer-Network"),
        families("AmazonCloudWatch", "Data Payload", "Storage Snapshot", "Alarm"),
        Query("AWSDataTransfer", {"fromRegionCode": (region,), "transferType": ("AWS Outbound", "IntraRegion")}),
        families("AmazonS3", "Storage", "API Request"),
        families("AmazonEFS", "Storage"),
        families("awskms", "Encryption Key", "API Request"),
        families("AWSSecretsManager", "Secret"),
        families("AmazonECR", "EC2 Container Registry"),
    ]


def prices_of(products: Iterable[Mapping[str, Any]]) -> dict[str, Price]:
    """Prices of the Price List's products, by ``<service code>/<usage type without region>``.

    Network load balancers bill under the usage types of application load balancers: their capacity units, which cost
    less, get the suffix ``:Network``. Of several products of one usage type the dearest counts.
    """
    found: dict[str, Price] = {}
    for product in products:
        attributes = product["product"]["attributes"]
        usage_type = attributes.get("usagetype", "")
        price = _price(product)
        if not usage_type or price is None:
            continue
        network = "LCUUsage" in usage_type and "Network" in product["product"].get("productFamily", "")
        key = f"{product['serviceCode']}/{without_region(usage_type)}{':Network' if network else ''}"
        if key not in found or found[key].usd < price.usd:
            found[key] = price
    return found


def _price(product: Mapping[str, Any]) -> Price | None:
    """The on-demand price of a product; ``None`` when it has none in USD."""
    rows: list[tuple[float, float, str]] = []
    for offer in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in offer["priceDimensions"].values():
            if "USD" in dimension["pricePerUnit"]:
                first = float(dimension.get("beginRange") or 0)
                rows.append((first, float(dimension["pricePerUnit"]["USD"]), dimension["unit"]))
    rows.sort()
    if not rows or all(usd == 0 for _, usd, _ in rows):
        return None
    tiers = [(first, usd) for first, usd, _ in rows] if len(rows) > 1 else []
    return Price(unit=rows[0][2], usd=rows[0][1], tiers=tiers)


def table_prices(table: PriceTable) -> dict[str, Price]:
    """Prices of the dated table, with instances by their usage type."""
    instances = {f"AmazonEC2/BoxUsage:{kind}": Price(unit="Hrs", usd=usd) for kind, usd in table.instances.items()}
    return {**table.usage, **instances}


def book(region: str, listed: Mapping[str, Price], table: PriceTable, today: date) -> PriceBook:
    """A price book: what the API said, and the dated table for what it did not say."""
    dated = table_prices(table)
    fallback = sorted(key for key in dated if key not in listed)
    elsewhere = "" if table.region == region else f", prices of {table.region}"
    source = f"Price List API of {today}" if listed else f"table of {table.gathered}{elsewhere}"
    return PriceBook(
        region=region,
        as_of=today if listed else table.gathered,
        source=source,
        prices={**dated, **listed},
        fallback=fallback,
    )


def is_fresh(cached: PriceBook | None, kinds: Iterable[str], today: date) -> bool:
    """Whether a cached book will do: young enough, from the API, and with all instance types of interest."""
    if cached is None or not cached.prices or today - cached.as_of > FRESH:
        return False
    if len(cached.fallback) == len(cached.prices):
        return False
    return all(f"AmazonEC2/BoxUsage:{kind}" in cached.prices for kind in kinds)
