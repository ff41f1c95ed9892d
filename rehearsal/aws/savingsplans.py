"""What Savings Plans would cost: the offers' rates, from the same price list as everything else."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from moto.core.utils import get_service_model

from rehearsal.aws.errors import AwsError
from rehearsal.aws.pricing.catalogue import on_demand, prices
from rehearsal.aws.protocol import Call, ModelledService, handlers_of

_REGION = "us-east-1"
_YEAR = 365 * 24 * 3600


def service() -> ModelledService:
    """The service's operations."""
    handlers = handlers_of([sys.modules[__name__]], get_service_model("savingsplans").operation_names)
    return ModelledService("savingsplans", handlers, "ValidationException")


def describe_savings_plans_offering_rates(call: Call) -> dict[str, Any]:
    """Rates of Compute Savings Plans without upfront payment, of one and of three years, for Linux instances."""
    wanted = {one["name"]: set(one["values"]) for one in call.get("filters", [])}
    found = [one for one in _offers() if _asked_for(one, call) and _matches(one, wanted)]
    token = str(call.get("nextToken", "0"))
    if not token.isdigit():
        raise AwsError("ValidationException", f"nextToken {token!r} was not returned by an earlier response")
    end = int(token) + int(call.get("maxResults", 1000))
    return {"searchResults": found[int(token) : end], **({"nextToken": str(end)} if end < len(found) else {})}


def _asked_for(offer: dict[str, Any], call: Call) -> bool:
    plan = offer["savingsPlanOffering"]
    return all(
        value in call.get(name, [value])
        for name, value in (
            ("savingsPlanPaymentOptions", plan["paymentOption"]),
            ("savingsPlanTypes", plan["planType"]),
            ("savingsPlanOfferingIds", plan["offeringId"]),
            ("products", offer["productType"]),
            ("serviceCodes", offer["serviceCode"]),
            ("usageTypes", offer["usageType"]),
            ("operations", offer["operation"]),
        )
    )


def _matches(offer: dict[str, Any], wanted: dict[str, set[str]]) -> bool:
    properties = {one["name"]: one["value"] for one in offer["properties"]}
    return all(properties.get(name) in values for name, values in wanted.items())


def _offers() -> list[dict[str, Any]]:
    listed = prices()
    return [
        _offer(f"{family}.{size}", usd, years, share)
        for family in listed["instance_families"]
        for size in listed["sizes"]
        if (usd := on_demand(f"{family}.{size}")) is not None
        for years, share in listed["compute_savings_plan"].items()
    ]


def _offer(kind: str, usd: float, years: int, share: float) -> dict[str, Any]:
    properties = {
        "region": _REGION,
        "instanceType": kind,
        "instanceFamily": kind.partition(".")[0],
        "productDescription": "Linux/UNIX",
        "tenancy": "shared",
    }
    return {
        "savingsPlanOffering": {
            "offeringId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"compute/{years}/no-upfront")),
            "paymentOption": "No Upfront",
            "planType": "Compute",
            "durationSeconds": years * _YEAR,
            "currency": "USD",
            "planDescription": f"{years} year No Upfront Compute Savings Plan",
        },
        "rate": f"{usd * share:.6f}",
        "unit": "Hrs",
        "productType": "EC2",
        "serviceCode": "AmazonEC2",
        "usageType": f"BoxUsage:{kind}",
        "operation": "RunInstances",
        "properties": [{"name": name, "value": value} for name, value in properties.items()],
    }
