"""What a deploy took back by itself after a stage's gate failed."""

from __future__ import annotations

from slipway.model.records import CheckState, Record


class CheckAfter(Record):
    """A check of a component that went back, run on the release it went back to."""

    component: str
    check: str
    state: CheckState
    reason: str = ""


class WentBack(Record):
    """A component that went back.

    :param failed: release that the run had deployed.
    :param number: release that it went back to.
    :param changes: what going back changed, one line each.
    :param warnings: what it could not undo.
    """

    component: str
    failed: int
    number: int
    changes: list[str] = []
    warnings: list[str] = []


class GateRollback(Record):
    """Body of the report of a rollback that a failed gate caused.

    :param failed: tasks of the stage that failed.
    :param left: components that the run changed and that were left as they are, with the reason.
    :param unready: objects that did not come back in time.
    """

    stage: str
    failed: list[str]
    back: list[WentBack] = []
    left: dict[str, str] = {}
    unready: list[str] = []
    checks: list[CheckAfter] = []

    @property
    def sound(self) -> bool:
        """Whether everything that went back is ready and no check of it failed."""
        return not self.unready and all(one.state is not CheckState.FAILED for one in self.checks)

    @property
    def summary(self) -> str:
        """One sentence."""
        back = ", ".join(f"{one.component} to release {one.number}" for one in self.back) or "nothing"
        left = f"; left as they are: {', '.join(sorted(self.left))}" if self.left else ""
        return f"Stage {self.stage} did not prove itself ({', '.join(self.failed)}); went back: {back}{left}"

    def markdown(self) -> str:
        """For people."""
        lines = [f"# {self.summary}", ""]
        for one in self.back:
            lines += [f"## {one.component}: release {one.failed} back to {one.number}", ""]
            lines += [f"- {line}" for line in one.changes] or ["- no difference"]
            lines += [f"- **cannot be undone**: {line}" for line in one.warnings]
            lines.append("")
        lines += [f"- {name} is left as it is: {why}" for name, why in sorted(self.left.items())]
        lines += [f"- not ready: {line}" for line in self.unready]
        lines += [
            f"- check {one.component}/{one.check} {one.state.value}{': ' + one.reason if one.reason else ''}"
            for one in self.checks
        ]
        return "\n".join(lines)
