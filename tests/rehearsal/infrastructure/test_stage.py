"""The whole infrastructure stage of one platform: planned, made, planned again, run again."""

from __future__ import annotations

import pytest

from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage

pytestmark = pytest.mark.timeout(240)


def test_planned_made_and_left_alone(aws: Aws, environment: EnvironmentFile) -> None:
    stage = Stage(environment)
    before = aws.mutating_calls()
    planned = stage.whole(plan_only=True)
    assert {change["action"] for changes in planned.values() for change in changes} == {"create"}
    assert all(planned.values())
    assert aws.mutating_calls() == before

    made = stage.whole()
    assert set(made) == set(planned)
    assert all(made.values())
    cluster = aws.client("eks").describe_cluster(name=environment.platform.cluster_name)["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["accessConfig"]["authenticationMode"] == "API"

    before = aws.mutating_calls()
    again = stage.whole(plan_only=True)
    assert {task: changes for task, changes in again.items() if changes} == {}
    assert aws.mutating_calls() == before

    assert {task: changes for task, changes in stage.whole().items() if changes} == {}
