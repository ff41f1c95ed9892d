"""Reports are written once, found again in order, and never pass for newer than they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from slipway.hooks.reports import ReportsHook
from slipway.model.platform import Platform
from slipway.model.report import Missing, Report, latest_key, started_of

T0 = datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC)
MOMENTS = st.floats(1.6e9, 2.2e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


class Body(BaseModel):
    usd: float


def report(started: datetime = T0, run: str = "scheduled__2026-11-22T02:00:00+00:00", usd: float = 1.5) -> Report[Body]:
    return Report[Body](
        kind="cost",
        environment="dev",
        region="us-east-1",
        run_id=run,
        started=started,
        ended=started + timedelta(seconds=9),
        verdict="within",
        summary="1.50 USD",
        body=Body(usd=usd),
        missing=[Missing(part="forecast", reason="AccessDenied")],
    )


def test_keys_follow_the_documented_layout() -> None:
    assert report().key == ("reports/dev/us-east-1/cost/2026/11/22/020005-scheduled__2026-11-22T02-00-00-00-00.json")
    assert report().markdown_key.endswith(".md")


def test_schema_is_in_the_document_and_an_unknown_one_is_refused() -> None:
    document = report().model_dump(mode="json", by_alias=True)
    assert document["schema"] == "slipway.dev/report/v1"
    assert Report[Body].model_validate(document) == report()
    with pytest.raises(ValidationError):
        Report[Body].model_validate({**document, "schema": "slipway.dev/report/v2"})


@given(MOMENTS, st.text(max_size=200))
def test_the_key_tells_when_a_run_began_whatever_its_id(started: datetime, run: str) -> None:
    one = report(started, run)
    assert started_of(one.key) == started.replace(microsecond=0)
    assert one.key.count("/") == 7


@given(st.lists(MOMENTS, max_size=20))
def test_keys_sort_by_time(moments: list[datetime]) -> None:
    seconds = sorted(moment.replace(microsecond=0) for moment in moments)
    assert [started_of(key) for key in sorted(report(moment).key for moment in seconds)] == seconds


def test_written_reports_are_read_back(platform: Platform) -> None:
    hook = ReportsHook(platform)
    reference = hook.write(report(), "# Cost\n")
    assert reference.url == f"s3://{platform.bucket}/{report().key}"
    assert reference.missing == 1
    assert hook.latest("cost", Body) == report()
    page = hook.records.s3.get_object(Bucket=platform.bucket, Key=report().markdown_key)
    assert page["Body"].read() == b"# Cost\n"
    assert "text/markdown" in page["ContentType"]


def test_a_retry_replaces_its_own_report(platform: Platform) -> None:
    hook = ReportsHook(platform)
    hook.write(report(usd=1), "a")
    hook.write(report(usd=2), "b")
    assert hook.keys("cost", T0) == [report().key]
    latest = hook.latest("cost", Body)
    assert latest is not None
    assert latest.body.usd == 2


def test_an_older_run_does_not_become_the_latest(platform: Platform) -> None:
    hook = ReportsHook(platform)
    hook.write(report(usd=2), "")
    hook.write(report(T0 - timedelta(days=30), usd=1), "")
    latest = hook.latest("cost", Body)
    assert latest is not None
    assert latest.body.usd == 2
    assert len(hook.keys("cost", T0 - timedelta(days=40))) == 2


def test_history_is_in_order_bounded_and_skips_what_it_cannot_read(platform: Platform) -> None:
    hook = ReportsHook(platform)
    for day in range(6):
        hook.write(report(T0 + timedelta(days=day), usd=day), "")
    hook.records.put_json(report(T0 + timedelta(days=3)).key, {"schema": "slipway.dev/report/v9"})
    found = hook.history("cost", T0 + timedelta(days=1), T0 + timedelta(days=5), body=Body)
    assert [one.body.usd for one in found] == [1, 2, 4]
    assert [one.body.usd for one in hook.history("cost", T0, body=Body, limit=2)] == [4, 5]


def test_no_bucket_means_no_history(platform: Platform) -> None:
    hook = ReportsHook(platform)
    hook.records.bucket = "slipway-nowhere"
    assert hook.keys("cost", T0) == []
    assert hook.latest("cost", Body) is None


def test_a_foreign_report_is_refused(platform: Platform) -> None:
    foreign = report().model_copy(update={"environment": "prod"})
    with pytest.raises(ValueError, match="prod"):
        ReportsHook(platform).write(foreign, "")


def test_latest_key() -> None:
    assert latest_key("dev", "us-east-1", "cost") == "reports/dev/us-east-1/cost/latest.json"
