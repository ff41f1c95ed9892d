"""The record of a life on real nodes as Markdown: pure but for reading and writing docs/real-deploy.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "real-deploy.md"
BEGIN, END = "<!-- life: begin -->", "<!-- life: end -->"
Step = Mapping[str, Any]
_TITLES = {
    "deploy": "Deploy of everything, from nothing",
    "again": "The same again",
    "drift": "Drift: found and brought back",
    "change": "A changed memory limit of the maze, deployed",
    "rollback": "The maze rolled back",
    "teardown": "Teardown, with the sweep",
}


def write(steps: Mapping[str, Step]) -> None:
    """Put the tables between the page's markers."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{render(steps)}\n{END}{after}")


def render(steps: Mapping[str, Step]) -> str:
    """All tables."""
    lines = ["| step | state | wall time | tasks | changes | checks |", "|---|---|---|---|---|---|"]
    lines += [_step(name, steps[name]) for name in _TITLES if name in steps]
    machine = f"{os.cpu_count()} cores, {_memory():.0f} GiB, Linux {platform.release()}"
    first = next(iter(steps.values()))
    lines += ["", f"Recorded on {datetime.fromisoformat(first['began']):%d %B %Y}, {machine}.", ""]
    if "deploy" in steps:
        lines += ["### Each check of the deploy", ""]
        lines += ["| check | result | seconds | what it said |", "|---|---|---|---|"]
        lines += [_check(one) for one in sorted(steps["deploy"]["checks"], key=_order)]
        lines += ["", "### Each component's rollout", "", "| component | seconds until ready |", "|---|---|"]
        lines += [
            f"| {task.removesuffix('.deploy').replace('_', '-').replace('.', ' / ')} | {seconds:.0f} |"
            for task, seconds in steps["deploy"]["components"].items()
        ]
    lines += _said(steps)
    return "\n".join(lines)


def _step(name: str, step: Step) -> str:
    tasks = ", ".join(f"{number} {state}" for state, number in step["tasks"].items())
    states = [one["state"] for one in step["checks"]]
    checks = ", ".join(f"{states.count(state)} {state}" for state in ("passed", "skipped", "failed") if state in states)
    wall = f"{step['seconds'] / 60:.1f} min" if step["seconds"] else "-"
    return f"| {_TITLES[name]} | {step['state']} | {wall} | {tasks} | {len(step['changes'])} | {checks or '-'} |"


def _order(check: Step) -> tuple[int, str, str]:
    stages = ("infrastructure", "base_services", "data_layer", "applications", "validation")
    return stages.index(check["task"].split(".")[0]), check["component"], check["check"]


def _check(check: Step) -> str:
    said = ", ".join(f"{key} {_short(value)}" for key, value in check["proved"].items()) or check["reason"]
    seconds = "-" if check["seconds"] is None else f"{check['seconds']:.0f}"
    return f"| {check['component']} / {check['check']} | {check['state']} | {seconds} | {_cell(said)} |"


def _said(steps: Mapping[str, Step]) -> Iterator[str]:
    for name in ("drift", "teardown"):
        said = steps.get(name, {}).get("said", {})
        if said:
            yield from ("", f"**{_TITLES[name]}**", "")
            yield from (f"- `{task}`: {text}" for task, text in said.items())
            yield from (f"- by hand before: `kubectl {words}`" for words in steps[name].get("by_hand", []))
            yield from (f"- afterwards `{task}`: {text}" for task, text in steps[name].get("after", {}).items())


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
