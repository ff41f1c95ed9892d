"""What all benchmarks share: interleaved pairs, medians, a row of the performance table.

Machines are noisy, so a benchmark compares two things in one run, in turns, and states their ratio.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(os.environ.get("BENCH_RESULTS") or ROOT / ".run" / "benchmarks")


@dataclass(frozen=True)
class Result:
    """One comparison. Seconds are medians; ``ratio`` is ours divided by the baseline's.

    :param setting: what it was measured on, where that makes a difference.
    :param note: what else was found, for the table.
    :param unit: of both values, where they are not seconds.
    :param spread: the smallest and the largest ratio of a single round.
    """

    name: str
    ours: str
    baseline: str
    ours_seconds: float
    baseline_seconds: float
    rounds: int
    aim: str
    setting: str = ""
    note: str = ""
    unit: str = "s"
    spread: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        return self.ours_seconds / self.baseline_seconds


Side = tuple[str, Callable[[], None]]


def compare(
    name: str,
    ours: Side,
    baseline: Side,
    *,
    rounds: int,
    aim: str,
    setting: str = "",
) -> Result:
    """Time both in turns, ``rounds`` times each, and keep the medians."""
    return compare_all(name, ours, {"": (baseline, aim)}, rounds=rounds, setting=setting)[""]


def compare_all(
    name: str,
    ours: Side,
    baselines: Mapping[str, tuple[Side, str]],
    *,
    rounds: int,
    setting: str = "",
) -> dict[str, Result]:
    """Time one against several in turns; each round has all of them.

    :param baselines: by what is appended to the result's name, each with its aim.
    """
    mine: list[float] = []
    theirs: dict[str, list[float]] = {key: [] for key in baselines}
    for _ in range(rounds):
        for key, ((_label, work), _aim) in baselines.items():
            theirs[key].append(timed(work))
        mine.append(timed(ours[1]))
    results = {}
    for key, ((label, _work), aim) in baselines.items():
        own_name = f"{name}-{key}" if key else name
        medians = statistics.median(mine), statistics.median(theirs[key])
        # Each round is a pair of neighbours in time: their ratios say how far the machine's noise carries.
        ratios = [one / other for one, other in zip(mine, theirs[key], strict=True)]
        spread = (min(ratios), max(ratios))
        results[key] = Result(own_name, ours[0], label, *medians, rounds, aim, setting, spread=spread)
        record(results[key])
    return results


def timed(work: Callable[[], None]) -> float:
    """Seconds of wall time that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def record(result: Result) -> None:
    """Print the result, and keep it as JSON with the machine it was measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {**asdict(result), "ratio": round(result.ratio, 3), "machine": machine(), "at": time.time()}
    _file(result.name).write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(
        f"{result.name}: {result.ours} {result.ours_seconds:.2f} {result.unit}, "
        f"{result.baseline} {result.baseline_seconds:.2f} {result.unit}, "
        f"ratio {result.ratio:.2f} (aim {result.aim}), median of {result.rounds}\n"
    )
    sys.stdout.flush()


def note(name: str, text: str) -> None:
    """Add what else was found to a recorded result."""
    document = json.loads(_file(name).read_text())
    _file(name).write_text(json.dumps({**document, "note": text}, indent=2) + "\n")
    sys.stdout.write(f"  {text}\n")


def machine() -> dict[str, Any]:
    """What the numbers depend on most."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        # More runnable processes than cores: somebody else's work took part of the time.
        "shared": os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1),
    }


def _processor() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.machine()


def _file(name: str) -> Path:
    return RESULTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
