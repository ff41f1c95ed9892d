"""The table of docs/reliability.md, from what a whole run left."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.model.errors import RULES, ErrorClass

from tests.rehearsal.faults.scoring import Part, Result

ROOT = Path(__file__).resolve().parents[3]
RESULTS = Path(__file__).parent / "results.json"
PAGE = ROOT / "docs" / "reliability.md"
CASES = 25
MARKERS = {
    "cases": ("<!-- cases: written by make faults -->", "<!-- end of cases -->"),
    "classes": ("<!-- classes: written by make faults -->", "<!-- end of classes -->"),
}
# Gardener's codes, from docs/usage/shoot/shoot_status.md of gardener/gardener; (r) where it tries again by itself.
GARDENER = {
    ErrorClass.RETRY_LATER: "`ERR_INFRA_RATE_LIMITS_EXCEEDED` (r)",
    ErrorClass.CAPACITY: "`ERR_INFRA_RESOURCES_DEPLETED` (r)",
    ErrorClass.DEPENDENCY: "`ERR_RETRYABLE_INFRA_DEPENDENCIES` (r), `ERR_INFRA_DEPENDENCIES`",
    ErrorClass.WEBHOOK: "`ERR_PROBLEMATIC_WEBHOOK` (r)",
    ErrorClass.EXPIRED: "`ERR_INFRA_UNAUTHENTICATED`",
    ErrorClass.UNAUTHENTICATED: "`ERR_INFRA_UNAUTHENTICATED`",
    ErrorClass.DENIED: "`ERR_INFRA_UNAUTHORIZED`",
    ErrorClass.QUOTA: "`ERR_INFRA_QUOTA_EXCEEDED`",
    ErrorClass.BAD_INPUT: "`ERR_CONFIGURATION_PROBLEM`, `ERR_RETRYABLE_CONFIGURATION_PROBLEM` (r)",
    ErrorClass.STUCK: "`ERR_CLEANUP_CLUSTER_RESOURCES` (r)",
}


def save(results: list[Result]) -> None:
    """Keep what each case came to, with its day; cases that did not run keep what they last came to."""
    kept = {one["number"]: one for one in load()} if RESULTS.exists() else {}
    for one in results:
        kept[one.number] = {**_trimmed(one.dump()), "at": f"{datetime.now(UTC):%Y-%m-%d}"}
    RESULTS.write_text(json.dumps([kept[number] for number in sorted(kept)], indent=1, ensure_ascii=False) + "\n")


def _trimmed(dumped: dict[str, Any]) -> dict[str, Any]:
    """Without what was told, which is long and names times."""
    for part in dumped["parts"]:
        part["told"] = ""
    return dumped


def load() -> list[dict[str, Any]]:
    """What each case last came to."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())
    return found


def table(results: list[Result]) -> str:
    """One line per case."""
    lines = [
        "| # | case | tried | end state | orphans | duplicates | attempts | seconds | class | holds |",
        "|---:|---|---|---|---:|---:|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(one) for one in results)])


def _row(one: Result) -> str:
    parts = one.parts
    wrong = [complaint for part in parts for complaint in part.faults] + ([one.error] if one.error else [])
    cells = [
        str(one.number),
        f"{one.title} ({one.must})",
        "; ".join(part.what for part in parts),
        "as desired" if not any(part.state for part in parts) and parts else "**not**",
        str(sum(len(part.orphans) for part in parts)),
        str(sum(len(part.duplicates) for part in parts)),
        _pairs(parts, "attempts"),
        _pairs(parts, "seconds"),
        ", ".join(dict.fromkeys(part.error_class[0] or "none" for part in parts)),
        "yes" if one.holds else f"**no**: {'; '.join(wrong)[:300]}",
    ]
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"


def _pairs(parts: list[Part], name: str) -> str:
    """Used and allowed, of the part that came closest to its limit."""
    pairs = [getattr(part, name) for part in parts]
    if not pairs:
        return ""
    used, allowed = max(pairs, key=lambda pair: pair[0] / max(pair[1], 0.001))
    return f"{used:g} of {allowed:g}"


def classes() -> str:
    """The taxonomy, beside Gardener's."""
    lines = [
        "| class | what has happened | tried again | safe to clear | Gardener |",
        "|---|---|---|---|---|",
    ]
    for kind, rule in RULES.items():
        row = (f"`{kind.value}`", rule.meaning, rule.retry.value, rule.clear, GARDENER.get(kind, ""))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def cases(found: list[dict[str, Any]]) -> str:
    """The table with its verdict."""
    results = [Result.load({key: value for key, value in one.items() if key != "at"}) for one in found]
    held = sum(one.holds for one in results)
    missing = sorted(set(range(1, CASES + 1)) - {one.number for one in results})
    days = sorted({one["at"] for one in found})
    verdict = (
        f"**{held} of {CASES}** hold, in {sum(len(one.parts) for one in results)} parts; "
        f"{sum(one.seconds for one in results) / 60:.0f} minutes, {' and '.join(days)}."
        + (f" Not run: {', '.join(map(str, missing))}." if missing else "")
        + " Attempts are requests that met the fault (tries, where the fault is a state); seconds are wall time with "
        "the waits between tries divided by 60; of several parts the one closest to its limit is shown."
    )
    return f"{verdict}\n\n{table(results)}"


def page(text: str, found: list[dict[str, Any]]) -> str:
    """The page with what is between its markers written anew."""
    for name, body in (("cases", cases(found)), ("classes", classes())):
        begin, end = MARKERS[name]
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n\n{body}\n\n{end}{tail}"
    return text


def render(found: list[dict[str, Any]]) -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(), found))
