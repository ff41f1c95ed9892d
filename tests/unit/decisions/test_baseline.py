"""A benchmark's result against the last good ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.baseline import KEPT, compare, extended
from slipway.model.component import Better, Tolerance

LATENCY = {"p95_ms": Tolerance(better=Better.LOWER, percent=50, negligible=25)}
RATE = {"mb": Tolerance(better=Better.HIGHER, percent=40)}


def latencies(*values: float) -> list[dict[str, float]]:
    return [{"p95_ms": value} for value in values]


def test_the_first_result_is_no_regression() -> None:
    (found,) = compare({"p95_ms": 900}, [], LATENCY)
    assert found.baseline is None
    assert not found.regressed
    assert "first" in str(found)


def test_slower_than_the_tolerance_is_a_regression() -> None:
    (found,) = compare({"p95_ms": 160}, latencies(100, 100, 100), LATENCY)
    assert found.regressed
    assert str(found) == "p95_ms 160, baseline 100: 60 % worse"
    assert not compare({"p95_ms": 150}, latencies(100, 100, 100), LATENCY)[0].regressed


def test_less_throughput_is_worse_and_more_is_better() -> None:
    assert compare({"mb": 5}, [{"mb": 10.0}], RATE)[0].regressed
    assert not compare({"mb": 7}, [{"mb": 10.0}], RATE)[0].regressed
    assert "better" in str(compare({"mb": 30}, [{"mb": 10.0}], RATE)[0])


def test_what_nobody_feels_is_no_regression() -> None:
    assert not compare({"p95_ms": 20}, latencies(2, 2, 2), LATENCY)[0].regressed
    assert compare({"p95_ms": 26}, latencies(2, 2, 2), LATENCY)[0].regressed


def test_one_lucky_run_does_not_make_usual_ones_regressions() -> None:
    assert not compare({"p95_ms": 110}, latencies(100, 30, 105), LATENCY)[0].regressed


def test_only_the_last_results_count() -> None:
    history = latencies(*[1000] * 20, *[100] * KEPT)
    assert compare({"p95_ms": 200}, history, LATENCY)[0].baseline == 100
    assert len(extended(history, {"p95_ms": 1.0})) == KEPT


def test_a_missing_number_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match="p95_ms"):
        compare({"p50_ms": 1}, [], LATENCY)


def test_numbers_that_earlier_results_lack_begin_anew() -> None:
    assert compare({"p95_ms": 100}, [{"p50_ms": 1.0}], LATENCY)[0].baseline is None


@given(st.floats(1, 1e6), st.lists(st.floats(1, 1e6), min_size=1, max_size=9))
def test_as_good_as_the_baseline_never_regresses(value: float, history: list[float]) -> None:
    (found,) = compare({"p95_ms": value}, latencies(*history), LATENCY)
    assert found.baseline is not None
    if value <= found.baseline:
        assert not found.regressed
