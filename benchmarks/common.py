"""What all benchmarks share: interleaved pairs, medians, a row of the performance table.

Machines are noisy, so a benchmark compares two things in one run, in turns, and states their ratio.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".run" / "benchmarks"


@dataclass(frozen=True)
class Result:
    """One comparison. Seconds are medians; ``ratio`` is ours divided by the baseline's."""

    name: str
    ours: str
    baseline: str
    ours_seconds: float
    baseline_seconds: float
    rounds: int
    aim: str

    @property
    def ratio(self) -> float:
        return self.ours_seconds / self.baseline_seconds


def compare(
    name: str,
    ours: tuple[str, Callable[[], None]],
    baseline: tuple[str, Callable[[], None]],
    *,
    rounds: int,
    aim: str,
) -> Result:
    """Time both in turns, ``rounds`` times each, and keep the medians."""
    mine, theirs = [], []
    for _ in range(rounds):
        theirs.append(timed(baseline[1]))
        mine.append(timed(ours[1]))
    result = Result(name, ours[0], baseline[0], statistics.median(mine), statistics.median(theirs), rounds, aim)
    record(result)
    return result


def timed(work: Callable[[], None]) -> float:
    """Seconds of wall time that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def record(result: Result) -> None:
    """Print the result, and keep it as JSON with the machine it was measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    document = {**asdict(result), "ratio": round(result.ratio, 3), "machine": machine}
    (RESULTS / f"{result.name}.json").write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(
        f"{result.name}: {result.ours} {result.ours_seconds:.2f} s, {result.baseline} {result.baseline_seconds:.2f} s, "
        f"ratio {result.ratio:.2f} (aim {result.aim}), median of {result.rounds}\n"
    )
