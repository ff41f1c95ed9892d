"""Live progress: a small redrawn picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rehearsal.run.progress import Outcome, Progress, Stage, Task

MARKS = {
    Outcome.WAITING: ("·", "dim"),
    Outcome.RUNNING: ("▸", "cyan"),
    Outcome.PASSED: ("✓", "green"),
    Outcome.SKIPPED: ("-", "yellow"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.BLOCKED: ("!", "red"),
}
RUNNING_SHOWN = 6
# After this long without an event a log says what it waits for.
QUIET_SECONDS = 30.0
NOTED = frozenset({Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED})


class View(Protocol):
    """What the driver tells a run's progress to."""

    def show(self, progress: Progress, changed: Iterable[Task]) -> None:
        """Take in the state of things, about once per second."""

    def __enter__(self) -> View:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""


def view_for(console: Console, began: float) -> View:
    """A live picture for people, lines for logs; `began` is the monotonic time that lines count from."""
    return LiveView(console) if console.is_terminal else PlainView(console, began)


def duration(seconds: float | None) -> str:
    """`12 s`, `3 min 05 s`, or nothing for None."""
    if seconds is None:
        return ""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class PlainView:
    """One line per task that ended, one per stage that ended."""

    def __init__(self, console: Console, began: float) -> None:
        """Write to this console, with the seconds since `began` (monotonic)."""
        self._console = console
        self._began = began
        self._ended: set[str] = set()
        self._last_line = began

    def __enter__(self) -> PlainView:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to restore."""

    def show(self, progress: Progress, changed: Iterable[Task]) -> None:
        """Print what ended since the last time."""
        now = datetime.now(UTC)
        for task in changed:
            if task.outcome in NOTED:
                self._line(f"{task.outcome.value:8} {task.task_id}  {duration(task.seconds(now))}")
            elif task.state == "up_for_retry":
                self._line(f"retry    {task.task_id}  attempt {task.attempt} failed")
        for stage in progress.stages():
            if stage.is_group and stage.name not in self._ended and stage.done == len(stage.tasks):
                self._ended.add(stage.name)
                self._line(
                    f"= {stage.name} {stage.outcome.value}  {duration(stage.seconds(now))}  {checks_text(stage)}"
                )

        if time.monotonic() - self._last_line > QUIET_SECONDS:
            self._still_running(progress, now)

    def _still_running(self, progress: Progress, now: datetime) -> None:
        running = [task for stage in progress.stages() for task in stage.running()]
        names = ", ".join(f"{task.task_id} {duration(task.seconds(now))}" for task in running[:RUNNING_SHOWN])
        self._line(f"... {names or 'waiting for the next task'}")

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(
            f"{time.monotonic() - self._began:6.0f} s  {text.rstrip()}", highlight=False, markup=False, soft_wrap=True
        )


class LiveView:
    """The stages, and below the one at work what it is doing, redrawn in place."""

    def __init__(self, console: Console) -> None:
        """Draw on this console."""
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the picture; the summary follows."""
        self._live.stop()

    def show(self, progress: Progress, changed: Iterable[Task]) -> None:
        """Draw the present state."""
        self._live.update(picture(progress, datetime.now(UTC)))


def picture(progress: Progress, now: datetime) -> Group:
    """The table of stages with what is running, and what has failed so far."""
    table = Table.grid(padding=(0, 2))
    for stage in progress.stages():
        table.add_row(*_stage_row(stage, now))
        running = stage.running() if stage.is_group else []
        for task in running[:RUNNING_SHOWN]:
            table.add_row("", Text(task.label, "cyan"), "", "", Text(duration(task.seconds(now)), "dim"))
        if len(running) > RUNNING_SHOWN:
            table.add_row("", Text(f"and {len(running) - RUNNING_SHOWN} more", "dim"), "", "", "")
    failed = [Text(f"✗ {task.task_id} failed", "bold red") for task in progress.failed()]
    return Group(table, *failed)


def _stage_row(stage: Stage, now: datetime) -> tuple[Text, Text, Text, Text, Text]:
    mark, style = MARKS[stage.outcome]
    return (
        Text(mark, style),
        Text(stage.name, "bold" if stage.outcome is Outcome.RUNNING else ""),
        Text(f"{stage.done}/{len(stage.tasks)}", "dim"),
        Text(checks_text(stage)),
        Text(duration(stage.seconds(now)), "dim"),
    )


def checks_text(stage: Stage) -> str:
    """`12 checks passed, 3 skipped`: only what there is."""
    words = [
        f"{count} {word}"
        for word, outcome in (
            ("passed", Outcome.PASSED),
            ("skipped", Outcome.SKIPPED),
            ("failed", Outcome.FAILED),
        )
        if (count := stage.count(outcome, checks=True))
    ]
    return f"checks: {', '.join(words)}" if words else ""
