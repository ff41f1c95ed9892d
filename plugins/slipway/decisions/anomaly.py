"""Days on which something cost far more or less than usual.

What is usual is read from the six weeks before, by medians: the level of the last two weeks, the shape of a week, the
trend. A day is odd when it lies further from that than the days before it did by far, *and* the money is worth a
look. Medians make the detector robust: an anomaly does not blind it for the next one, and a lasting change of level is
told on its first days and then becomes what is usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from slipway.decisions.forecast import SEASON, profile

# Days to learn from, at least; with fewer there is no "usual" yet.
FEWEST = 2 * SEASON
MEMORY = 6 * SEASON
_LEVEL_DAYS = 2 * SEASON
# A normal distribution's standard deviation by the median absolute deviation.
_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What counts as odd.

    :param score: robust standard deviations from what is usual.
    :param share: of the usual cost, at least.
    :param usd: at least, so that cents are nobody's business.
    """

    score: float = 5.0
    share: float = 0.2
    usd: float = 1.0


@dataclass(frozen=True, slots=True)
class Oddity:
    """One odd day.

    :param position: index in the series.
    :param score: signed distance from what was expected, in robust standard deviations.
    """

    position: int
    value: float
    expected: float
    score: float

    @property
    def excess(self) -> float:
        """What it lies above (below, when negative) the expected."""
        return self.value - self.expected


def judge(history: Sequence[float], value: float, sensitivity: Sensitivity) -> Oddity | None:
    """Judge the day behind a history.

    :param history: daily values, oldest first, without gaps.
    :returns: ``None`` when the day is usual, or the history too short to say.
    """
    if len(history) < FEWEST:
        return None
    recent = list(history[-MEMORY:])
    here = len(recent) % SEASON
    # Two weeks do not show the shape of a week: with so few, every day would be compared with itself.
    shape = profile(recent) if len(recent) >= 3 * SEASON else [0.0] * SEASON
    flat = [one - shape[position % SEASON] for position, one in enumerate(recent)]
    slope = _slope(flat)
    level = median(one + slope * (len(flat) - position) for position, one in _last(flat, _LEVEL_DAYS))
    expected = max(0.0, level + shape[here])
    spread = _spread(flat, slope)
    score = (value - expected) / spread
    excess = abs(value - expected)
    odd = abs(score) >= sensitivity.score and excess >= max(sensitivity.usd, sensitivity.share * expected)
    return Oddity(len(history), value, expected, score) if odd else None


def find(values: Sequence[float], newest: int, sensitivity: Sensitivity | None = None) -> list[Oddity]:
    """Odd days among the newest ones of a series, oldest first; each judged by the days before it alone."""
    chosen = sensitivity or Sensitivity()
    found = []
    for position in range(max(0, len(values) - newest), len(values)):
        odd = judge(values[:position], values[position], chosen)
        if odd is not None:
            found.append(odd)
    return found


def _last(values: Sequence[float], count: int) -> list[tuple[int, float]]:
    return list(enumerate(values))[-count:]


def _slope(flat: Sequence[float]) -> float:
    """Robust trend per day: the median of what days a week or more apart differ by (Theil and Sen).

    Only a trend that most pairs agree on counts; else a change of level would be taken for one.
    """
    pairs = [
        (flat[later] - flat[earlier]) / (later - earlier)
        for earlier in range(len(flat))
        for later in range(earlier + SEASON, len(flat), SEASON)
    ]
    if not pairs:
        return 0.0
    rising = sum(one > 0 for one in pairs) / len(pairs)
    return median(pairs) if rising >= 0.8 or rising <= 0.2 else 0.0


def _spread(flat: Sequence[float], slope: float) -> float:
    """Robust standard deviation of usual days around their neighbours, never quite nothing."""
    level = [one - slope * position for position, one in enumerate(flat)]
    gaps = [
        abs(one - median(level[max(0, position - SEASON) : position + SEASON + 1]))
        for position, one in enumerate(level)
    ]
    return max(_MAD * median(gaps), 0.02 * abs(median(flat)), 0.01)
