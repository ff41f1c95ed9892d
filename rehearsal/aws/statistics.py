"""Counts of API calls by service and operation, split into those that change something and those that read."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

_READING = (
    *("Describe", "Get", "List", "Search", "BatchGet", "BatchDescribe", "Head", "Query", "Scan", "Select", "Filter"),
    *("Simulate", "Lookup", "Validate", "Estimate", "Preview", "Check", "Test", "Decode", "Detect", "Discover"),
    *("Poll", "Receive"),
)
_READING_OPERATIONS = {"logs.StartQuery", "logs.StopQuery"}
_READING_SERVICES = {"sts"}


def is_mutating(service: str, operation: str) -> bool:
    """Whether an operation changes something, judged by its name."""
    if service in _READING_SERVICES or f"{service}.{operation}" in _READING_OPERATIONS:
        return False
    return not operation.startswith(_READING)


class Statistics:
    """Counts calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def count(self, service: str, operation: str) -> None:
        """Count one call."""
        with self._lock:
            self._calls[service, operation] += 1

    def clear(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._calls.clear()

    def report(self) -> dict[str, Any]:
        """``{"calls": {"eks.CreateCluster": {"count": 1, "mutating": true}}, "mutating": 1, "reading": 0}``."""
        with self._lock:
            calls = dict(self._calls)
        rows = {
            f"{service}.{operation}": {"count": count, "mutating": is_mutating(service, operation)}
            for (service, operation), count in sorted(calls.items())
        }
        mutating = sum(int(row["count"]) for row in rows.values() if row["mutating"])
        return {"calls": rows, "mutating": mutating, "reading": sum(calls.values()) - mutating}
