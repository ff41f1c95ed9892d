"""The whole infrastructure stage of one platform, task by task."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.model.component import StageName
from slipway.model.environment import AddonPhase
from slipway.model.platform import Stack
from slipway.operators.access import AccessOperator
from slipway.operators.addon import AddonsOperator
from slipway.operators.cluster import ClusterOperator
from slipway.operators.lease import AcquireLeaseOperator, ReleaseLeaseOperator
from slipway.operators.nodegroup import ListNodeGroupsOperator, NodeGroupOperator
from slipway.operators.stack import StackOperator

from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile
from tests.support.deferral import context, run

pytestmark = pytest.mark.timeout(240)


def whole_stage(environment: EnvironmentFile, **params: Any) -> dict[str, list[dict[str, Any]]]:
    """Run every task in order; their reports by task."""
    found: dict[str, Any] = {}

    def task(operator: Any, name: str = "") -> None:
        found[name or operator.task_id] = run(operator, context(environment=environment.name, **params)).value

    task(AcquireLeaseOperator(task_id="acquire"))
    for stack in (Stack.ENCRYPTION, Stack.NETWORK, Stack.IDENTITY, Stack.AUDIT, Stack.BUDGET):
        task(StackOperator(task_id=stack.value, stack=stack))
    task(ClusterOperator(task_id="cluster"))
    task(AccessOperator(task_id="access"))
    task(AddonsOperator(task_id="addons_before_nodes", phase=AddonPhase.BEFORE_NODES))
    task(ListNodeGroupsOperator(task_id="list", stage=StageName.INFRASTRUCTURE))
    for group in found.pop("list"):
        task(NodeGroupOperator(task_id="node_group", group=group), f"node_group {group['name']}")
    task(AddonsOperator(task_id="addons", phase=AddonPhase.AFTER_NODES))
    task(ReleaseLeaseOperator(task_id="release"))
    found.pop("release")
    return found


def test_life_of_the_stage(aws: Aws, environment: EnvironmentFile) -> None:
    before = aws.mutating_calls()
    planned = whole_stage(environment, plan_only=True)
    assert aws.mutating_calls() == before
    assert {change["action"] for changes in planned.values() for change in changes} == {"create"}

    made = whole_stage(environment)
    assert {change["action"] for changes in made.values() for change in changes} <= {"create", "change"}
    cluster = aws.client("eks").describe_cluster(name=environment.platform.cluster_name)["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["accessConfig"]["authenticationMode"] == "API"

    before = aws.mutating_calls()
    again = whole_stage(environment, plan_only=True)
    assert {name: changes for name, changes in again.items() if changes} == {}
    assert aws.mutating_calls() == before

    assert {name: changes for name, changes in whole_stage(environment).items() if changes} == {}
