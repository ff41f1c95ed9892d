"""The judge of load runs: what grows is told from what settles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.load.measure import LIMITS, TOLD, growth
from tests.load.report import Findings, judge, markdown

NAMES = (*LIMITS, *TOLD)


def findings(**series: list[float]) -> Findings:
    """Ten cycles in which nothing changes but what is given."""
    found = Findings(when=datetime(2026, 1, 1, tzinfo=UTC), machine="a test", asked=10)
    for cycle in range(10):
        found.samples.append({name: series.get(name.replace(" ", "_"), [5.0] * 10)[cycle] for name in NAMES})
        found.seconds.append(1.0)
    return found


def test_growth_is_the_slope_after_the_first_third() -> None:
    assert growth([1, 50, 100, 100, 100, 100, 100, 100, 100]) == pytest.approx(0)
    assert growth([3.0 * cycle for cycle in range(12)]) == pytest.approx(3)
    assert growth([10, 10, 10, 9, 11, 9, 11, 9, 11]) < 0.5


def test_too_few_cycles_are_no_proof() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        growth([1, 2, 3])
    found = findings()
    found.samples = found.samples[:2]
    assert judge(found).problems == ["2 cycles tell no growth; at least 5 are needed"]


def test_what_stays_is_flat() -> None:
    verdict = judge(findings())
    assert verdict.problems == []
    assert all(row.flat for row in verdict.rows)


def test_a_file_left_open_in_every_cycle_is_found() -> None:
    found = findings(driver_files=[5.0 + cycle for cycle in range(10)], buckets=[0.0] * 9 + [1.0])
    (files, buckets) = judge(found).problems
    assert files == "driver files grows by 1.00 open files a cycle; at most 0.05 counts as flat"
    assert buckets.startswith("buckets grows")
    text = markdown(found, judge(found))
    assert "**grows**" in text
    assert "## What failed" in text


def test_what_is_left_after_many_platforms_is_told() -> None:
    found = findings()
    found.left = {"buckets": 2.0, "live stacks": 0.0, "clusters": 0.0}
    assert judge(found).problems == ["2 buckets are left after all platforms were taken down"]
