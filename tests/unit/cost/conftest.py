"""Cost Explorer's answers of the worked month, and what stands there beside them."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.catalog.documents import load_document
from slipway.catalog.environments import load_platform
from slipway.catalog.paths import include_dir
from slipway.decisions.price_list import book
from slipway.hooks import cost_bills, cost_explorer
from slipway.model.bill import AccountBill, PlatformBill
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook, PriceTable

from tests.unit.cost.worked_month import TODAY, Responses


@pytest.fixture(scope="session")
def table() -> PriceTable:
    return load_document(include_dir() / "prices" / "us-east-1.yaml", PriceTable, "us-east-1.yaml")


@pytest.fixture(scope="session")
def prices(table: PriceTable) -> PriceBook:
    """The dated table as a price book."""
    return book("us-east-1", {}, table, TODAY)


@pytest.fixture(scope="session")
def platform() -> Platform:
    return load_platform("dev")


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> Responses:
    """In place of Cost Explorer."""
    made = Responses()

    class Connection:
        def __init__(self, **_: Any) -> None:
            """Take what the hook gives."""

        def get_conn(self) -> Responses:
            return made

    monkeypatch.setattr(cost_explorer, "AwsBaseHook", Connection)
    return made


@pytest.fixture
def bill(responses: Responses, platform: Platform) -> PlatformBill:
    return cost_bills._ask(platform, TODAY)


@pytest.fixture
def account(responses: Responses, platform: Platform) -> AccountBill:
    return cost_bills._ask_account(platform, TODAY)
