"""The cluster's Prometheus, through the API server's service proxy: no address, no password, no open port.

Only recorded series are asked for, by plain selectors; ``slipway.decisions.series`` is the table of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.decisions.series import SeriesName, selector
from slipway.hooks.kubernetes_async import KubernetesApi
from slipway.model.errors import SlipwayError
from slipway.model.health import AlertFact, Sample

NAMESPACE, SERVICE, PORT = "monitoring", "prometheus", 9090
# Prometheus refuses ranges of more points per series.
MOST_POINTS = 11_000
_BASE = f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}:{PORT}/proxy/api/v1"
_DROPPED = frozenset({"alertname", "severity", "replica"})


class PrometheusError(SlipwayError):
    """Prometheus answered, and not with data."""


@dataclass(frozen=True, slots=True)
class History:
    """Values of one series over time, oldest first, at equal distances where there is data.

    :param points: time and value.
    """

    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[datetime, float]]


class PrometheusHook:
    """Questions to one cluster's Prometheus.

    :raises KubernetesApiError: from every method, when the proxy or Prometheus does not answer.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self.calls: Counter[str] = Counter()

    async def now(self, names: Sequence[SeriesName], matchers: Mapping[str, str] | None = None) -> list[Sample]:
        """Newest values of some series, in one query. Series without data are left out, and so are NaN."""
        data = await self._ask("query", {"query": selector(names, matchers)})
        return [
            Sample(name, labels, value)
            for entry in data["result"]
            for name, labels in [_named(entry["metric"])]
            if (value := float(entry["value"][1])) == value
        ]

    async def history(
        self,
        name: SeriesName,
        start: datetime,
        end: datetime,
        step: timedelta,
        matchers: Mapping[str, str] | None = None,
    ) -> list[History]:
        """Values of a series between two times.

        :raises ValueError: more points than Prometheus gives.
        """
        if (end - start) / step > MOST_POINTS:
            raise ValueError(f"{name}: {(end - start) / step:.0f} points asked for, at most {MOST_POINTS} are given")
        query = {
            "query": selector([name], matchers),
            "start": f"{start.timestamp():.0f}",
            "end": f"{end.timestamp():.0f}",
            "step": f"{step.total_seconds():.0f}",
        }
        data = await self._ask("query_range", query)
        return [
            History(
                found,
                labels,
                [(datetime.fromtimestamp(at, start.tzinfo), float(value)) for at, value in entry["values"]],
            )
            for entry in data["result"]
            for found, labels in [_named(entry["metric"])]
        ]

    async def alerts(self) -> list[AlertFact]:
        """Alerts that fire now; pending ones may yet pass."""
        data = await self._ask("alerts", {})
        return [_alert(entry) for entry in data["alerts"] if entry["state"] == "firing"]

    async def targets(self) -> list[Mapping[str, Any]]:
        """Scrape targets that do not answer, with their last error: evidence, not for every day."""
        data = await self._ask("targets", {"state": "active"})
        return [entry for entry in data["activeTargets"] if entry.get("health") == "down"]

    async def _ask(self, what: str, params: Mapping[str, str]) -> Any:
        self.calls[what] += 1
        body = (await self.api.request("GET", f"{_BASE}/{what}", params=params)).body
        if body.get("status") != "success":
            raise PrometheusError(f"Prometheus {what}: {body.get('errorType')}: {body.get('error')}")
        return body["data"]


def _named(metric: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    return metric.get("__name__", ""), {key: value for key, value in metric.items() if key != "__name__"}


def _alert(entry: Mapping[str, Any]) -> AlertFact:
    labels = entry["labels"]
    return AlertFact(
        name=labels.get("alertname", ""),
        severity=labels.get("severity", ""),
        labels={key: value for key, value in labels.items() if key not in _DROPPED},
        summary=(entry.get("annotations") or {}).get("summary", ""),
        since=datetime.fromisoformat(entry["activeAt"]),
    )
