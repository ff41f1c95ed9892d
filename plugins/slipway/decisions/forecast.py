"""What the days to come will cost, by the days there were, and how sure that is.

Two methods compete with the naive one, "each day costs what it cost a week before", on the newest part of the history,
which they are not shown; the one with the least error is used, be it the naive one. They are a hundred lines of plain
Python: the libraries that have them (statsmodels, statsforecast, prophet) bring numpy, pandas and SciPy, some 200 MB,
into an Airflow whose requirements have none of these, to fit a hundred numbers.

The interval is empirical: how far the chosen method was off, over as many days, from each origin it was tried from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, fsum
from statistics import fmean, median

Method = Callable[[Sequence[float], int], list[float]]

SEASON = 7
# Four weeks to learn from, before a method is tried on the days behind them.
SHORTEST = 4 * SEASON
# Fewer origins than this say nothing about how wide an interval must be.
FEWEST_ORIGINS = 6
NAIVE = "seasonal-naive"
# A history this short has no interval of its own: a quarter of the forecast stands in for it.
_UNTESTED_WIDTH = 0.25
# What intervals are widened by, see _width.
_KIN = 1.15


@dataclass(frozen=True, slots=True)
class Trial:
    """How a method did on days it was not shown.

    :param error: mean absolute error of the sum of a week (or of the horizon when it is shorter).
    """

    method: str
    error: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast.

    :param days: expected value of each day.
    :param low: lower bound of their sum; ``high`` the upper.
    :param trials: every method's error; empty when the history is too short to try any.
    :param origins: how many times each was tried.
    """

    method: str
    days: list[float]
    low: float
    high: float
    level: int
    trials: list[Trial]
    origins: int

    @property
    def total(self) -> float:
        """Expected sum."""
        return fsum(self.days)

    def error(self, method: str) -> float | None:
        """Error of a method in the trials."""
        return next((one.error for one in self.trials if one.method == method), None)


def outlook(history: Sequence[float], horizon: int, level: int = 80) -> Outlook:
    """Forecast the sum of the next ``horizon`` days.

    :param history: a value per day without gaps, oldest first; at least one.
    :param level: percent of cases in which the sum lies within the bounds.
    :raises ValueError: no history, or a horizon below one day.
    """
    if not history or horizon < 1:
        raise ValueError(f"{len(history)} days of history and a horizon of {horizon}; both must be at least 1")
    history = _begun(history)
    if len(history) < SHORTEST + SEASON:
        days = METHODS[NAIVE](history, horizon) if len(history) >= SEASON else [median(history)] * horizon
        name = NAIVE if len(history) >= SEASON else "median"
        width = _UNTESTED_WIDTH * fsum(days)
        return _bounded(name, days, width, level, [], 0)
    step = min(SEASON, horizon)
    origins = range(SHORTEST, len(history) - step + 1)
    trials = [Trial(name, _error(method, history, origins, step)) for name, method in METHODS.items()]
    best = min(trials, key=lambda trial: trial.error).method
    days = [max(0.0, value) for value in METHODS[best](history, horizon)]
    return _bounded(best, days, _width(METHODS[best], history, horizon, level), level, trials, len(origins))


def _begun(history: Sequence[float]) -> Sequence[float]:
    """The history from the first day that cost anything."""
    first = next((position for position, value in enumerate(history) if value > 0), 0)
    return history[first:]


def _bounded(method: str, days: list[float], width: float, level: int, trials: list[Trial], origins: int) -> Outlook:
    total = fsum(days)
    return Outlook(method, days, max(0.0, total - width), total + width, level, trials, origins)


def _error(method: Method, history: Sequence[float], origins: range, step: int) -> float:
    return fmean(abs(_miss(method, history, origin, step)) for origin in origins)


def _miss(method: Method, history: Sequence[float], origin: int, days: int) -> float:
    return fsum(method(history[:origin], days)) - fsum(history[origin : origin + days])


def _width(method: Method, history: Sequence[float], horizon: int, level: int) -> float:
    """Half the interval: the share ``level`` of the misses over as many days was smaller."""
    longest = len(history) - SHORTEST - FEWEST_ORIGINS + 1
    days = max(1, min(horizon, longest))
    origins = range(SHORTEST, len(history) - days + 1)
    misses = sorted(abs(_miss(method, history, origin, days)) for origin in origins)
    # One more than the share, as for conformal intervals: few misses say little about their extremes.
    rank = min(len(misses), ceil(level / 100 * (len(misses) + 1)))
    # Origins a day apart share most of their days, so their misses are fewer than they look.
    # Errors of a level that moved add up day by day, so beyond what could be tried they grow with the days.
    return _KIN * misses[rank - 1] * horizon / days


def seasonal_naive(history: Sequence[float], horizon: int) -> list[float]:
    """Each day as the same day of the last week."""
    week = list(history[-SEASON:])
    return [week[day % len(week)] for day in range(horizon)]


def last_week(history: Sequence[float], horizon: int) -> list[float]:
    """Each day as the same day of the last week, less what was odd of it."""
    return seasonal_naive(tamed(history[-6 * SEASON :]), horizon)


def trend(history: Sequence[float], horizon: int) -> list[float]:
    """The usual shape of a week on the level of the last four weeks, carried on by its trend where one is clear.

    All by medians, which single odd days do not move, and from the last lasting change of level on.
    """
    recent = tamed(history[-8 * SEASON :])
    shape = profile(recent)
    flat = [value - shape[position % SEASON] for position, value in enumerate(recent)]
    flat = flat[last_shift(flat) :]
    slope = clear_slope(flat)
    reached = [value + slope * (len(flat) - position) for position, value in enumerate(flat)]
    level = median(reached[-4 * SEASON :])
    return [level + slope * day + shape[(len(recent) + day) % SEASON] for day in range(horizon)]


def clear_slope(flat: Sequence[float], share: float = 0.75) -> float:
    """Change per day by the median of what days two weeks or more apart differ by (Theil and Sen); 0 when unclear.

    :param share: of the pairs that must agree on the direction.
    """
    pairs = [
        (flat[later] - flat[earlier]) / (later - earlier)
        for earlier in range(len(flat))
        for later in range(earlier + 2 * SEASON, len(flat), SEASON)
    ]
    rising = sum(one > 0 for one in pairs) / len(pairs) if pairs else 0.5
    return median(pairs) if rising >= share or rising <= 1 - share else 0.0


def last_shift(flat: Sequence[float], reach: float = 6.0) -> int:
    """Where the level last changed for good: the first day of the newest level, 0 when it never did.

    :param reach: robust standard deviations between the medians of the two weeks before and after that make a change.
    """
    for cut in range(len(flat) - 4, SEASON - 1, -1):
        before, after = flat[max(0, cut - 2 * SEASON) : cut], flat[cut : cut + 2 * SEASON]
        low, high = median(before), median(after)
        gaps = [abs(one - low) for one in before] + [abs(one - high) for one in after]
        spread = max(1.4826 * median(gaps), 0.01 * abs(low), 1e-9)
        # The change itself, not a day near it: the day is on the new level and the one before on the old.
        here = abs(flat[cut] - high) < abs(flat[cut] - low) and abs(flat[cut - 1] - low) < abs(flat[cut - 1] - high)
        if here and abs(high - low) > reach * spread:
            return cut
    return 0


def profile(values: Sequence[float]) -> list[float]:
    """What each day of the week (by position, modulo 7) usually lies above or below its own week's median."""
    offsets: list[list[float]] = [[] for _ in range(SEASON)]
    for position, value in enumerate(values):
        first = max(0, min(position - SEASON // 2, len(values) - SEASON))
        offsets[position % SEASON].append(value - median(values[first : first + SEASON]))
    return [median(one) if one else 0.0 for one in offsets]


# Smoothing of level, trend and season; the trend is damped. Few combinations, so that fitting stays cheap and tame.
_GRID = list(itertools.product((0.1, 0.3, 0.6), (0.0, 0.1), (0.1, 0.3), (0.9,)))


def holt_winters(history: Sequence[float], horizon: int) -> list[float]:
    """Additive Holt-Winters with a damped trend, smoothing chosen by the absolute error one day ahead.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), 8.3. Days that are far off are
    first brought back to what their neighbours say: a spike is no new level.
    """
    values = tamed(history[-10 * SEASON :])
    best: tuple[float, tuple[float, float, list[float]], float] | None = None
    for alpha, beta, gamma, phi in _GRID:
        error, state = _smooth(values, alpha, beta, gamma, phi)
        if best is None or error < best[0]:
            best = (error, state, phi)
    assert best is not None  # noqa: S101 - the grid is not empty
    (level, trend, season), phi = best[1], best[2]
    result, damping = [], 0.0
    for day in range(horizon):
        damping += phi ** (day + 1)
        result.append(level + damping * trend + season[(len(values) + day) % SEASON])
    return result


def _smooth(
    values: Sequence[float], alpha: float, beta: float, gamma: float, phi: float
) -> tuple[float, tuple[float, float, list[float]]]:
    season = profile(values[: 3 * SEASON])
    level, trend = median(values[:SEASON]), 0.0
    error = 0.0
    for position, value in enumerate(values):
        here = position % SEASON
        expected = level + phi * trend + season[here]
        if position >= 2 * SEASON:
            error += abs(value - expected)
        before = level
        level = alpha * (value - season[here]) + (1 - alpha) * (level + phi * trend)
        trend = beta * (level - before) + (1 - beta) * phi * trend
        season[here] = gamma * (value - level) + (1 - gamma) * season[here]
    return error, (level, trend, season)


def tamed(values: Sequence[float], reach: float = 4.0) -> list[float]:
    """The values, with single days that lie far off moved to the border of the usual.

    :param reach: robust standard deviations from the median of the days around that count as usual.
    """
    shape = profile(values)
    flat = [value - shape[position % SEASON] for position, value in enumerate(values)]
    centres = [median(flat[max(0, position - SEASON) : position + SEASON + 1]) for position in range(len(flat))]
    spread = 1.4826 * median(abs(value - centre) for value, centre in zip(flat, centres, strict=True))
    border = reach * max(spread, 1e-9)
    return [
        min(max(value, centre - border), centre + border) + shape[position % SEASON]
        for position, (value, centre) in enumerate(zip(flat, centres, strict=True))
    ]


def blend(history: Sequence[float], horizon: int) -> list[float]:
    """The mean of Holt-Winters, which follows fast, and the trend, which does not run after noise.

    Means of forecasts that err in different ways err less (Bates and Granger, 1969).
    """
    return [fmean(pair) for pair in zip(holt_winters(history, horizon), trend(history, horizon), strict=True)]


# Of methods that did equally well the first is used: a flat history tells them apart by their robustness alone.
METHODS: dict[str, Method] = {
    "blend": blend,
    "last-week": last_week,
    NAIVE: seasonal_naive,
}
