"""The first stage: everything the platform has in AWS.

Order follows need: keys before what they encrypt, the network and the roles before the cluster, the control plane's
log group before the control plane writes to it, networking add-ons before the first node, the others after it.
Tasks find what they need in AWS itself, not in each other's results, so any of them can be cleared on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.sdk import TaskGroup, TriggerRule

from slipway.build.graph import INFRASTRUCTURE, infrastructure_edges, infrastructure_ends
from slipway.model.component import StageName
from slipway.model.environment import AddonPhase
from slipway.model.platform import Stack
from slipway.operators.access import AccessOperator
from slipway.operators.addon import AddonsOperator
from slipway.operators.cluster import ClusterOperator
from slipway.operators.nodegroup import ListNodeGroupsOperator, NodeGroupOperator
from slipway.operators.nodegroup_removal import RemoveNodeGroupsOperator
from slipway.operators.stack import StackOperator

STAGE = StageName.INFRASTRUCTURE
# A stage that was not chosen skips itself, and what follows it goes on.
COMMON: dict[str, Any] = {"stage": STAGE, "trigger_rule": TriggerRule.NONE_FAILED}


@dataclass(frozen=True, slots=True)
class InfrastructureStage:
    """The stage's group and its ends.

    :param group: the task group.
    :param first: tasks that wait for nothing in the stage.
    :param last: tasks that nothing in the stage waits for.
    """

    group: TaskGroup
    first: list[Any]
    last: list[Any]


def infrastructure_stage() -> TaskGroup:
    """Build the task group ``infrastructure`` in the DAG being defined."""
    return build().group


def build() -> InfrastructureStage:
    """Build the task group, and say which tasks are at its ends."""
    with TaskGroup(STAGE.group_id, tooltip="VPC, IAM, keys, EKS cluster, node groups, add-ons, access") as group:
        parts: dict[str, Any] = {
            stack.value: StackOperator(task_id=stack.value, stack=stack, **COMMON)
            for stack in (Stack.ENCRYPTION, Stack.NETWORK, Stack.IDENTITY, Stack.AUDIT, Stack.BUDGET)
        }
        parts["cluster"] = ClusterOperator(task_id="cluster", **COMMON)
        parts["access"] = AccessOperator(task_id="access", **COMMON)
        parts["addons_before_nodes"] = AddonsOperator(
            task_id="addons_before_nodes", phase=AddonPhase.BEFORE_NODES, **COMMON
        )
        parts["node_groups"] = _node_groups()
        parts["addons"] = AddonsOperator(task_id="addons", phase=AddonPhase.AFTER_NODES, **COMMON)
        for need, part in infrastructure_edges():
            parts[need] >> parts[part]
    return InfrastructureStage(
        group=group,
        first=[parts[name] for name, needs in INFRASTRUCTURE.items() if not needs],
        last=[parts[name] for name in infrastructure_ends()],
    )


def _node_groups() -> TaskGroup:
    """One mapped task per node group; zonal groups are one per zone."""
    with TaskGroup("node_groups", tooltip="Managed node groups with their launch templates") as group:
        listed = ListNodeGroupsOperator(task_id="list", **COMMON)
        mapped = NodeGroupOperator.partial(
            task_id="node_group", map_index_template="{{ task.group['name'] }}", **COMMON
        ).expand(group=listed.output)
        mapped >> RemoveNodeGroupsOperator(task_id="remove_left_out", **COMMON)
    return group
