"""The operations of Service Quotas that read, and the request for more."""

from __future__ import annotations

import sys
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from moto.core.utils import get_service_model
from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS

from rehearsal.aws.errors import AwsError
from rehearsal.aws.protocol import Call, ModelledService, handlers_of


def service() -> ModelledService:
    """The service's operations."""
    handlers = handlers_of([sys.modules[__name__]], get_service_model("service-quotas").operation_names)
    return ModelledService("service-quotas", handlers, "IllegalArgumentException")


def list_services(call: Call) -> dict[str, Any]:
    """Services with quotas."""
    return {"Services": [{"ServiceCode": code, "ServiceName": entry["name"]} for code, entry in _services().items()]}


def list_service_quotas(call: Call) -> dict[str, Any]:
    """The account's quotas of a service."""
    quotas = _quotas(call, applied=True)
    wanted = call.get("QuotaCode")
    return {"Quotas": [quota for quota in quotas if wanted in (None, quota["QuotaCode"])]}


def get_service_quota(call: Call) -> dict[str, Any]:
    """One quota of the account."""
    return {"Quota": _quota(call, applied=True)}


def list_aws_default_service_quotas(call: Call) -> dict[str, Any]:
    """AWS's default quotas of a service."""
    return {"Quotas": _quotas(call, applied=False)}


def get_aws_default_service_quota(call: Call) -> dict[str, Any]:
    """AWS's default for one quota."""
    return {"Quota": _quota(call, applied=False)}


def request_service_quota_increase(call: Call) -> dict[str, Any]:
    """Ask for more; the request stays pending, as on AWS it takes days."""
    quota = _quota(call, applied=True)
    if not quota["Adjustable"] or call["DesiredValue"] <= quota["Value"]:
        raise AwsError(
            "IllegalArgumentException",
            f"{quota['QuotaName']} is {quota['Value']:g}"
            + ("; ask for more than that" if quota["Adjustable"] else " and cannot be changed"),
        )
    members = ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn", "Unit", "GlobalQuota")
    request = {"Id": uuid.uuid4().hex, "DesiredValue": call["DesiredValue"], "Status": "PENDING"}
    return {"RequestedQuota": {**request, **{member: quota[member] for member in members}}}


@lru_cache(maxsize=1)
def _services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "quotas.yaml").read_text())
    loaded["vpc"] = {
        "name": "Amazon Virtual Private Cloud (Amazon VPC)",
        "quotas": {
            quota["QuotaCode"]: {
                "name": quota["QuotaName"],
                "default": quota["Value"],
                "adjustable": quota["Adjustable"],
            }
            for quota in VPC_DEFAULT_QUOTAS
        },
    }
    return dict(sorted(loaded.items()))


def _quotas(call: Call, *, applied: bool) -> list[dict[str, Any]]:
    code = call["ServiceCode"]
    entry = _services().get(code)
    if entry is None:
        known = ", ".join(_services())
        raise AwsError("NoSuchResourceException", f"Service {code!r} has no quotas here; there are those of {known}")
    return [
        {
            "ServiceCode": code,
            "ServiceName": entry["name"],
            "QuotaArn": f"arn:aws:servicequotas:{call.region}:{call.caller.account}:{code}/{quota_code}",
            "QuotaCode": quota_code,
            "QuotaName": quota["name"],
            "Value": float(quota.get("value", quota["default"]) if applied else quota["default"]),
            "Unit": "None",
            "Adjustable": quota.get("adjustable", True),
            "GlobalQuota": False,
        }
        for quota_code, quota in entry["quotas"].items()
    ]


def _quota(call: Call, *, applied: bool) -> dict[str, Any]:
    for quota in _quotas(call, applied=applied):
        if quota["QuotaCode"] == call["QuotaCode"]:
            return quota
    raise AwsError("NoSuchResourceException", f"{call['ServiceCode']} has no quota {call['QuotaCode']} here")
