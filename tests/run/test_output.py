"""What a person reads: lines while it runs, a table and the reasons at the end."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from rehearsal.run.progress import Progress, Task
from rehearsal.run.run_log import relevant
from rehearsal.run.summary import headline, print_summary
from rehearsal.run.terminal import QUIET_SECONDS, LiveView, PlainView, duration, picture, view_for
from tests.run.test_progress import T0, instance


def plain_console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def progress() -> Progress:
    found = Progress(["a.k.deploy", "a.k.check_one", "a.k.check_two", "b.r.deploy"])
    found.update(
        [
            instance("a.k.deploy", "success", 0, 61),
            instance("a.k.check_one", "success", 61, 62),
            instance("a.k.check_two", "skipped", 61, 62),
            instance("b.r.deploy", "failed", 62, 70, try_number=2),
        ]
    )
    return found


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_the_headline_counts_what_was_proved_and_what_was_not(progress: Progress) -> None:
    assert headline("platform_deploy", "failed", progress, 71) == (
        "platform_deploy FAILED in 1 min 11 s: 1 check passed, 1 skipped (they could not run here)."
    )
    assert headline("x", "success", Progress(), 3) == "x succeeded in 3 s: 0 checks passed."


def test_the_summary_shows_stages_and_reasons_as_they_are(progress: Progress) -> None:
    console = plain_console()
    logs = {progress.failed()[0]: ["ValueError: [red]3 of 1000[/red] lost"]}
    print_summary(console, "the end", progress, logs, T0)
    lines = text_of(console).splitlines()
    assert any(line.split() == ["a", "✓", "passed", "1", "min", "02", "s", "2/3", "1", "1", "0"] for line in lines)
    assert any(line.startswith("b") and "failed" in line for line in lines)
    assert "✗ b.r.deploy (attempt 2):" in lines
    # Brackets in a log are text, not markup.
    assert "    ValueError: [red]3 of 1000[/red] lost" in lines
    assert lines[-1] == "the end"


def test_an_empty_log_is_said(progress: Progress) -> None:
    console = plain_console()
    print_summary(console, "", progress, {Task("b.r.deploy", "failed"): []}, T0)
    assert "(its log is empty)" in text_of(console)


def test_without_a_terminal_there_is_one_line_per_event(progress: Progress) -> None:
    console = plain_console()
    with PlainView(console, time.monotonic()) as view:
        view.show(progress, progress.tasks())
        view.show(progress, [])
    assert [" ".join(line.split(" s  ", 1)[1].split()) for line in text_of(console).splitlines()] == [
        "passed a.k.deploy 1 min 01 s",
        "passed a.k.check_one 1 s",
        "skipped a.k.check_two 1 s",
        "failed b.r.deploy 8 s",
        "= a passed 1 min 02 s checks: 1 passed, 1 skipped",
        "= b failed 8 s",
    ]


def test_a_terminal_gets_a_picture_and_a_pipe_gets_lines() -> None:
    assert isinstance(view_for(Console(file=io.StringIO(), force_terminal=True), 0), LiveView)
    assert isinstance(view_for(plain_console(), 0), PlainView)


def test_the_picture_shows_what_runs_and_for_how_long() -> None:
    progress = Progress([f"a.c{number}.deploy" for number in range(9)])
    progress.update([instance(f"a.c{number}.deploy", "running", number) for number in range(8)])
    console = plain_console()
    console.print(picture(progress, T0 + timedelta(seconds=75)))
    text = text_of(console)
    assert "0/9" in text
    assert "c0.deploy" in text
    assert "1 min 15 s" in text
    assert "and 2 more" in text
    assert "c8" not in text


def test_the_live_view_leaves_the_terminal_clean() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with LiveView(console) as view:
        view.show(Progress(["a.b"]), [])
    assert "\x1b[?25h" in text_of(console)  # the cursor is visible again


def test_a_failure_is_explained_by_its_warnings_and_errors() -> None:
    events = [
        {"event": "::group::Log message source details", "level": "info"},
        {"event": "x is deprecated", "level": "warning", "logger": "py.warnings"},
        {"event": "asking for the cluster", "level": "info"},
        {"event": "quota is nearly used up", "level": "warning"},
        {
            "event": "Task failed with exception",
            "level": "error",
            "error_detail": [
                {"exc_type": "RolloutError", "exc_value": "kafka is not ready\nsee pod kafka-0"},
                {"exc_type": "TimeoutError", "exc_value": "15m"},
            ],
        },
    ]
    assert relevant(events) == [
        "quota is nearly used up",
        "Task failed with exception",
        "TimeoutError: 15m",
        "RolloutError: kafka is not ready",
        "see pod kafka-0",
    ]


def test_without_errors_the_last_lines_have_to_do() -> None:
    events = [{"event": f"line {number}", "level": "info"} for number in range(30)]
    assert relevant(events, limit=2) == ["line 28", "line 29"]
    assert relevant([]) == []


def test_now_is_only_an_argument(progress: Progress) -> None:
    console = plain_console()
    print_summary(console, "", progress, {}, datetime(2030, 1, 1, tzinfo=UTC))
    assert "1 min 02 s" in text_of(console)


def test_stages_that_were_not_asked_for_are_named_once_and_counted_nowhere() -> None:
    progress = Progress(["preflight", "a.x.check_one", "b.y.check_two"], frozenset({"a"}))
    skipped = [instance("b.y.check_two", "skipped", 0, 0), instance("preflight", "success", 0, 1)]
    assert [task.task_id for task in progress.update(skipped)] == ["preflight"]
    assert [stage.name for stage in progress.stages()] == ["preflight", "a"]
    assert "skipped" not in headline("x", "success", progress, 1)
    console = plain_console()
    print_summary(console, "", progress, {}, T0)
    assert "Not asked for (STAGES): b" in text_of(console)


def test_a_long_silence_is_broken_by_what_it_waits_for() -> None:
    progress = Progress()
    progress.update([instance("a.k.deploy", "deferred", 0)])
    console = plain_console()
    view = PlainView(console, time.monotonic() - QUIET_SECONDS - 1)
    view.show(progress, [])
    view.show(progress, [])
    assert text_of(console).count("... a.k.deploy") == 1
