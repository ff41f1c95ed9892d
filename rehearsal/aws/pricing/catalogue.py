"""The price list as products in the shape of the Price List API."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.aws.eks import capacity

Product = dict[str, Any]
_ON_DEMAND = "JRTCKXETXF"
_RATE = "6YS6EN2CT7"


@lru_cache(maxsize=1)
def prices() -> dict[str, Any]:
    """The content of ``data/prices.yaml``."""
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "prices.yaml").read_text())
    return loaded


@lru_cache(maxsize=1)
def products() -> tuple[Product, ...]:
    """All products, instance types included."""
    return (*_instances(), *(_product(row) for row in prices()["products"]))


def on_demand(instance_type: str) -> float | None:
    """USD per hour of a Linux instance in us-east-1; None when the list has no price for it."""
    family, _, size = instance_type.partition(".")
    base, factor = prices()["instance_families"].get(family), prices()["sizes"].get(size)
    if base is None or factor is None or capacity.instance_type(instance_type) is None:
        return None
    return float(round(base * factor, 6))


def _instances() -> Iterator[Product]:
    for family in prices()["instance_families"]:
        for size in prices()["sizes"]:
            name = f"{family}.{size}"
            kind, price = capacity.instance_type(name), on_demand(name)
            if kind is not None and price is not None:
                yield _instance(kind, price)


def _instance(kind: capacity.InstanceType, price: float) -> Product:
    return _product(
        {
            "service": "AmazonEC2",
            "family": "Compute Instance",
            "unit": "Hrs",
            "price": price,
            "description": f"${price} per On Demand Linux {kind.name} Instance Hour",
            "attributes": {
                "instanceType": kind.name,
                "instanceFamily": {"t": "General purpose", "m": "General purpose", "c": "Compute optimized"}.get(
                    kind.name[0], "Memory optimized"
                ),
                "vcpu": str(kind.vcpus),
                "memory": f"{kind.memory_mib / 1024:g} GiB",
                "operatingSystem": "Linux",
                "tenancy": "Shared",
                "preInstalledSw": "NA",
                "capacitystatus": "Used",
                "licenseModel": "No License required",
                "marketoption": "OnDemand",
                "currentGeneration": "Yes",
                "processorArchitecture": "64-bit",
                "usagetype": f"BoxUsage:{kind.name}",
                "operation": "RunInstances",
            },
        }
    )


def _product(row: dict[str, Any]) -> Product:
    everything = prices()
    attributes = {
        "servicecode": row["service"],
        "location": everything["location"],
        "locationType": "AWS Region",
        "regionCode": everything["region"],
        **row["attributes"],
    }
    sku = hashlib.sha256(f"{row['service']}{row['family']}{attributes['usagetype']}".encode()).hexdigest()[:16].upper()
    offer = f"{sku}.{_ON_DEMAND}"
    effective = f"{everything['dated']}T00:00:00Z"
    return {
        "product": {"productFamily": row["family"], "attributes": attributes, "sku": sku},
        "serviceCode": row["service"],
        "terms": {
            "OnDemand": {
                offer: {
                    "priceDimensions": dict(_dimensions(row, offer)),
                    "sku": sku,
                    "effectiveDate": effective,
                    "offerTermCode": _ON_DEMAND,
                    "termAttributes": {},
                }
            }
        },
        "version": f"{everything['dated']:%Y%m%d}000000",
        "publicationDate": effective,
    }


def _dimensions(row: dict[str, Any], offer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    tiers = row.get("tiers") or [[0, row["price"]]]
    for index, (begin, price) in enumerate(tiers):
        rate = f"{offer}.{_RATE[:-1]}{index + 7}" if index else f"{offer}.{_RATE}"
        yield (
            rate,
            {
                "unit": row["unit"],
                "beginRange": str(begin),
                "endRange": str(tiers[index + 1][0]) if index + 1 < len(tiers) else "Inf",
                "description": row["description"],
                "appliesTo": [],
                "rateCode": rate,
                "pricePerUnit": {"USD": f"{price:.10f}"},
            },
        )
