"""Writes the recorded results into docs/performance.md, between the markers, and as they are into performance.json."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

from common import RESULTS, ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results with the machines they were measured on."""
    lines = [
        "| what | took | against | took | ratio | of single rounds | aim | met | rounds | on |",
        "|---|---:|---|---:|---:|---|---|---|---:|---|",
    ]
    lines += [_row(result) for result in results]
    notes = [f"- {result['ours']} ({result['setting']}): {result['note']}." for result in results if result.get("note")]
    machines = sorted({_machine(result) for result in results})
    days = sorted({f"{datetime.fromtimestamp(result['at'], UTC):%Y-%m-%d}" for result in results})
    measured = f"Measured {' and '.join(days)} on {'; '.join(machines)}; one-minute load average {_loads(results)}."
    shared = sum(bool(result["machine"].get("shared")) for result in results)
    if shared:
        measured += (
            f" While {shared} of these {len(results)} were measured the machine was shared with other work that took"
            " most of it: times say little, ratios of neighbours in time more."
        )
    return "\n".join([measured, "", *lines, "", *notes])


def _row(result: dict[str, Any]) -> str:
    bound = float(re.findall(r"[\d.]+", result["aim"])[0])
    unit, spread = result.get("unit", "s"), result.get("spread")
    cells = [
        result["ours"],
        _amount(result["ours_seconds"], unit),
        result["baseline"],
        _amount(result["baseline_seconds"], unit),
        f"{result['ratio']:.2f}",
        f"{spread[0]:.2f} to {spread[1]:.2f}" if spread and result["rounds"] > 1 else "",
        result["aim"],
        "yes" if result["ratio"] <= bound else "**no**",
        str(result["rounds"]),
        result["setting"],
    ]
    return f"| {' | '.join(cells)} |"


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return f"{machine['cores']} cores of {machine['processor']}, {machine['kernel']}, Python {machine['python']}"


def _loads(results: list[dict[str, Any]]) -> str:
    loads = [result["machine"]["load"] for result in results]
    return f"{min(loads)} to {max(loads)}"


def main() -> int:
    results = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))]
    if not results:
        sys.stderr.write(f"No results in {RESULTS}: run make bench.\n")
        return 1
    results.sort(key=lambda result: (result["name"].split("-")[0], result["name"]))
    text = PAGE.read_text()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}")
    PAGE.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
