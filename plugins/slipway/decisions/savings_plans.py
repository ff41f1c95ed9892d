"""Rates of Savings Plans, from the offers as AWS lists them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

ONE_YEAR_SECONDS = 365 * 24 * 3600


def compute_rates(offers: Iterable[Mapping[str, Any]], kinds: Collection[str]) -> dict[str, float]:
    """USD per hour by instance type, of one-year offers without upfront payment for shared Linux instances.

    The API's filters are trusted to leave nothing out, not to let nothing else in: what is judged is what each offer
    says of itself. Of several offers for one type the dearest counts.

    :param offers: ``searchResults`` of DescribeSavingsPlansOfferingRates.
    """
    found: dict[str, float] = {}
    for offer in offers:
        plan = offer.get("savingsPlanOffering") or {}
        properties = {one["name"]: one["value"] for one in offer.get("properties") or []}
        kind = properties.get("instanceType", "")
        if (
            kind in kinds
            and plan.get("planType") == "Compute"
            and plan.get("paymentOption") == "No Upfront"
            and plan.get("durationSeconds") == ONE_YEAR_SECONDS
            and plan.get("currency", "USD") == "USD"
            and offer.get("unit") == "Hrs"
            and properties.get("productDescription", "Linux/UNIX") == "Linux/UNIX"
            and properties.get("tenancy", "shared").lower() in {"shared", "default"}
            # Unused reservations are listed beside the usage itself.
            and "BoxUsage" in offer.get("usageType", "BoxUsage")
        ):
            found[kind] = max(found.get(kind, 0.0), float(offer["rate"]))
    return found
