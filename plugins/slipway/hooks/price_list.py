"""Prices: the Price List API, kept in the artefact bucket for a week, over the repository's dated table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from slipway.catalog.documents import load_document
from slipway.catalog.paths import include_dir
from slipway.decisions.price_list import Query, book, is_fresh, prices_of, queries, wanted_types
from slipway.hooks.aws import client
from slipway.hooks.cost_explorer import reason_of
from slipway.hooks.records import RecordsHook
from slipway.model.platform import Platform
from slipway.model.prices import Price, PriceBook, PriceTable, SavingsRates
from slipway.model.report import Missing

# The Price List is served from few regions; this one has all regions' prices.
API_REGION = "us-east-1"
DATED_REGION = "us-east-1"
# No question of ours has so many answers; beyond it something is asked wrongly.
MOST_PAGES = 20
# What spot and commitment cost of on-demand when neither API nor table say: no saving.
NO_SAVINGS = SavingsRates(spot=1.0, compute_savings_plan={}, compute_savings_plan_default=1.0)


class PriceListHook:
    """Price books for one platform's region.

    :ivar missing: what could not be had; the dated table stands in for it.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.records = RecordsHook(platform)
        self.missing: list[Missing] = []

    @property
    def key(self) -> str:
        """Where the price book is kept."""
        return f"prices/{self.platform.region}.json"

    def book(self, kinds: Iterable[str], today: date) -> PriceBook:
        """The price book with some instance types, from the bucket when it is younger than a week."""
        wanted = wanted_types(kinds)
        cached = self._cached()
        if cached is not None and is_fresh(cached, wanted, today):
            return cached
        listed = self._ask(queries(self.platform.region, wanted))
        found = book(self.platform.region, listed, self.table(), today)
        # A book that is all fallback is worth another try tomorrow.
        if listed and not self.missing:
            self._keep(found)
        return found

    def kept(self) -> PriceBook:
        """The price book that the bucket has, however old, else the dated table: for those who must not write."""
        return self._cached() or book(self.platform.region, {}, self.table(), self.table().gathered)

    def table(self) -> PriceTable:
        """The dated table of the region, or of the region whose prices are the usual reference."""
        folder = include_dir() / "prices"
        name = self.platform.region if (folder / f"{self.platform.region}.yaml").is_file() else DATED_REGION
        return load_document(folder / f"{name}.yaml", PriceTable, f"include/prices/{name}.yaml")

    def _ask(self, questions: list[Query]) -> dict[str, Price]:
        found: dict[str, Price] = {}
        for question in questions:
            try:
                found |= prices_of(self._products(question))
            except (ClientError, BotoCoreError) as error:
                reason = f"{reason_of(error)}; the dated table stands in"
                self.missing.append(Missing(part=f"list prices of {question.service}", reason=reason))
                if not found:
                    # Nobody there, or not allowed: the other questions would get the same answer.
                    return found
        return found

    def _products(self, question: Query) -> list[dict[str, Any]]:
        api = client("pricing", API_REGION)
        filters = [
            {"Type": "ANY_OF" if len(values) > 1 else "TERM_MATCH", "Field": name, "Value": ",".join(values)}
            for name, values in question.filters.items()
        ]
        pages = api.get_paginator("get_products").paginate(
            ServiceCode=question.service,
            Filters=filters,
            FormatVersion="aws_v1",
            PaginationConfig={"MaxItems": MOST_PAGES * 100, "PageSize": 100},
        )
        return [json.loads(product) for page in pages for product in page["PriceList"]]

    def _cached(self) -> PriceBook | None:
        try:
            document = self.records.get_json(self.key)
            return None if document is None else PriceBook.model_validate(document)
        except (ClientError, BotoCoreError, ValidationError):
            return None

    def _keep(self, found: PriceBook) -> None:
        try:
            self.records.put_json(self.key, found.model_dump(mode="json"))
        except (ClientError, BotoCoreError) as error:
            self.missing.append(Missing(part="keeping of the price list", reason=reason_of(error)))


def spot_prices(region: str, kinds: Iterable[str]) -> dict[str, float]:
    """USD per hour of Linux instances on spot now, by type: the mean of the zones' newest prices.

    :raises ClientError: it could not be read; botocore's connection errors likewise.
    """
    wanted = sorted(set(kinds))
    if not wanted:
        return {}
    pages = (
        client("ec2", region)
        .get_paginator("describe_spot_price_history")
        .paginate(
            InstanceTypes=wanted,
            ProductDescriptions=["Linux/UNIX"],
            # From now on: of each type and zone, the price that holds now.
            StartTime=datetime.now(UTC),
        )
    )
    zones: dict[str, dict[str, tuple[Any, float]]] = {}
    for page in pages:
        for one in page["SpotPriceHistory"]:
            known = zones.setdefault(one["InstanceType"], {})
            zone, moment = one["AvailabilityZone"], one["Timestamp"]
            if zone not in known or known[zone][0] < moment:
                known[zone] = (moment, float(one["SpotPrice"]))
    return {kind: sum(price for _, price in known.values()) / len(known) for kind, known in zones.items()}
