"""Synthetic daily costs with known truth: histories to forecast, and series with labelled anomalies.

They are synthetic because nobody's bill may be shipped. Shapes are those of real platforms: steady clusters, growth,
batch work that follows the week, autoscaling, a node group added or removed, month-end peaks. Each is made by its own
seed, so that everybody has the same ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

FIRST = date(2026, 6, 1)
DAYS = 150


@dataclass(frozen=True)
class History:
    """A history to forecast. :param values: USD of each day from :data:`FIRST`."""

    name: str
    values: list[float]


@dataclass
class Labelled:
    """A series with anomalies.

    :param odd: days that are anomalies, with their size; ``after``: days on which a lasting change may still be told.
    """

    name: str
    values: list[float]
    odd: dict[int, float] = field(default_factory=dict)
    after: set[int] = field(default_factory=set)


def _base(chance: random.Random, level: float, weekend: float, noise: float, growth: float) -> list[float]:
    values, drift = [], 1.0
    for day in range(DAYS):
        shape = weekend if (FIRST + timedelta(days=day)).weekday() >= 5 else 1.0
        # Usage is not independent from day to day.
        drift = 1 + 0.7 * (drift - 1) + chance.gauss(0, noise)
        values.append(max(0.0, level * shape * drift * (1 + growth) ** day))
    return values


def histories() -> list[History]:
    """The shipped histories: twelve platforms."""
    made = []
    for name, level, weekend, noise, growth in (
        ("steady", 12.0, 1.0, 0.004, 0.0),
        ("steady with traffic", 20.0, 0.95, 0.02, 0.0),
        ("growing 3 % a month", 35.0, 0.95, 0.02, 0.001),
        ("growing 15 % a month", 60.0, 0.9, 0.03, 0.0047),
        ("shrinking", 80.0, 0.95, 0.02, -0.002),
        ("working days", 25.0, 0.45, 0.03, 0.0),
        ("working days, growing", 25.0, 0.45, 0.03, 0.003),
        ("batch, noisy", 40.0, 0.7, 0.10, 0.0),
    ):
        made.append(History(name, _base(random.Random(f"history {name}"), level, weekend, noise, growth)))
    chance = random.Random("history steps")
    steps = _base(chance, 30.0, 0.9, 0.02, 0.0)
    made.append(
        History(
            "node groups come and go",
            [v + (9 if 60 <= d < 105 else 0) + (4 if d >= 105 else 0) for d, v in enumerate(steps)],
        )
    )
    peaks = _base(random.Random("history peaks"), 30.0, 0.9, 0.02, 0.0)
    made.append(
        History(
            "month-end peaks",
            [v + (15 if (FIRST + timedelta(days=d + 1)).day == 1 else 0) for d, v in enumerate(peaks)],
        )
    )
    spikes = _base(random.Random("history spikes"), 30.0, 0.85, 0.02, 0.001)
    odd = random.Random("history spikes, where").sample(range(20, DAYS), 8)
    made.append(History("spikes", [v * (2.5 if d in odd else 1) for d, v in enumerate(spikes)]))
    young = _base(random.Random("history young"), 15.0, 0.8, 0.03, 0.0)
    made.append(History("young platform", [0.0 if d < 40 else v for d, v in enumerate(young)]))
    return made


def labelled(seed: str = "shipped", count: int = 60) -> list[Labelled]:
    """Series with anomalies of known size, and some with none.

    Sizes are shares of the usual cost; every fourth series has none, every fifth has a lasting change of level.
    """
    made = []
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        noise, weekend = chance.choice((0.005, 0.02, 0.04)), chance.choice((1.0, 0.9, 0.5))
        level, growth = chance.choice((8.0, 25.0, 120.0)), chance.choice((0.0, 0.0, 0.003))
        one = Labelled(f"{number}", _base(chance, level, weekend, noise, growth))
        if number % 4 == 0:
            made.append(one)
            continue
        if number % 5 == 0:
            day = chance.randrange(60, 110)
            size = chance.choice((0.4, 0.8, -0.4))
            one.values = [v * (1 + size if d >= day else 1) for d, v in enumerate(one.values)]
            one.odd[day] = size
            one.after |= set(range(day + 1, day + 15))
        for day in chance.sample(range(35, DAYS), 3):
            if any(abs(day - other) < 10 for other in one.odd) or day in one.after:
                continue
            size = chance.choice((0.25, 0.5, 1.0, 3.0, -0.4, -0.8))
            one.values[day] *= 1 + size
            one.odd[day] = size
        made.append(one)
    return made
