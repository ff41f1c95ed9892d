"""The verdict on a load run, and the document that tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

from tests.load.measure import LIMITS, TOLD, growth

if TYPE_CHECKING:
    from tests.load.drive import Outcome


@dataclass
class Findings:
    """Everything a run saw.

    :param samples: after every cycle, by what was measured.
    :param left: after all platforms of the second part were taken down.
    """

    when: datetime
    machine: str
    asked: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    together: list[Outcome] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One number over all cycles."""

    name: str
    first: float
    last: float
    slope: float
    limit: float | None
    flat: bool


@dataclass(frozen=True)
class Verdict:
    """What was found of it."""

    rows: list[Row]
    problems: list[str]


def judge(found: Findings) -> Verdict:
    """Hold all numbers against their limits."""
    rows = []
    problems = []
    if len(found.samples) >= 5:
        for name in (*LIMITS, *TOLD):
            values = [one[name] for one in found.samples]
            slope = growth(values)
            limit = LIMITS[name].per_cycle if name in LIMITS else None
            flat = limit is None or slope <= limit + 1e-9
            rows.append(Row(name, values[0], values[-1], slope, limit, flat))
            if not flat:
                unit = LIMITS[name].unit
                problems.append(f"{name} grows by {slope:.2f} {unit} a cycle; at most {limit:g} counts as flat")
    else:
        problems.append(f"{len(found.samples)} cycles tell no growth; at least 5 are needed")
    for outcome in found.together:
        problems += [f"{name} was not {outcome.what}: {why}"[:400] for name, why in outcome.failed.items()]
    for name in ("buckets", "live stacks", "clusters"):
        if found.left.get(name):
            problems.append(f"{found.left[name]:.0f} {name} are left after all platforms were taken down")
    return Verdict(rows, problems)


def markdown(found: Findings, verdict: Verdict) -> str:
    """The document."""
    lines = [
        "# Load",
        "",
        "Written by `make load` (`python -m tests.load`); do not edit. Slipway's own tasks run without a scheduler",
        "against the rehearsal cloud in processes of its own, 2,400 times as fast as AWS.",
        "",
        f"Run of {found.when:%Y-%m-%d %H:%M} UTC on {found.machine}.",
        "",
        "## Made and taken down again and again",
        "",
        f"{len(found.samples)} cycles of {found.asked} asked for: the infrastructure of one small platform (seven "
        "stacks, cluster,",
        "access, node group, add-ons) is made and taken down with nothing kept, then everything is measured. "
        + (f"A cycle took {median(found.seconds):.1f} s (median)." if found.seconds else ""),
        "",
        "Growth is the slope of the line of best fit, the first third left out: caches fill there.",
        "",
        "| what | after the first | after the last | growth a cycle | flat up to | |",
        "|---|---|---|---|---|---|",
    ]
    for row in verdict.rows:
        limit = "not judged" if row.limit is None else f"{row.limit:g} {LIMITS[row.name].unit}"
        said = "" if row.limit is None else "flat" if row.flat else "**grows**"
        lines.append(f"| {row.name} | {row.first:,.0f} | {row.last:,.0f} | {row.slope:+.2f} | {limit} | {said} |")
    lines += ["", *[f"- {name}: {why}." for name, why in TOLD.items()]]
    lines += [f"- {name}: {flat.why}." for name, flat in LIMITS.items()]
    lines += ["", "## Many at once", ""]
    if found.together:
        lines += ["| platforms | done | seconds |", "|---|---|---|"]
        for outcome in found.together:
            count = len(outcome.done) + len(outcome.failed)
            lines.append(f"| {count} {outcome.what} at once | {len(outcome.done)} | {outcome.seconds:.0f} |")
        left = ", ".join(f"{found.left.get(name, 0):.0f} {name}" for name in ("buckets", "live stacks", "clusters"))
        lines += ["", f"Left afterwards: {left}."]
    else:
        lines.append("Not run.")
    lines += ["", "## Not measured here", ""]
    lines += [
        "- Airflow's database: the tasks run without it. It grows with every run; `airflow db clean` trims it.",
        "- Objects in the cluster: platforms here are infrastructure with no components.",
    ]
    if verdict.problems:
        lines += ["", "## What failed", "", *[f"- {one}" for one in verdict.problems]]
    return "\n".join(lines) + "\n"
