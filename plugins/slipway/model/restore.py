"""What a restore brought back, and what a disaster recovery drill proved."""

from __future__ import annotations

from pydantic import AwareDatetime

from slipway.model.records import Record
from slipway.model.rollback import CheckAfter


class Restored(Record):
    """A claim on a disk made from a snapshot.

    :param at: when the snapshot was taken: whatever was written later is lost.
    :param disk: the new disk.
    """

    component: str
    claim: str
    snapshot: str
    at: AwareDatetime
    gib: int
    disk: str


class RestoreBody(Record):
    """Body of the report of a restore.

    :param source: platform that the backups are of, and its region.
    :param empty: claims without a backup.
    :param left: components that were not restored, with the reason.
    """

    source: str
    restored: list[Restored]
    empty: list[str] = []
    left: dict[str, str] = {}
    unready: list[str] = []
    checks: list[CheckAfter] = []

    def markdown(self, title: str) -> str:
        """For people."""
        lines = [f"# {title}", "", f"From backups of {self.source}.", ""]
        lines += [
            f"- {one.component}: {one.claim} is on {one.disk}, {one.gib} GiB of {one.snapshot} of {one.at:%F %T} UTC"
            for one in self.restored
        ]
        lines += [f"- {claim} was never backed up and is empty" for claim in self.empty]
        lines += [f"- {name} was left: {why}" for name, why in sorted(self.left.items())]
        lines += [f"- not ready: {line}" for line in self.unready]
        lines += [
            f"- check {one.component}/{one.check} {one.state.value}{': ' + one.reason if one.reason else ''}"
            for one in self.checks
        ]
        return "\n".join(lines)


class Step(Record):
    """One part of a drill and how it ended."""

    name: str
    state: str


class DrillBody(Record):
    """Body of the report of a drill.

    :param drill: the platform that was rebuilt, and where.
    :param rto_seconds: from the order to rebuild until everything was proven; ``None`` when that was never so.
    :param rpo_seconds: how old the oldest of the restored data was at the order; ``None`` when nothing was restored.
    :param same: what was compared with the original and is the same, one line each.
    :param differences: what is not.
    :param usd: what it was expected to cost.
    """

    original: str
    drill: str
    ordered: AwareDatetime
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    steps: list[Step]
    same: list[str] = []
    differences: list[str] = []
    usd: float

    def markdown(self, title: str) -> str:
        """For people."""
        lines = [f"# {title}", "", f"{self.original} rebuilt as {self.drill}, ordered {self.ordered:%F %T} UTC.", ""]
        lines += [f"- {one.name}: {one.state}" for one in self.steps]
        lines += ["", "## Compared with the original", ""]
        lines += [f"- same: {line}" for line in self.same]
        lines += [f"- **different**: {line}" for line in self.differences]
        return "\n".join(lines)


def span(seconds: float | None) -> str:
    """A time for people: ``3 h 20 min``."""
    if seconds is None:
        return "not measured"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
