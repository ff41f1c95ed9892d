"""The operations of the Price List Service."""

from __future__ import annotations

import json
import sys
from typing import Any

from moto.core.utils import get_service_model

from rehearsal.aws.errors import AwsError
from rehearsal.aws.pricing.catalogue import Product, products
from rehearsal.aws.protocol import Call, ModelledService, handlers_of

_FORMAT = "aws_v1"


def service() -> ModelledService:
    """The service's operations."""
    handlers = handlers_of([sys.modules[__name__]], get_service_model("pricing").operation_names)
    return ModelledService("pricing", handlers, "InvalidParameterException")


def get_products(call: Call) -> dict[str, Any]:
    """Products of a service that match all filters, each as a JSON string."""
    found = [product for product in _of_service(call["ServiceCode"]) if _matches(product, call.get("Filters", []))]
    shown, more = _page(found, call)
    return {"FormatVersion": _FORMAT, "PriceList": [json.dumps(product) for product in shown], **more}


def describe_services(call: Call) -> dict[str, Any]:
    """Services with prices and their attributes."""
    codes = sorted({product["serviceCode"] for product in products()})
    if call.get("ServiceCode"):
        _of_service(call["ServiceCode"])
        codes = [call["ServiceCode"]]
    rows = [{"ServiceCode": code, "AttributeNames": sorted(_attribute_names(code))} for code in codes]
    shown, more = _page(rows, call)
    return {"FormatVersion": _FORMAT, "Services": shown, **more}


def get_attribute_values(call: Call) -> dict[str, Any]:
    """The values an attribute has among a service's products."""
    name = call["AttributeName"]
    if name not in _attribute_names(call["ServiceCode"]):
        raise AwsError("InvalidParameterException", f"{call['ServiceCode']} has no attribute {name!r}")
    values = sorted({_field(product, name) or "" for product in _of_service(call["ServiceCode"])} - {""})
    shown, more = _page([{"Value": value} for value in values], call)
    return {"AttributeValues": shown, **more}


def _of_service(code: str) -> list[Product]:
    found = [product for product in products() if product["serviceCode"] == code]
    if not found:
        known = ", ".join(sorted({product["serviceCode"] for product in products()}))
        raise AwsError("InvalidParameterException", f"ServiceCode is {code!r}; the rehearsal has prices of {known}")
    return found


def _matches(product: Product, filters: list[dict[str, str]]) -> bool:
    return all(_matches_one(_field(product, each["Field"]), each["Type"], each["Value"]) for each in filters)


def _matches_one(found: str | None, kind: str, wanted: str) -> bool:
    choices = [choice.strip() for choice in wanted.split(",")]
    if kind == "NONE_OF":
        return found not in choices
    if found is None:
        return False
    if kind == "CONTAINS":
        return wanted.lower() in found.lower()
    return found in choices if kind == "ANY_OF" else found.lower() == wanted.lower()


def _field(product: Product, name: str) -> str | None:
    if name == "ServiceCode":
        return str(product["serviceCode"])
    if name in ("productFamily", "sku"):
        return str(product["product"][name])
    found = product["product"]["attributes"].get(name)
    return None if found is None else str(found)


def _attribute_names(code: str) -> set[str]:
    return {"productFamily"}.union(*(product["product"]["attributes"] for product in _of_service(code)))


def _page(items: list[Any], call: Call) -> tuple[list[Any], dict[str, str]]:
    token = str(call.get("NextToken", "0"))
    if not token.isdigit():
        raise AwsError("InvalidNextTokenException", f"NextToken {token!r} was not returned by an earlier response")
    end = int(token) + int(call.get("MaxResults", 100))
    return items[int(token) : end], ({"NextToken": str(end)} if end < len(items) else {})
