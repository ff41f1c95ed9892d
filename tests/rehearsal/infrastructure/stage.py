"""The tasks of the infrastructure stage, run one after the other without a scheduler."""

from __future__ import annotations

from typing import Any

from slipway.model.component import StageName
from slipway.model.environment import AddonPhase
from slipway.model.platform import Stack
from slipway.operators.access import AccessOperator
from slipway.operators.addon import AddonsOperator
from slipway.operators.cluster import ClusterOperator
from slipway.operators.lease import AcquireLeaseOperator, ReleaseLeaseOperator
from slipway.operators.nodegroup import ListNodeGroupsOperator, NodeGroupOperator
from slipway.operators.nodegroup_removal import RemoveNodeGroupsOperator
from slipway.operators.stack import StackOperator

from tests.rehearsal.infrastructure.conftest import EnvironmentFile
from tests.support.deferral import Outcome, context, run


def acquire() -> AcquireLeaseOperator:
    return AcquireLeaseOperator(task_id="acquire")


def stack(name: Stack) -> StackOperator:
    return StackOperator(task_id=name.value, stack=name)


def cluster() -> ClusterOperator:
    return ClusterOperator(task_id="cluster")


def access() -> AccessOperator:
    return AccessOperator(task_id="access")


def addons(phase: AddonPhase = AddonPhase.AFTER_NODES) -> AddonsOperator:
    return AddonsOperator(task_id=f"addons_{phase.name.lower()}", phase=phase)


def node_group(group: dict[str, Any]) -> NodeGroupOperator:
    return NodeGroupOperator(task_id="node_group", group=group)


def remove_left_out() -> RemoveNodeGroupsOperator:
    return RemoveNodeGroupsOperator(task_id="remove_left_out")


class Stage:
    """The stage of one environment."""

    def __init__(self, environment: EnvironmentFile) -> None:
        self.environment = environment

    def run(self, operator: Any, *, stop_at: str | None = None, **params: Any) -> Outcome:
        """Run one task to its end."""
        return run(operator, context(environment=self.environment.name, **params), stop_at=stop_at)

    def groups(self) -> list[dict[str, Any]]:
        """What node groups are mapped over."""
        listed = self.run(ListNodeGroupsOperator(task_id="list", stage=StageName.INFRASTRUCTURE)).value
        assert listed
        return list(listed)

    def until_cluster(self, **params: Any) -> dict[str, Any]:
        """Run everything the cluster is made of; reports by task."""
        tasks = [acquire(), *(stack(name) for name in Stack if name is not Stack.STATE)]
        return {task.task_id: self.run(task, **params).value for task in tasks}

    def whole(self, **params: Any) -> dict[str, Any]:
        """Run every task in order; reports by task."""
        found = self.until_cluster(**params)
        for task in (cluster(), access(), addons(AddonPhase.BEFORE_NODES)):
            found[task.task_id] = self.run(task, **params).value
        for group in self.groups():
            found[f"node_group {group['name']}"] = self.run(node_group(group), **params).value
        assert self.run(remove_left_out(), **params).value == []
        found["addons_after_nodes"] = self.run(addons(), **params).value
        self.run(ReleaseLeaseOperator(task_id="release"), **params)
        return found
