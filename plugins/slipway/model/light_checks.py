"""What is remembered of the checks that health repeats inside a cluster."""

from __future__ import annotations

from pydantic import AwareDatetime, JsonValue

from slipway.model.records import CheckState, Record


class CheckMemory(Record):
    """How a light check ended last.

    :param at: when; ``None`` when its turn has not come yet.
    :param reason: why it failed or could not run.
    :param proved: the numbers of its last line; empty unless it passed.
    :param seconds: from the container's start to its end.
    """

    state: CheckState
    proves: str
    at: AwareDatetime | None = None
    reason: str = ""
    proved: dict[str, JsonValue] = {}
    seconds: float | None = None


class CheckSeen(CheckMemory):
    """A light check as a report shows it."""

    component: str
    check: str

    @property
    def name(self) -> str:
        """As a person names it."""
        return f"{self.component}/{self.check}"


class Checking(Record):
    """What one run did about light checks.

    :param run_id: the health run that it was part of.
    :param ran: checks that were begun.
    :param note: why none were, or what hindered them.
    :param calls: calls made for it, by API.
    :param seconds: wall time, waits included.
    """

    run_id: str
    ran: int = 0
    note: str = ""
    calls: dict[str, int] = {}
    seconds: float = 0.0
