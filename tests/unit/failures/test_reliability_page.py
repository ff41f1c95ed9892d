"""The page of docs is what the runs left, and says so of every class."""

from __future__ import annotations

from slipway.model.errors import RULES

from tests.rehearsal.faults import report
from tests.rehearsal.faults.scoring import Part, Result


def result(**changes: object) -> Result:
    values: dict[str, object] = {
        "what": "x", "state": "", "orphans": [], "duplicates": [], "attempts": (2, 3), "seconds": (1.0, 60.0),
        "error_class": ("", ""), **changes,
    }  # fmt: skip
    return Result(1, "Throttled", "finishes", "microburst", [Part(**values)])  # type: ignore[arg-type]


def test_a_case_holds_only_with_all_six_marks() -> None:
    assert result().holds
    for changes in (
        {"state": "the cluster is absent"},
        {"orphans": ["vpc-1"]},
        {"duplicates": ["2 x VPC"]},
        {"attempts": (4, 3)},
        {"seconds": (61.0, 60.0)},
        {"error_class": ("denied", "quota")},
    ):
        assert not result(**changes).holds, changes
    assert not Result(1, "t", "m", "i", []).holds
    assert not Result(1, "t", "m", "i", result().parts, error="KeyError").holds


def test_a_result_survives_its_file() -> None:
    assert Result.load(result().dump()) == result()


def test_the_page_is_what_the_last_runs_left() -> None:
    text = report.PAGE.read_text()
    assert report.page(text, report.load()) == text, "run python -m tests.rehearsal.faults --render"
    assert all(f"`{kind.value}`" in text for kind in RULES)


def test_what_did_not_run_is_named() -> None:
    kept = [{**result().dump(), "at": "2026-01-01"}]
    assert "**1 of 25** hold" in report.cases(kept)
    assert "Not run: 2, 3," in report.cases(kept)
