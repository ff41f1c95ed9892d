"""What Cost Explorer says, as facts: lines of the bill by day, and what it says of the whole account."""

from __future__ import annotations

from datetime import date

from slipway.model.records import Record
from slipway.model.report import Missing


class BillLine(Record):
    """Cost of one usage type of one service on one day.

    :param service: as Cost Explorer spells it, for example ``EC2 - Other``.
    :param usage_type: as billed, with its region prefix, for example ``EUC1-NatGateway-Hours``.
    :param usd: unblended cost, before credits, refunds and tax.
    :param quantity: in ``unit``; 0 when Cost Explorer gave none.
    """

    day: date
    service: str
    usage_type: str
    usd: float
    quantity: float = 0.0
    unit: str = ""


class TagLine(Record):
    """Cost of one day of everything with one value of a tag, by service.

    :param value: the tag's value; empty for what carries no such tag.
    """

    day: date
    value: str
    service: str
    usd: float


class RecordTypeLine(Record):
    """Cost of the month so far by kind of charge, such as ``Usage``, ``Credit``, ``Refund``, ``Tax``."""

    record_type: str
    value: str
    usd: float


class TeamLine(Record):
    """Cost of the month so far of a platform by another tag's value."""

    platform: str
    value: str
    usd: float


class AwsAnomaly(Record):
    """An anomaly that AWS Cost Anomaly Detection found.

    :param usd: impact: what was spent beyond what was expected.
    """

    id: str
    first: date
    last: date
    service: str
    region: str = ""
    usage_type: str = ""
    usd: float
    expected_usd: float | None = None
    score: float | None = None


class AwsForecast(Record):
    """Cost Explorer's forecast of the rest of the month, ``first`` to ``last`` inclusive."""

    first: date
    last: date
    usd: float
    low_usd: float
    high_usd: float
    level: int = 80


class AwsBudget(Record):
    """A budget of AWS Budgets that watches the platform."""

    name: str
    limit_usd: float
    actual_usd: float | None = None
    forecast_usd: float | None = None


class CallCount(Record):
    """Requests to Cost Explorer, pages included; each costs 0.01 USD.

    :param allowed: the ceiling; a request beyond it is not made.
    """

    made: int
    allowed: int

    @property
    def usd(self) -> float:
        """What the requests cost."""
        return round(0.01 * self.made, 2)


class AccountBill(Record):
    """What is asked once a night for all platforms of an account.

    :param tag: the tag by which ``team`` lines are grouped.
    """

    account: str
    as_of: date
    platforms: list[TagLine] = []
    charges: list[RecordTypeLine] = []
    teams: list[TeamLine] = []
    anomalies: list[AwsAnomaly] = []
    tag: str = "team"
    calls: CallCount
    missing: list[Missing] = []


class PlatformBill(Record):
    """What is asked once a night of one platform.

    :param lines: ten weeks by day, service and usage type.
    """

    lines: list[BillLine] = []
    forecast: AwsForecast | None = None
    calls: CallCount
    missing: list[Missing] = []
