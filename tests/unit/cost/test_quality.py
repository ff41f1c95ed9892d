"""Forecast and detector on data they were not shown; ``benchmarks/cost_quality.py`` makes the tables of docs."""

from __future__ import annotations

import re
from math import fsum
from pathlib import Path

import pytest
from slipway.decisions.anomaly import Sensitivity, judge
from slipway.decisions.forecast import outlook, seasonal_naive

from benchmarks.cost_series import DAYS, histories, labelled

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cost.md").read_text()
HISTORY, HORIZON = 70, 14
# Where noise, a week's shape or spikes make a difference; a quarter of the origins, for the sake of time.
TRIED = ("working days", "batch, noisy", "spikes")


def misses(values: list[float]) -> tuple[float, float]:
    """What ours and seasonal-naive are off, in USD, over origins four weeks apart."""
    ours = naive = 0.0
    for origin in range(HISTORY, DAYS - HORIZON + 1, 28):
        shown, coming = values[origin - HISTORY : origin], fsum(values[origin : origin + HORIZON])
        ours += abs(outlook(shown, HORIZON).total - coming)
        naive += abs(fsum(seasonal_naive(shown, HORIZON)) - coming)
    return ours, naive


def test_the_forecast_beats_repeating_the_last_week() -> None:
    tried = [one for one in histories() if one.name in TRIED]
    assert len(tried) == len(TRIED)
    errors = [misses(one.values) for one in tried]
    assert fsum(ours for ours, _ in errors) < 0.9 * fsum(naive for _, naive in errors)


@pytest.mark.parametrize("seed", ["held out", "nobody looked at this one"])
def test_the_detector_finds_what_is_odd_and_little_else(seed: str) -> None:
    hits = missed = false = usual = 0
    for one in labelled(seed, count=14):
        for day in range(30, DAYS):
            found = judge(one.values[:day], one.values[day], Sensitivity()) is not None
            if day in one.odd:
                hits, missed = hits + found, missed + (not found)
            elif day not in one.after:
                false, usual = false + found, usual + 1
    assert hits + missed > 15
    assert hits / (hits + missed) >= 0.9, "recall"
    assert hits / (hits + false) >= 0.9, "precision"
    assert false / usual < 0.002


def test_the_page_says_where_the_forecast_is_worse() -> None:
    table = PAGE.split("<!-- forecast: begin -->")[1].split("<!-- forecast: end -->")[0]
    better, cases = map(int, re.findall(r"in (\d+) of (\d+) cases", table)[0])
    rows = [line for line in table.splitlines() if line.startswith("| ") and "%" in line and "history" not in line]
    assert len(rows) * 3 == cases == 36
    ties = sum(ours == naive for row in rows for ours, naive in re.findall(r"([\d.]+) / ([\d.]+)(?! worse)", row))
    assert better + table.count("worse") + ties >= cases
    assert better > cases / 2
