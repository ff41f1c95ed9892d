"""The record of a life on real nodes as Markdown: pure but for reading and writing docs/real-deploy.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "real-deploy.md"
BEGIN, END = "<!-- life: begin -->", "<!-- life: end -->"
Step = Mapping[str, Any]
_TITLES = {
    "first": "Deploy, from nothing",
    "deploy": "Deploy",
    "again": "The same again",
    "drift": "Drift: found and brought back",
    "change": "A changed memory limit of the maze, deployed",
    "rollback": "The maze rolled back",
    "teardown": "Teardown, with the sweep",
}


def write(steps: Sequence[Step]) -> None:
    """Put the tables between the page's markers."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{render(steps)}\n{END}{after}")


def render(steps: Sequence[Step]) -> str:
    """All tables."""
    lines = ["| step | state | wall time | tasks | changes | checks |", "|---|---|---|---|---|---|"]
    lines += [_step(one) for one in steps]
    kernel = platform.release().partition("-")[0]
    machine = f"{os.cpu_count()} cores, {_memory():.0f} GiB, Linux {kernel}"
    began = datetime.fromisoformat(steps[0]["began"])
    lines += ["", f"Recorded on {began:%d %B %Y}, {machine}, shared with other work.", ""]
    deploys = [one for one in steps if one["step"] in {"first", "deploy"}]
    # Of a check that ran several times the last result counts, as its gate has it.
    checks = {one["task"]: one for deploy in deploys for one in deploy["checks"]}
    lines += ["### Each check of the deploy", ""]
    lines += ["| check | result | seconds | what it said |", "|---|---|---|---|"]
    lines += [_check(one) for one in sorted(checks.values(), key=_order)]
    components: dict[str, float] = {}
    for deploy in deploys:
        for task, seconds in deploy["components"].items():
            # The first time is the rollout, later ones find it done.
            components.setdefault(task, seconds)
    lines += ["", "### Each component's rollout", "", "| component | seconds until ready |", "|---|---|"]
    lines += [
        f"| {task.removesuffix('.deploy').replace('_', '-').replace('.', ' / ')} | {seconds:.0f} |"
        for task, seconds in components.items()
    ]
    lines += _said(steps)
    return "\n".join(lines)


def _step(step: Step) -> str:
    tasks = ", ".join(f"{number} {state}" for state, number in step["tasks"].items())
    states = [one["state"] for one in step["checks"]]
    checks = ", ".join(f"{states.count(state)} {state}" for state in ("passed", "skipped", "failed") if state in states)
    wall = f"{step['seconds'] / 60:.1f} min" if step["seconds"] else "-"
    title = _TITLES[step["step"]] + (f": {', '.join(step['stages'])}" if step["stages"] else "")
    return f"| {title} | {step['state']} | {wall} | {tasks} | {len(step['changes'])} | {checks or '-'} |"


def _order(check: Step) -> tuple[int, str, str]:
    stages = ("infrastructure", "base_services", "data_layer", "applications", "validation")
    return stages.index(check["task"].split(".")[0]), check["component"], check["check"]


def _check(check: Step) -> str:
    said = ", ".join(f"{key} {_short(value)}" for key, value in check["proved"].items()) or check["reason"]
    seconds = "-" if check["seconds"] is None else f"{check['seconds']:.0f}"
    return f"| {check['component']} / {check['check']} | {check['state']} | {seconds} | {_cell(said)} |"


def _said(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if step["step"] not in {"drift", "teardown"} or not step["said"]:
            continue
        yield from ("", f"**{_TITLES[step['step']]}**", "")
        yield from (f"- by hand before: `kubectl {words}`" for words in step.get("by_hand", []))
        yield from (f"- `{task}`: {text}" for task, text in step["said"].items())
        yield from (f"- afterwards `{task}`: {text}" for task, text in step.get("after", {}).items())


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
