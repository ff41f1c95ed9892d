"""Logs of containers, kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rehearsal.kubernetes.objects import parse_time

_MOST_LINES = 20_000


@dataclass(frozen=True)
class Line:
    """One line without its newline."""

    at: datetime
    message: str

    def text(self, stamped: bool) -> str:
        """As the log endpoint sends it."""
        if not stamped:
            return self.message + "\n"
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z") + " " + self.message + "\n"


class ContainerLog:
    """The log of one container's run."""

    def __init__(self, lines: list[Line] | None = None, ended: bool = False) -> None:
        self.lines: list[Line] = lines or []
        self.ended = ended
        self._waiters: list[asyncio.Event] = []

    def write(self, message: str) -> None:
        """Append text, one entry per line."""
        for line in message.splitlines() or [""]:
            if len(self.lines) < _MOST_LINES:
                self.lines.append(Line(datetime.now(UTC), line))
        self._wake()

    def end(self) -> None:
        """The container stopped; followers finish."""
        self.ended = True
        self._wake()

    def tail(self, lines: int = 80, characters: int = 2048) -> str:
        """The last lines, as ``FallbackToLogsOnError`` takes them."""
        return "\n".join(line.message for line in self.lines[-lines:])[-characters:]

    async def changed(self, interrupted: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        """Wait for a new line, the end, or what ``interrupted`` calls back for."""
        event = asyncio.Event()
        self._waiters.append(event)
        forget = interrupted(event.set)
        try:
            await event.wait()
        finally:
            forget()
            self._waiters.remove(event)

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()


class Logs:
    """Logs by pod uid and container; the run before the current one is kept too."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._current: dict[tuple[str, str], ContainerLog] = {}
        self._previous: dict[tuple[str, str], ContainerLog] = {}
        self._changed = changed

    def start(self, uid: str, container: str) -> ContainerLog:
        """A fresh log for a container that starts."""
        key = (uid, container)
        if key in self._current:
            self._current[key].end()
            self._previous[key] = self._current[key]
        self._current[key] = ContainerLog()
        self._changed()
        return self._current[key]

    def find(self, uid: str, container: str, previous: bool = False) -> ContainerLog | None:
        """The log of the current (or previous) run."""
        return (self._previous if previous else self._current).get((uid, container))

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for table in (self._current, self._previous):
            for key in [key for key in table if key[0] == uid]:
                table.pop(key).end()

    def dump(self) -> list[dict[str, object]]:
        """For the snapshot."""
        return [
            {
                "uid": uid,
                "container": container,
                "ended": log.ended,
                "lines": [[line.at.isoformat(), line.message] for line in log.lines],
            }
            for (uid, container), log in self._current.items()
        ]

    def load(self, entries: list[dict[str, object]]) -> None:
        """Inverse of :meth:`dump`."""
        for entry in entries:
            raw = entry["lines"]
            lines = [Line(parse_time(at), message) for at, message in raw] if isinstance(raw, list) else []
            key = (str(entry["uid"]), str(entry["container"]))
            self._current[key] = ContainerLog(lines, bool(entry["ended"]))
