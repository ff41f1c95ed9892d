"""How good the cost report's forecast and anomaly detector are, on data they were not shown.

With ``--write`` the tables go into docs/cost.md. Forecast: from every seventh day of the second half of each shipped
history, the next 7, 14 and 28 days are forecast from the ten weeks before alone, as in a report, and compared with what
came and with "each day costs what it cost a week before".
Detector: each day of labelled series is judged by the days before it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from math import fsum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

from slipway.decisions.anomaly import Sensitivity, judge  # noqa: E402
from slipway.decisions.forecast import outlook, seasonal_naive  # noqa: E402

from benchmarks.cost_series import DAYS, histories, labelled  # noqa: E402

PAGE = ROOT / "docs" / "cost.md"
HORIZONS = (7, 14, 28)
FIRST_ORIGIN = 70


def forecast_row(values: list[float]) -> tuple[list[tuple[float, float]], float, int]:
    """Error (percent of the sum, ours and naive) for every horizon, share of sums within the interval, and trials."""
    errors: list[tuple[float, float]] = []
    inside = trials = 0
    for horizon in HORIZONS:
        ours = naive = truth = 0.0
        for origin in range(FIRST_ORIGIN, DAYS - horizon + 1, 7):
            history, coming = values[origin - FIRST_ORIGIN : origin], fsum(values[origin : origin + horizon])
            found = outlook(history, horizon)
            ours += abs(found.total - coming)
            naive += abs(fsum(seasonal_naive(history, horizon)) - coming)
            truth += coming
            inside += found.low <= coming <= found.high
            trials += 1
        errors.append((100 * ours / truth, 100 * naive / truth))
    return errors, inside / trials, trials


def forecast_table() -> str:
    rows, inside, trials, better, cases = [], 0.0, 0, 0, 0
    for one in histories():
        errors, share, count = forecast_row(one.values)
        inside += share * count
        trials += count
        better += sum(ours < naive for ours, naive in errors)
        cases += len(errors)
        cells = [f"{ours:.1f} / {naive:.1f}{'' if ours <= naive else ' worse'}" for ours, naive in errors]
        rows.append([one.name, *cells, f"{share:.0%}"])
    header = ["history", *(f"{days} days, ours / naive, %" for days in HORIZONS), "within the 80 % interval"]
    said = (
        f"Better than seasonal-naive in {better} of {cases} cases; {inside / trials:.0%} of {trials} sums lay within "
        "the interval that promises 80 %."
    )
    return f"{table(header, rows)}\n\n{said}"


def detector_counts(seed: str, sensitivity: Sensitivity) -> dict[str, float]:
    hits = misses = false = days = 0
    by_size: dict[float, list[int]] = {}
    for one in labelled(seed):
        for day in range(30, DAYS):
            found = judge(one.values[:day], one.values[day], sensitivity) is not None
            if day in one.odd:
                by_size.setdefault(one.odd[day], []).append(found)
                hits += found
                misses += not found
            elif day not in one.after:
                false += found
                days += 1
    sizes = {f"{size:+.0%}": sum(some) / len(some) for size, some in sorted(by_size.items())}
    return {"precision": hits / (hits + false), "recall": hits / (hits + misses), "false": false, "days": days, **sizes}


def detector_table() -> str:
    found = detector_counts("shipped", Sensitivity())
    again = detector_counts("held out", Sensitivity())
    names = ["precision", "recall", *(name for name in found if name.endswith("%"))]
    rows = [
        [label, *(f"{one.get(name, float('nan')):.0%}" for name in names), f"{one['false']:.0f} of {one['days']:,.0f}"]
        for label, one in (("shipped series", found), ("other seeds, never tuned on", again))
    ]
    header = ["", "precision", "recall", *(f"recall at {name}" for name in names[2:]), "false alarms, of usual days"]
    return table(header, rows)


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def write(name: str, text: str) -> None:
    """Put a table between its markers in docs/cost.md."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = PAGE.read_text()
    head, rest = page.split(begin)
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    began = time.process_time()
    tables = {"forecast": forecast_table(), "detector": detector_table()}
    for name, text in tables.items():
        print(f"{text}\n")
        if "--write" in sys.argv:
            write(name, text)
    print(f"{time.process_time() - began:.1f} s of CPU")
