"""Burn-rate rules: their thresholds are the book's, and every objective gets the same rules."""

from __future__ import annotations

import pytest
import yaml
from slipway.catalog.components import load_components
from slipway.decisions.burn_rates import BURN_RATES, burn_rate_rules, hours, threshold
from slipway.decisions.probes import probe_targets
from slipway.decisions.series import Objective


def objective(component: str = "maze", name: str = "requests", window: str = "30d", percent: float = 99.9) -> Objective:
    return Objective(component, name, percent, window, "sum(rate(good[$window]))", "sum(rate(total[$window]))")


@pytest.mark.parametrize(
    ("window", "expected"), [("30d", [14.4, 6.0, 3.0, 1.0]), ("7d", [3.36, 1.4, 0.7, 7 * 24 * 0.1 / 72])]
)
def test_thresholds(window: str, expected: list[float]) -> None:
    """The Site Reliability Workbook, table 5-8, for 30 days; a shorter window has less to burn."""
    assert [threshold(rate, window) for rate in BURN_RATES] == pytest.approx(expected)


def test_short_windows_are_a_twelfth_of_long_ones() -> None:
    assert all(hours(rate.long) / hours(rate.short) == pytest.approx(12) for rate in BURN_RATES)


def test_an_objective_is_recorded_with_what_it_allows() -> None:
    groups = yaml.safe_load(burn_rate_rules([objective()]))["groups"]
    rules = {rule["record"]: rule for group in groups for rule in group["rules"] if "record" in rule}
    assert rules["slipway:slo_budget:hours"]["expr"] == "vector(0.72)", "a thousandth of 720 hours"
    labels = {"component": "maze", "slo": "requests"}
    good, total = rules["slipway:slo_good:rate5m"], rules["slipway:slo_total:rate5m"]
    assert good["labels"] == total["labels"] == labels
    assert "$window" not in good["expr"] + total["expr"]
    assert "or 0 * sum(" in good["expr"], "no good events at all is a zero"
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts == ["ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly"]


def test_every_objective_of_the_platform_has_its_rules() -> None:
    wanted = {(component.name, slo.name) for component in load_components().values() for slo in component.spec.slos}
    rules = yaml.safe_load(
        burn_rate_rules(
            Objective(component.name, slo.name, slo.objective, slo.window, slo.good, slo.total)
            for component in load_components().values()
            for slo in component.spec.slos
        )
    )
    found = [
        (rule["labels"]["component"], rule["labels"]["slo"])
        for group in rules["groups"]
        for rule in group["rules"]
        if rule.get("record") == "slipway:slo_total:rate5m"
    ]
    assert sorted(found) == sorted(wanted)


def test_what_cannot_be_told_apart_or_read_is_refused() -> None:
    with pytest.raises(ValueError, match="share component and name"):
        burn_rate_rules([objective(), objective()])
    for window in ("30", "d", "0d", "1.5h", "5s", ""):
        with pytest.raises(ValueError, match="is no window"):
            hours(window)


def test_http_endpoints_are_probed_and_others_are_not() -> None:
    targets = yaml.safe_load(probe_targets(load_components().values()))
    by_name = {one["labels"]["endpoint"]: one for one in targets}
    assert by_name["Grafana"]["targets"] == ["http://grafana.monitoring.svc.cluster.local:3000/"]
    assert by_name["Grafana"]["labels"]["service"] == "grafana"
    assert "MongoDB" not in by_name
