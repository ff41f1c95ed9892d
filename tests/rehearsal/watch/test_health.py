"""Health on the rehearsal cloud: quiet while all is well, and every fault found by its name."""

from __future__ import annotations

from tests.rehearsal.watch.conftest import Watched


def test_healthy(watched: Watched) -> None:
    report = watched.watch()
    assert report.verdict == "Healthy", [str(one) for one in report.body.findings]
    assert report.missing == []
    print(report.body)
