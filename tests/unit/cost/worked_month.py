"""A worked month in Cost Explorer's real response shape: small enough that every figure can be computed by hand.

November 2026, looked at on the 22nd, so that the 20th is the newest whole day. The bill begins on 13 September.

Every whole day has, in USD:
  compute       2 t3.medium, 48 h at 0.0416            = 1.9968
  NAT hours     24 h at 0.045                          = 1.08
  NAT bytes     10 GB at 0.045                         = 0.45    on Saturdays and Sundays 4 GB = 0.18
  volumes       60 GB-month of gp3 at 0.08, a 30th     = 0.16
  control plane 24 h at 0.10                           = 2.40
  logs          2 GB at 0.50                           = 1.00
  something     unknown to inventory and price list    = 0.05
A weekday is 7.1368, a day of the weekend 6.8668. On 18 November 310 GB pass the NAT gateway: 13.95, not 0.45.
The 21st has reached the bill by a quarter. Credits: -20 of the platform, -7 of nobody; a refund of -1.50; tax 3.10.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

FIRST, TODAY = date(2026, 9, 13), date(2026, 11, 22)
DAY, SPIKE, PARTIAL = date(2026, 11, 20), date(2026, 11, 18), date(2026, 11, 21)
COMPUTE = "Amazon Elastic Compute Cloud - Compute"
EKS = "Amazon Elastic Container Service for Kubernetes"

# service, usage type, unit, quantity, USD per unit
ROWS = [
    (COMPUTE, "BoxUsage:t3.medium", "Hrs", 48.0, 0.0416),
    ("EC2 - Other", "NatGateway-Hours", "Hrs", 24.0, 0.045),
    ("EC2 - Other", "NatGateway-Bytes", "GB", 10.0, 0.045),
    ("EC2 - Other", "EBS:VolumeUsage.gp3", "GB-Mo", 2.0, 0.08),
    (EKS, "USE1-AmazonEKS-Hours:perCluster", "Hours", 24.0, 0.10),
    ("AmazonCloudWatch", "USE1-DataProcessing-Bytes", "GB", 2.0, 0.50),
    ("Amazon Mystery", "USE1-Mystery:Units", "Units", 5.0, 0.01),
]


def quantity(day: date, usage_type: str, usual: float) -> float:
    if usage_type == "NatGateway-Bytes":
        usual = 310.0 if day == SPIKE else 4.0 if day.weekday() >= 5 else usual
    return usual / 4 if day == PARTIAL else usual


def groups(day: date) -> Iterator[dict[str, Any]]:
    for service, usage_type, unit, usual, price in ROWS:
        amount = quantity(day, usage_type, usual)
        yield {
            "Keys": [service, usage_type],
            "Metrics": {
                "UnblendedCost": {"Amount": f"{amount * price:.10f}", "Unit": "USD"},
                "UsageQuantity": {"Amount": f"{amount:.10f}", "Unit": unit},
            },
        }


def by_time(start: date, end: date, make: Any) -> list[dict[str, Any]]:
    days = [start + timedelta(days=index) for index in range((end - start).days)]
    return [
        {
            "TimePeriod": {"Start": str(day), "End": str(day + timedelta(days=1))},
            "Total": {},
            "Groups": list(make(day)) if day >= FIRST else [],
            "Estimated": True,
        }
        for day in days
    ]


def _cost(amount: float) -> dict[str, Any]:
    return {"UnblendedCost": {"Amount": f"{amount:.10f}", "Unit": "USD"}}


def tagged(day: date) -> Iterator[dict[str, Any]]:
    """By platform and service: ours in this region, 1.00 a day of ours elsewhere, and what nobody tagged."""
    for service in sorted({row[0] for row in ROWS}):
        ours = sum(quantity(day, kind, usual) * price for name, kind, _, usual, price in ROWS if name == service)
        yield {"Keys": ["slipway:platform$slipway-dev", service], "Metrics": _cost(ours)}
    yield {"Keys": ["slipway:platform$slipway-dev", "Amazon Elsewhere"], "Metrics": _cost(1.0)}
    yield {"Keys": ["slipway:platform$", "EC2 - Other"], "Metrics": _cost(0.40)}
    yield {"Keys": ["slipway:platform$", "AWS Cost Explorer"], "Metrics": _cost(0.06)}


CHARGES = [
    (["Usage", "slipway:platform$slipway-dev"], 175.0),
    (["Credit", "slipway:platform$slipway-dev"], -20.0),
    (["Credit", "slipway:platform$"], -7.0),
    (["Refund", "slipway:platform$slipway-dev"], -1.5),
    (["Tax", "slipway:platform$slipway-dev"], 3.1),
]
TEAMS = [
    (["slipway:platform$slipway-dev", "team$data"], 100.0),
    (["slipway:platform$slipway-dev", "team$"], 61.0),
    (["slipway:platform$slipway-prod", "team$data"], 900.0),
]
ANOMALY = {
    "AnomalyId": "a-1",
    "AnomalyStartDate": "2026-11-18T00:00:00Z",
    "AnomalyEndDate": "2026-11-18T00:00:00Z",
    "DimensionValue": "EC2 - Other",
    "RootCauses": [{"Service": "EC2 - Other", "Region": "us-east-1", "UsageType": "NatGateway-Bytes"}],
    "AnomalyScore": {"MaxScore": 0.9, "CurrentScore": 0.9},
    "Impact": {"MaxImpact": 13.5, "TotalImpact": 13.5, "TotalActualSpend": 13.95, "TotalExpectedSpend": 0.45},
}


class Responses:
    """A Cost Explorer client that answers with the worked month, and counts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get_cost_and_usage(self, **request: Any) -> dict[str, Any]:
        self.asked.append(("get_cost_and_usage", request))
        period = request["TimePeriod"]
        start, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
        keys = [one["Key"] for one in request["GroupBy"]]
        if keys == ["SERVICE", "USAGE_TYPE"]:
            rows = by_time(start, end, groups)
        elif keys == ["slipway:platform", "SERVICE"]:
            rows = by_time(start, end, tagged)
        else:
            chosen = CHARGES if keys[0] == "RECORD_TYPE" else TEAMS
            made = [{"Keys": names, "Metrics": _cost(amount)} for names, amount in chosen]
            rows = [{"TimePeriod": period, "Total": {}, "Groups": made, "Estimated": True}]
        half = (len(rows) + 1) // 2
        # The longest answer comes in two pages, as on a large account.
        if keys == ["SERVICE", "USAGE_TYPE"] and "NextPageToken" not in request:
            return {"ResultsByTime": rows[:half], "NextPageToken": "2", "DimensionValueAttributes": []}
        return {"ResultsByTime": rows[half:] if "NextPageToken" in request else rows, "DimensionValueAttributes": []}

    def get_cost_forecast(self, **request: Any) -> dict[str, Any]:
        self.asked.append(("get_cost_forecast", request))
        assert request["TimePeriod"] == {"Start": "2026-11-22", "End": "2026-12-01"}
        row = {
            "TimePeriod": request["TimePeriod"],
            "MeanValue": "63.0",
            "PredictionIntervalLowerBound": "59.0",
            "PredictionIntervalUpperBound": "67.0",
        }
        return {"Total": {"Amount": "63.0", "Unit": "USD"}, "ForecastResultsByTime": [row]}

    def get_anomalies(self, **request: Any) -> dict[str, Any]:
        self.asked.append(("get_anomalies", request))
        return {"Anomalies": [ANOMALY]}
