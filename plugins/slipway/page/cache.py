"""Answers kept on the server: one reader asks, everybody is answered, nobody waits for what is merely a little old.

A value younger than its lifetime is given as it is. An older one is given as well, marked with its age, while one task
asks anew behind it. Only the very first reader waits. What failed is remembered for a short while, so that a cloud that
does not answer is not asked by every open tab.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)

# Beyond this an old answer is not given without asking first.
TOO_OLD_SECONDS = 15 * 60
FAILURE_SECONDS = 10
# How long a reader waits for the first answer; the task goes on behind.
WAIT_SECONDS = 25
MOST_ENTRIES = 512


@dataclass(slots=True)
class Answer:
    """What is known of a key.

    :param as_of: when it was asked; ``None`` when it was never answered.
    :param problem: why the newest attempt failed, empty when it did not.
    """

    value: Any = None
    as_of: datetime | None = None
    problem: str = ""


@dataclass(slots=True)
class _Entry:
    answer: Answer = field(default_factory=Answer)
    asked: float = float("-inf")
    answered: float = float("-inf")
    task: asyncio.Task[None] | None = None


class Cache:
    """Answers by key.

    :param clock: seconds that never go back; tests give their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(self, key: Hashable, lifetime: float, ask: Callable[[], Awaitable[Any]]) -> Answer:
        """The answer for a key, asked for when there is none that is younger than ``lifetime`` seconds.

        Never raises: a failure is the answer's ``problem``, beside the last value that was had.
        """
        entry = self._entry(key)
        now = self._clock()
        fresh = now - entry.answered < lifetime
        resting = entry.answer.problem != "" and now - entry.asked < FAILURE_SECONDS
        if not fresh and not resting and (entry.task is None or entry.task.done()):
            entry.asked = now
            entry.task = asyncio.create_task(self._ask(entry, key, ask))
        usable = entry.answer.as_of is not None and now - entry.answered < TOO_OLD_SECONDS
        if entry.task is not None and not entry.task.done() and not usable:
            await asyncio.wait({entry.task}, timeout=WAIT_SECONDS)
            if not entry.task.done():
                return Answer(problem=f"no answer within {WAIT_SECONDS} seconds; it is still being asked for")
        return entry.answer

    async def _ask(self, entry: _Entry, key: Hashable, ask: Callable[[], Awaitable[Any]]) -> None:
        try:
            value = await ask()
        except Exception as error:  # whatever it is, the page has to say so rather than break
            log.warning("Platform page: %s could not be read: %s: %s", key, type(error).__name__, error)
            entry.answer = Answer(entry.answer.value, entry.answer.as_of, _said(error))
        else:
            entry.answer = Answer(value, datetime.now(UTC))
            entry.answered = self._clock()

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)
        return entry


def _said(error: Exception) -> str:
    """The first lines of an error, as the page shows it."""
    text = str(error).strip() or type(error).__name__
    return text if len(text) <= 600 else f"{text[:600]}..."
