"""The body of a cost report. Amounts are USD before tax, rounded to a hundredth of a cent; times are UTC days."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from slipway.model.bill import AwsAnomaly, AwsBudget, AwsForecast, CallCount, RecordTypeLine
from slipway.model.records import Record


class CostVerdict(StrEnum):
    """Where the month stands against its budget. ``UNKNOWN``: there is no bill to judge."""

    WITHIN = "within-budget"
    FORECAST_OVER = "forecast-over-budget"
    OVER = "over-budget"
    UNKNOWN = "unknown"


class Compared(Record):
    """Cost of the day, and of the same day last week.

    :param last_week_usd: ``None`` when the history does not reach back that far.
    """

    name: str
    usd: float
    last_week_usd: float | None

    @property
    def change_usd(self) -> float | None:
        """What it rose by."""
        return None if self.last_week_usd is None else round(self.usd - self.last_week_usd, 4)


class UsageCost(Compared):
    """Cost of a usage type, by the name people know it by.

    :param name: for example ``NAT gateway, hours``.
    :param quantity: in ``unit``.
    """

    service: str
    usage_type: str
    quantity: float
    unit: str


class Month(Record):
    """The month so far.

    :param through: last day that counts, the report's day.
    :param gross_usd: usage of this platform (environment and region) before credits, refunds and tax.
    :param preliminary_usd: of later days, which the bill does not have whole yet.
    :param environment_usd: gross of the environment over all its regions, which the budget is for; ``None`` when
        the account's bill could not be read.
    :param credits_usd: of the environment, negative; so are refunds. ``None`` when they could not be read.
    """

    first: date
    through: date
    days: int
    days_in_month: int
    gross_usd: float
    preliminary_usd: float
    environment_usd: float | None = None
    credits_usd: float | None = None
    refunds_usd: float | None = None
    tax_usd: float | None = None
    budget_usd: float
    aws_budget: AwsBudget | None = None

    @property
    def judged_usd(self) -> float:
        """What the budget is compared with."""
        return self.gross_usd if self.environment_usd is None else self.environment_usd

    @property
    def budget_share(self) -> float:
        """Share of the budget that is spent."""
        return self.judged_usd / self.budget_usd

    @property
    def time_share(self) -> float:
        """Share of the month that has passed."""
        return self.days / self.days_in_month

    @property
    def net_usd(self) -> float | None:
        """Gross less credits and refunds; without tax."""
        if self.credits_usd is None or self.refunds_usd is None:
            return None
        return round(self.judged_usd + self.credits_usd + self.refunds_usd, 4)


class Skill(Record):
    """How a forecasting method did on the last weeks of the history, which it was not shown.

    :param error: mean absolute error of the weekly sum, in percent.
    :param naive_error: the same of "each day costs what it cost a week before".
    :param tests: number of origins it was tried from.
    """

    method: str
    error: float
    naive_error: float
    tests: int

    @property
    def better(self) -> bool:
        """Whether it beat the naive forecast."""
        return self.error < self.naive_error


class Forecast(Record):
    """Cost of the whole month.

    :param usd: what is spent so far and what is expected for the rest.
    :param level: percent of cases in which the cost lies between ``low_usd`` and ``high_usd``.
    """

    method: str
    usd: float
    low_usd: float
    high_usd: float
    level: int = 80
    skill: Skill | None = None
    note: str = ""


class Forecasts(Record):
    """Our forecast and Cost Explorer's, both of the whole month, the latter with what is spent so far."""

    ours: Forecast | None = None
    aws: Forecast | None = None
    aws_rest: AwsForecast | None = None


class AnomalyKind(StrEnum):
    """How cost left its usual course."""

    SPIKE = "spike"
    DROP = "drop"


class Anomaly(Record):
    """A day on which a service cost far more or less than usual.

    :param score: robust standard deviations from what was expected.
    :param drivers: usage types that moved most, with what they rose by in USD.
    """

    day: date
    service: str
    kind: AnomalyKind
    usd: float
    expected_usd: float
    score: float
    drivers: list[tuple[str, float]] = []


class Untagged(Record):
    """Cost of the account without the platform's tag, by service, on the report's day."""

    usd: float
    tagged_usd: float
    services: list[tuple[str, float]] = []

    @property
    def share(self) -> float:
        """Share of the account's cost that no platform can be charged with."""
        whole = self.usd + self.tagged_usd
        return self.usd / whole if whole else 0.0


class EstimateLine(Record):
    """Resources of one kind at list price.

    :param key: price, as ``<service code>/<usage type without region>``.
    :param count: in ``unit`` per month, for example 1,460 hours of two instances.
    :param monthly_usd: ``None`` when the price is not known.
    :param resources: identifiers, the first few.
    """

    what: str
    key: str
    resources: list[str] = []
    number: int
    count: float
    unit: str
    monthly_usd: float | None


class Estimate(Record):
    """The inventory at list prices, for a month of 730 hours.

    :param source: where prices come from.
    """

    source: str
    lines: list[EstimateLine]
    monthly_usd: float
    unpriced: list[str] = []


class How(StrEnum):
    """What explains a line of the bill."""

    INVENTORY = "inventory"
    METERED = "metered"
    NOTHING = "nothing"


class Explanation(Record):
    """A line of the bill of one day, and what explains it.

    :param expected_usd: inventory: what stands there, at list price, for a day. Metered: the billed quantity at list
        price, since what was used cannot be read from what is there. ``None``: nothing explains it.
    """

    name: str
    service: str
    usage_type: str
    billed_usd: float
    expected_usd: float | None
    how: How
    note: str = ""


class Explained(Record):
    """The bill of a day against the estimate.

    :param explained_usd: the part of the bill that inventory and prices account for.
    :param absent: what the estimate has and the bill has not.
    """

    day: date
    lines: list[Explanation]
    billed_usd: float
    explained_usd: float
    unexplained_usd: float
    absent: list[tuple[str, float]] = []

    @property
    def share(self) -> float:
        """Share of the bill that is explained."""
        return self.explained_usd / self.billed_usd if self.billed_usd else 1.0


class Share(Record):
    """Monthly cost of a component or a team.

    :param compute_usd: of its pods' share of nodes.
    :param storage_usd: of its volumes.
    """

    name: str
    pods: int
    compute_usd: float
    storage_usd: float

    @property
    def usd(self) -> float:
        """Both together."""
        return round(self.compute_usd + self.storage_usd, 4)


class Allocation(Record):
    """Who the cluster's cost is for. Components, idle, system and shared together are the estimate.

    :param basis: ``requests and usage`` or ``requests``.
    :param idle_usd: of node capacity that nobody asked for or used.
    :param shared_usd: control plane, network, keys, logs: what no pod can be charged with.
    """

    basis: str
    components: list[Share]
    teams: list[Share]
    idle_usd: float
    shared_usd: float
    total_usd: float


class Confidence(StrEnum):
    """How sure a saving is. High: price times what is there. Low: depends on what cannot be seen from here."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Saving(Record):
    """A change that makes the platform cheaper.

    :param name: stable, for example ``graviton/primary``.
    :param monthly_usd: by how much, taken alone.
    :param breaks: what it costs in other ways.
    :param change: exactly what to edit or run.
    :param touches: parts of the cost it works on; savings that share one are not added up.
    :param counted: whether it is part of the sum of savings.
    """

    name: str
    title: str
    monthly_usd: float
    confidence: Confidence
    breaks: str
    change: str
    evidence: str = ""
    touches: list[str]
    counted: bool = True


class Savings(Record):
    """Savings, the largest first.

    :param total_usd: of the best choice of savings that do not overlap.
    """

    items: list[Saving] = []
    total_usd: float = 0.0


class CostBody(Record):
    """Body of a cost report.

    :param day: the newest day that the bill has whole; ``None`` without a bill.
    :param tags: cost of the account's day by platform.
    :param teams: cost of the month so far by the environment's second tag, within this environment.
    :param charges: of the month so far, by kind of charge, of this environment and of what has no tag.
    :param calls: requests to Cost Explorer for this platform; ``account_calls`` those for all platforms together.
    """

    day: date | None = None
    total: Compared | None = None
    services: list[Compared] = []
    usage: list[UsageCost] = []
    tags: list[Compared] = []
    teams: list[tuple[str, float]] = []
    charges: list[RecordTypeLine] = []
    untagged: Untagged | None = None
    month: Month | None = None
    forecast: Forecasts = Forecasts()
    anomalies: list[Anomaly] = []
    aws_anomalies: list[AwsAnomaly] = []
    estimate: Estimate | None = None
    explained: Explained | None = None
    allocation: Allocation | None = None
    savings: Savings = Savings()
    calls: CallCount
    account_calls: CallCount | None = None
