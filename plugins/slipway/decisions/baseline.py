"""Is a benchmark's result a regression? Judged against the median of the environment's last good results.

The median of several, because one lucky run would make every usual one a regression, and the very last one alone would
let a platform get slower by a little each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from slipway.model.component import Better, Tolerance

# Good results that make up a baseline.
KEPT = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of a result and its baseline.

    :param baseline: median of the last good results; ``None`` while there is none.
    :param worse_percent: how much worse than the baseline, negative when better; ``None`` without a baseline.
    """

    metric: str
    value: float
    baseline: float | None
    worse_percent: float | None
    regressed: bool

    def __str__(self) -> str:
        if self.baseline is None:
            return f"{self.metric} {self.value:g}, the first of its kind"
        how = "worse" if (self.worse_percent or 0) > 0 else "better"
        return f"{self.metric} {self.value:g}, baseline {self.baseline:g}: {abs(self.worse_percent or 0):.0f} % {how}"


def compare(
    proved: Mapping[str, Any], history: Sequence[Mapping[str, Any]], tolerances: Mapping[str, Tolerance]
) -> list[Comparison]:
    """Hold each number that has a tolerance against its baseline.

    :param history: earlier good results, oldest first; only the last :data:`KEPT` count.
    :raises KeyError: the result lacks a number that has a tolerance: then nobody knows whether it got worse.
    """
    found = []
    for metric, tolerance in tolerances.items():
        value = float(proved[metric])
        earlier = [float(one[metric]) for one in history[-KEPT:] if _is_number(one.get(metric))]
        if not earlier:
            found.append(Comparison(metric, value, None, None, regressed=False))
            continue
        base = median(earlier)
        worse = _worse_percent(value, base, tolerance.better)
        small = value <= tolerance.negligible if tolerance.better is Better.LOWER else False
        found.append(Comparison(metric, value, base, worse, worse > tolerance.percent and not small))
    return found


def extended(history: Sequence[Mapping[str, Any]], proved: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The history with one more good result, cut to what counts."""
    return [dict(one) for one in [*history, proved]][-KEPT:]


def _worse_percent(value: float, base: float, better: Better) -> float:
    if base == 0:
        return 0.0 if value == 0 or better is Better.HIGHER else float("inf")
    change = (value - base) / base * 100
    return change if better is Better.LOWER else -change


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
