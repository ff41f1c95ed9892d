"""What is said at the end of a run: a table of the stages, and for each failed task why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from rehearsal.run.progress import Outcome, Progress, Stage, Task
from rehearsal.run.terminal import MARKS, duration


def table(stages: Sequence[Stage], now: datetime) -> Table:
    """One row per stage: time, tasks, checks passed, skipped and failed."""
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column("stage")
    for name in ("result", "time", "tasks", "checks passed", "skipped", "failed"):
        result.add_column(name, justify="left" if name == "result" else "right")
    for stage in stages:
        mark, style = MARKS[stage.outcome]
        result.add_row(
            stage.name,
            f"[{style}]{mark} {stage.outcome.value}[/]",
            duration(stage.seconds(now)),
            f"{stage.count(Outcome.PASSED)}/{len(stage.tasks)}",
            *(str(stage.count(outcome, checks=True)) for outcome in CHECK_COLUMNS),
        )
    return result


CHECK_COLUMNS = (Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED)


def headline(dag_id: str, state: str, progress: Progress, wall: float) -> str:
    """One sentence: what became of the run, how many checks prove it, how long it took (seconds)."""
    stages = progress.stages()
    checks = {outcome: sum(stage.count(outcome, checks=True) for stage in stages) for outcome in CHECK_COLUMNS}
    words = {"success": "succeeded", "failed": "FAILED"}.get(state, f"is {state}")
    proof = f"{checks[Outcome.PASSED]} check{'' if checks[Outcome.PASSED] == 1 else 's'} passed"
    if checks[Outcome.SKIPPED]:
        proof += f", {checks[Outcome.SKIPPED]} skipped (they could not run here)"
    if checks[Outcome.FAILED]:
        proof += f", {checks[Outcome.FAILED]} failed"
    return f"{dag_id} {words} in {duration(wall)}: {proof}."


def print_summary(
    console: Console,
    headline_text: str,
    progress: Progress,
    logs: Mapping[Task, Sequence[str]],
    now: datetime,
) -> None:
    """Print table, failures with the log lines that explain them, and the headline last, where eyes end up."""
    console.print()
    console.print(table(progress.stages(), now))
    if progress.left_out():
        console.print(f"Not asked for (STAGES): {', '.join(progress.left_out())}", markup=False)
    for task, lines in logs.items():
        console.print()
        console.print(f"✗ {task.task_id} (attempt {task.attempt}):", style="bold red", markup=False)
        for line in lines or ["(its log is empty)"]:
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(headline_text, style="bold", markup=False, highlight=False, soft_wrap=True)
