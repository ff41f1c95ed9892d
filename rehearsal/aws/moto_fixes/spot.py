"""EC2 spot prices: moto says 0.00001 USD in the year 2006 for every type; here they follow the list price.

Spot prices are no list prices. 38-42 % of on-demand, by zone, stands for the 50-65 % discount one may plan with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.spot_instances import SpotInstances

from rehearsal.aws.moto_fixes.wrapping import around
from rehearsal.aws.pricing.catalogue import on_demand

_SHARE = 0.38
_ZONE_STEP = 0.01


def install() -> None:
    """Correct DescribeSpotPriceHistory."""
    around(SpotInstances, "describe_spot_price_history", _describe_spot_price_history)


def _describe_spot_price_history(original: Callable[..., Any], response: Any) -> ActionResult:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    products = set(response._get_param("ProductDescriptions", []) or [])
    history = []
    for entry in original(response).result["SpotPriceHistory"]:
        price = on_demand(entry["InstanceType"])
        if price is None or not (not products or {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"} & products):
            continue
        zone = ord(entry["AvailabilityZone"][-1]) - ord("a")
        amount = f"{price * (_SHARE + _ZONE_STEP * (zone % 5)):.6f}"
        history.append({**entry, "ProductDescription": "Linux/UNIX", "SpotPrice": amount, "Timestamp": now})
    return ActionResult({"SpotPriceHistory": history})
