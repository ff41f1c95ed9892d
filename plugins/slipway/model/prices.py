"""A dated table of list prices."""

from __future__ import annotations

from datetime import date

from slipway.model.environment import Strict


class PriceTable(Strict):
    """List prices in USD of one region.

    :param hourly: by resource, per hour.
    :param instances: by EC2 instance type, Linux on demand, per hour.
    """

    gathered: date
    region: str
    hourly: dict[str, float]
    monthly: dict[str, float]
    gigabyte_month: dict[str, float]
    instances: dict[str, float]
