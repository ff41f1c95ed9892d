"""Prices: a dated table of the repository, and the price book of a region that an estimate is made with."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from slipway.model.environment import Strict
from slipway.model.records import Record


class Price(Strict):
    """Price of one unit; with tiers, the price of each from its first unit on.

    :param unit: as billed: ``Hrs``, ``GB``, ``GB-Mo``, ...
    :param usd: per unit, of the first tier.
    :param tiers: ``(first unit, USD)`` when the price falls with the month's quantity.
    """

    unit: str
    usd: float
    tiers: list[tuple[float, float]] = []

    def of(self, quantity: float) -> float:
        """USD of a month's quantity over all tiers."""
        if not self.tiers:
            return self.usd * quantity
        edges = [*self.tiers, (float("inf"), 0.0)]
        return sum(usd * max(0.0, min(quantity, following) - first) for (first, usd), (following, _) in pairwise(edges))


class SavingsRates(Strict):
    """What cannot be read from the Price List: shares of the on-demand price, dated as their table.

    :param spot: what spot costs of on-demand, when its history cannot be read.
    :param compute_savings_plan: what a one-year Compute Savings Plan without upfront payment costs of on-demand, by
        instance family, when AWS's offers cannot be read.
    """

    spot: float
    compute_savings_plan: dict[str, float]
    compute_savings_plan_default: float


class PriceTable(Strict):
    """List prices in USD of one region.

    :param hourly: by resource, per hour.
    :param instances: by EC2 instance type, Linux on demand, per hour.
    :param usage: by ``<service code>/<usage type without region>``, as a bill names it.
    """

    gathered: date
    region: str
    hourly: dict[str, float]
    monthly: dict[str, float]
    gigabyte_month: dict[str, float]
    instances: dict[str, float]
    usage: dict[str, Price] = {}
    savings: SavingsRates | None = None


class PriceBook(Record):
    """Prices of a region, by ``<service code>/<usage type without region>``.

    :param source: where they come from, for people: ``Price List API of 2026-11-22`` or the fallback table.
    :param prices: EC2 instances are ``AmazonEC2/BoxUsage:<type>``.
    :param fallback: keys whose price comes from the dated table because the API had none.
    """

    region: str
    as_of: date
    source: str
    prices: dict[str, Price]
    fallback: list[str] = []

    def find(self, key: str) -> Price | None:
        """Price of a usage type; ``None`` when it is not in the book."""
        return self.prices.get(key)

    def instance(self, kind: str) -> float | None:
        """USD per hour of a Linux instance on demand; ``None`` when it is not in the book."""
        found = self.find(f"AmazonEC2/BoxUsage:{kind}")
        return None if found is None else found.usd
