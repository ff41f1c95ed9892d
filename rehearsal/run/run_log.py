"""The lines of a task's log that explain its failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RELEVANT_LEVELS = frozenset({"warning", "error", "critical"})
# Said by Airflow about every task; no help to anyone who asks what went wrong.
NOISE = (
    "::group::",
    "::endgroup::",
    "Log message source details",
    "Task instance is in running state",
    "Previous state of the Task instance",
    "Current task name",
    "Task finished",
    "Pre Execute",
    "Post Execute",
    "Stats instance was created",
    "DAG bundles loaded",
    "Filling up the DagBag",
)


def relevant(events: Sequence[Mapping[str, Any]], limit: int = 12) -> list[str]:
    """At most `limit` lines: what was warned of and what was raised, or else the last lines there are.

    `events` are the structured log events of Airflow's API (`event`, `level`, `error_detail`).
    """
    useful = [event for event in events if _text(event) and not _is_noise(event)]
    pointed = [event for event in useful if _level(event) in RELEVANT_LEVELS or event.get("error_detail")]
    lines: list[str] = []
    for event in pointed or useful:
        lines += _text(event).splitlines()
        lines += raised(event)
    return _without_repeats(lines)[-limit:]


def raised(event: Mapping[str, Any]) -> list[str]:
    """`Type: message` of each exception an event carries, the cause first."""
    detail = event.get("error_detail") or []
    return [
        line
        for item in reversed(detail)
        for line in f"{item.get('exc_type', 'Error')}: {item.get('exc_value', '')}".splitlines()
    ]


def _is_noise(event: Mapping[str, Any]) -> bool:
    return event.get("logger") == "py.warnings" or _text(event).startswith(NOISE)


def _level(event: Mapping[str, Any]) -> str:
    return str(event.get("level") or "").lower()


def _text(event: Mapping[str, Any]) -> str:
    return str(event.get("event") or "").rstrip()


def _without_repeats(lines: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line.strip()))
