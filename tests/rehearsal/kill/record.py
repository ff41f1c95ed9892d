"""What the kills showed: one file of numbers, and the table of it in docs/reliability-kills.md."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rehearsal.kill.state import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.rehearsal.kill.conftest import Step
    from tests.rehearsal.kill.test_parts import Ended

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "reliability-kills.md"
NUMBERS = ROOT / "docs" / "data" / "reliability-kills.json"
BEGIN, END = "<!-- results: written by make kill -->", "<!-- end of results -->"


def calls(every: int, quiet: Mapping[str, Step], killed: Mapping[str, Step]) -> None:
    """Keep what the killed life showed, if every call was killed; a sample proves less and is not kept."""
    if every != 1:
        return
    rows = []
    for verb, step in killed.items():
        twin = quiet[verb]
        rows.append(
            {
                "verb": verb,
                "calls": len(twin.calls),
                "kills": step.kills,
                "not_killed": len(step.left_out),
                "state": step.outcome.state,
                "failed_tries": sum(step.outcome.failed.values()),
                "resources": sum(twin.account.values()),
                "objects": sum(twin.cluster.values()),
                "differences": len(differences(twin.account, step.account))
                + len(differences(twin.cluster, step.cluster)),
                "seconds": round(step.outcome.seconds),
            }
        )
    keep("calls", rows)


def comparable(found: Counter[str]) -> Counter[str]:
    """An account without what each run writes down for itself: reports, results, the lease."""
    return Counter({name: count for name, count in found.items() if not name.startswith("object ")})


def parts(quiet: Mapping[str, Step], ended: Mapping[str, Ended]) -> None:
    """Keep what became of runs whose surroundings were killed."""
    rows = []
    for verb, one in ended.items():
        differing = len(differences(comparable(quiet[verb].account), comparable(one.account)))
        states = sorted(one.states.values())
        if len(states) > 1:
            when = f"{verb}: two runs on an empty account"
            row = {"what": "two runs at once", "when": when, "state": " and ".join(states), "back": ""}
            rows.append({**row, "differences": differing})
        state = "success" if "success" in states else states[0]
        rows += [strike.row(verb, state, differing) for strike in one.strikes]
    keep("airflow", rows)


def keep(part: str, rows: list[dict[str, Any]]) -> None:
    """Put one part into the file of numbers and write the table anew."""
    if not os.environ.get("SLIPWAY_KILL_RECORD"):
        return
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    numbers[part] = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "python": platform.python_version(), "rows": rows}
    NUMBERS.parent.mkdir(exist_ok=True)
    NUMBERS.write_text(json.dumps(numbers, indent=2) + "\n")
    write(numbers)


def write(numbers: dict[str, Any]) -> None:
    """Put the tables between the marks of the document."""
    text = DOCUMENT.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    DOCUMENT.write_text("".join([head, BEGIN, "\n\n", *tables(numbers), END, tail]))


def tables(numbers: dict[str, Any]) -> list[str]:
    """The tables."""
    made = []
    if part := numbers.get("calls"):
        made += [
            "**Worker killed at every mutating call**, before it is sent and after it landed. "
            f"Measured {part['measured']}.\n\n",
            "| run | distinct calls | kills | calls not killed | end | tries that failed by themselves "
            "| AWS resources, cluster objects in the end | differences to the undisturbed run |\n",
            "|---|---:|---:|---:|---|---:|---|---:|\n",
        ]
        made += [
            f"| {row['verb']} | {row['calls']} | {row['kills']} | {row['not_killed']} | {row['state']} "
            f"| {row['failed_tries']} | {row['resources']}, {row['objects']} | {row['differences']} |\n"
            for row in part["rows"]
        ]
        made.append("\n")
    if part := numbers.get("airflow"):
        made += [
            f"**Parts of a real Airflow, and the cloud, killed while a run is on.** Measured {part['measured']}.\n\n",
            "| what | when | run ended | back after | differences to the undisturbed run |\n|---|---|---|---|---:|\n",
        ]
        made += [
            f"| {row['what']} | {row['when']} | {row['state']} | {row['back']} | {row['differences']} |\n"
            for row in part["rows"]
        ]
        made.append("\n")
    return made
