"""The bill: one line per day, usage type and set of tags, the same for the same seed and the same account."""

from __future__ import annotations

import calendar
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.aws.costs.standing import COMPUTE, Standing, prefixed


@dataclass(frozen=True)
class Line:
    """One line of the bill."""

    day: date
    region: str
    service: str
    usage_type: str
    record_type: str
    unit: str
    quantity: float
    usd: float
    tags: dict[str, str] = field(hash=False)


@lru_cache(maxsize=1)
def shipped_scenario() -> dict[str, Any]:
    """The content of ``data/scenario.yaml``."""
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "scenario.yaml").read_text())
    return loaded


class Bill:
    """The account's bill as it is known at ``now``.

    :param scenario: as ``data/scenario.yaml``.
    :param stands: what costs money by standing there.
    """

    def __init__(self, scenario: dict[str, Any], stands: Sequence[Standing], now: datetime) -> None:
        self.scenario = scenario
        self.now = now
        self.today = now.astimezone(UTC).date()
        self._standing = list(stands)
        self._platforms = _platforms(stands)

    def lines(self, start: date, end: date) -> Iterator[Line]:
        """Lines of the days from ``start``, before ``end``."""
        first = max(start, self.today - timedelta(days=int(self.scenario["history_days"])))
        for offset in range(max(0, (end - first).days)):
            day = first + timedelta(days=offset)
            share = self._known(day)
            if share > 0:
                yield from self._day(day, share)

    def _known(self, day: date) -> float:
        """The part of a day that has reached the bill."""
        # Whole hours, so that an hour's questions get the same answers.
        until = self.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=float(self.scenario["lag_hours"]))
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return min(1.0, max(0.0, (until - begin) / timedelta(days=1)))

    def _day(self, day: date, share: float) -> Iterator[Line]:
        month = calendar.monthrange(day.year, day.month)[1]
        for one in self._standing:
            quantity = share * one.quantity / (month if one.by_month else 1)
            tags = dict(one.tags)
            yield Line(
                day, one.region, one.service, one.usage_type, "Usage", one.unit, quantity, quantity * one.usd, tags
            )
        for tags, region, nodes in self._platforms:
            for row in self.scenario["metered"]:
                yield self._metered(day, share, row, region, nodes, tags if row.get("tagged", True) else {})
        for row in self.scenario["global"] if self._platforms else []:
            quantity = share * float(row["fixed"])
            usd = quantity * row["usd"]
            yield Line(day, "NoRegion", row["service"], row["usage_type"], "Usage", row["unit"], quantity, usd, {})
        yield from self._charges(day)

    def _metered(
        self, day: date, share: float, row: dict[str, Any], region: str, nodes: int, tags: dict[str, str]
    ) -> Line:
        name = prefixed(region, row["usage_type"], row.get("prefix", "short"))
        quantity = float(row.get("fixed", 0)) + float(row.get("per_node", 0)) * nodes
        if row.get("by_month"):
            quantity /= calendar.monthrange(day.year, day.month)[1]
        else:
            chance = random.Random(f"{self.scenario['seed']}/{day}/{region}/{row['service']}/{name}")  # noqa: S311
            quantity *= chance.lognormvariate(0.0, float(self.scenario["spread"]))
            quantity *= float(self.scenario["weekend"]) if day.weekday() >= 5 else 1.0
            quantity *= (1 + float(self.scenario["growth"])) ** (day - self.today).days
        quantity *= share * self._anomaly(day, row["usage_type"])
        return Line(
            day, region, row["service"], name, "Usage", row["unit"], quantity, quantity * float(row["usd"]), tags
        )

    def _anomaly(self, day: date, usage_type: str) -> float:
        for one in self.anomalies():
            if one["usage_type"] == usage_type and one["first"] <= day <= one["last"]:
                return float(one["factor"])
        return 1.0

    def anomalies(self) -> list[dict[str, Any]]:
        """The scenario's anomalies with their days."""
        found = []
        for one in self.scenario["anomalies"]:
            first = self.today - timedelta(days=int(one["days_ago"]))
            found.append({**one, "first": first, "last": first + timedelta(days=int(one["days"]) - 1)})
        return found

    def _charges(self, day: date) -> Iterator[Line]:
        for row in self.scenario["charges"]:
            if day.day != int(row["day"]):
                continue
            holders: Iterable[tuple[dict[str, str], str]] = [({}, "NoRegion")]
            if row["tagged"]:
                holders = [(tags, region) for tags, region, _ in self._platforms]
            for tags, region in holders:
                name = prefixed(region, "Charge") if row["tagged"] else "Charge"
                yield Line(day, region, row["service"], name, row["record_type"], "", 0.0, float(row["usd"]), tags)


def _platforms(stands: Sequence[Standing]) -> list[tuple[dict[str, str], str, int]]:
    """Tags, region and number of nodes of every platform that has anything standing."""
    found: dict[tuple[str, str], tuple[dict[str, str], int]] = {}
    for one in stands:
        tags = {key: value for key, value in one.tags if key.startswith("slipway:") or key == "team"}
        name = tags.get("slipway:platform")
        if name is None:
            continue
        before, nodes = found.get((name, one.region), (tags, 0))
        kept = tags if len(tags) > len(before) else before
        found[name, one.region] = (kept, nodes + (1 if one.service == COMPUTE else 0))
    return [(tags, region, nodes) for (_, region), (tags, nodes) in sorted(found.items())]
