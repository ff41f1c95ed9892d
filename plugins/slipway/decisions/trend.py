"""Where a daily series goes: a robust trend with the week's shape, against repeating the last week.

Costs are forecast by what a month sums up to (see ``slipway.decisions.forecast``); capacity by the day on which a line
is crossed, where being late is what hurts. So the trend is not damped, and the interval widens with the days ahead.

Theil-Sen's slope is the median of the slopes of all pairs of days: a third of the days may be wild without moving it.
Source: Sen, P. K. (1968), "Estimates of the regression coefficient based on Kendall's tau".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median

SEASON = 7
# Older days tell of another platform.
MOST_DAYS = 56
# Fewest days to try methods on what they were not shown.
FEWEST_DAYS = 21
_ORIGINS = 14


@dataclass(frozen=True, slots=True)
class Path:
    """Expected value and upper bound of each day ahead.

    :param errors: mean absolute error a week ahead of each method, on days that it was not shown; empty when the
        history is too short to try.
    """

    method: str
    expected: list[float]
    upper: list[float]
    errors: dict[str, float]


def path(history: Sequence[float], horizon: int, level: int = 80) -> Path:
    """Forecast ``horizon`` days.

    :param history: a value per day without gaps, oldest first; at least one.
    :param level: percent of weeks in which the value lies below the upper bound.
    """
    values = list(history[-MOST_DAYS:])
    if len(values) < SEASON:
        return Path("last value", [values[-1]] * horizon, [values[-1]] * horizon, {})
    if len(values) < FEWEST_DAYS:
        expected = trend(values, horizon)
        return Path("trend", expected, expected, {})
    origins = range(max(SEASON * 2, len(values) - SEASON - _ORIGINS + 1), len(values) - SEASON + 1)
    misses = {
        name: [values[at + SEASON - 1] - method(values[:at], SEASON)[-1] for at in origins]
        for name, method in METHODS.items()
    }
    errors = {name: fmean(abs(miss) for miss in found) for name, found in misses.items()}
    best = min(errors, key=lambda name: errors[name])
    expected = METHODS[best](values, horizon)
    width = max(0.0, _quantile(misses[best], level / 100))
    # Errors of a week add up like steps of a random walk.
    upper = [value + width * sqrt(day / SEASON) for day, value in enumerate(expected, 1)]
    return Path(best, expected, upper, errors)


def trend(history: Sequence[float], horizon: int) -> list[float]:
    """The line through the history and its weekdays' distances from it, going on."""
    count = len(history)
    slopes = [(history[b] - history[a]) / (b - a) for a in range(count) for b in range(a + 1, count)]
    slope = median(slopes) if slopes else 0.0
    base = median(value - slope * day for day, value in enumerate(history))
    rest = [value - base - slope * day for day, value in enumerate(history)]
    shape = [median(rest[day::SEASON]) if count >= 2 * SEASON else 0.0 for day in range(SEASON)]
    return [max(0.0, base + slope * day + shape[day % SEASON]) for day in range(count, count + horizon)]


def last_week(history: Sequence[float], horizon: int) -> list[float]:
    """Each day as a week before: what every other method has to beat."""
    return [history[-SEASON + day % SEASON] for day in range(horizon)]


METHODS: dict[str, Callable[[Sequence[float], int], list[float]]] = {"trend": trend, "last week": last_week}


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
