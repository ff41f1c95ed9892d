"""The support calendar, and insights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.aws.eks import versions
from tests.rehearsal.aws.conftest import Aws, Standing


@pytest.mark.parametrize(
    ("version", "day", "status"),
    [
        ("1.34", datetime(2026, 12, 1, tzinfo=UTC), "STANDARD_SUPPORT"),
        ("1.34", datetime(2026, 12, 2, tzinfo=UTC), "EXTENDED_SUPPORT"),
        ("1.31", datetime(2026, 11, 25, tzinfo=UTC), "EXTENDED_SUPPORT"),
        ("1.31", datetime(2026, 11, 26, tzinfo=UTC), "UNSUPPORTED"),
        ("1.36", datetime(2026, 6, 1, tzinfo=UTC), "UNSUPPORTED"),
        ("1.99", datetime(2026, 6, 1, tzinfo=UTC), "UNSUPPORTED"),
    ],
)
def test_status_follows_the_clock(version: str, day: datetime, status: str) -> None:
    assert versions.support(version, day) == status


def test_describe_cluster_versions(aws: Aws) -> None:
    eks = aws.client("eks")
    pages = eks.get_paginator("describe_cluster_versions").paginate(includeAll=True, PaginationConfig={"PageSize": 2})
    rows = {row["clusterVersion"]: row for page in pages for row in page["clusterVersions"]}
    assert next(iter(rows)) == "1.36"
    assert rows["1.34"]["endOfStandardSupportDate"].date().isoformat() == "2026-12-02"
    assert [name for name, row in rows.items() if row["defaultVersion"]] == ["1.36"]
    assert eks.describe_cluster_versions(defaultOnly=True)["clusterVersions"][0]["clusterVersion"] == "1.36"
    standard = eks.describe_cluster_versions(versionStatus="STANDARD_SUPPORT")["clusterVersions"]
    assert {row["status"] for row in standard} == {"standard-support"}
    named = eks.describe_cluster_versions(clusterVersions=["1.33", "1.35"])["clusterVersions"]
    assert [row["clusterVersion"] for row in named] == ["1.35", "1.33"]


def test_insights_pass_and_say_what_they_checked(standing: Standing) -> None:
    eks, aws = standing.eks, standing.aws
    found = eks.list_insights(clusterName="slipway-dev")["insights"]
    assert {insight["insightStatus"]["status"] for insight in found} == {"PASSING"}
    assert {insight["category"] for insight in found} == {"UPGRADE_READINESS"}
    assert eks.list_insights(clusterName="slipway-dev", filter={"statuses": ["ERROR"]})["insights"] == []
    one = eks.describe_insight(clusterName="slipway-dev", id=found[0]["id"])["insight"]
    assert one["categorySpecificSummary"] == {"deprecationDetails": []}
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.describe_insight(clusterName="slipway-dev", id="none")
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.describe_insights_refresh(clusterName="slipway-dev")
    assert eks.start_insights_refresh(clusterName="slipway-dev")["status"] == "IN_PROGRESS"
    aws.until(lambda: eks.describe_insights_refresh(clusterName="slipway-dev")["status"] == "COMPLETED")
    again: list[dict[str, Any]] = eks.list_insights(clusterName="slipway-dev")["insights"]
    assert [insight["id"] for insight in again] == [insight["id"] for insight in found]
