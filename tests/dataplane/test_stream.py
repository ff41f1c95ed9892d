"""The stream carries data from its source to its report."""

from __future__ import annotations

from tests.dataplane.running import Running, proved


def test_events_reach_the_database_the_files_and_the_report(platform: Running) -> None:
    # Each check follows the events that the first of them sent.
    proved(platform.check("stream", "events"), sent=200, rejected=5)
    proved(platform.check("stream", "sums"))
    proved(platform.check("stream", "files"))
