"""The teardown: the deploy's graph walked backwards, with a question before it and a proof after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule, chain
from airflow.sdk.bases.operator import BaseOperator

from slipway.build.graph import component_edges, infrastructure_edges, of_stage
from slipway.catalog.components import load_components
from slipway.model.component import Component, StageName
from slipway.model.environment import AddonPhase
from slipway.model.platform import Stack
from slipway.operators.approval import CONFIRMATION, ApproveOperator, ConfirmOperator
from slipway.operators.backup import BackupOperator
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.operators.teardown import SurveyOperator, SweepOperator, TakeLeaseOperator
from slipway.operators.teardown_aws import (
    RemoveAddonsOperator,
    RemoveAllNodeGroupsOperator,
    RemoveClusterOperator,
    RemoveStackOperator,
    RemoveStateOperator,
    RemoveStraysOperator,
)
from slipway.operators.teardown_cluster import (
    RemoveComponentOperator,
    RemoveLoadBalancersOperator,
    RemoveVolumesOperator,
)

# The confirmation is skipped where nothing asks for it, and what follows goes on.
COMMON: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_FAILED}
_STACKS = frozenset(stack.value for stack in Stack)


def build_teardown() -> None:
    """Add the whole teardown to the DAG of the surrounding context."""
    components = load_components()
    survey = SurveyOperator(task_id="survey")
    approve = ApproveOperator(
        task_id="approve",
        subject="Tear down slipway-{{ params.environment }}?",
        doc_md="Shows what goes, what is kept and what it saves a month. A rejection ends the run.",
    )
    confirm = ConfirmOperator(
        task_id="confirm",
        subject="slipway-{{ params.environment }} is protected: type its name to tear it down",
        doc_md="Only where the environment says `protected: true`.",
        params=CONFIRMATION,
        **COMMON,
    )
    acquire = TakeLeaseOperator(task_id="acquire_lease", **COMMON)
    begin = EmptyOperator(task_id="begin")
    balancers = RemoveLoadBalancersOperator(task_id="load_balancers", **COMMON)
    backup = BackupOperator(task_id="final_backup", only_if="final_backup")
    chain(survey, approve, confirm, acquire, begin, backup, balancers)

    before: Any = balancers
    for stage in reversed(StageName):
        mine = of_stage(components, stage)
        if stage is not StageName.INFRASTRUCTURE and mine:
            group = _components(stage, mine)
            chain(before, group)
            before = group
    infrastructure = _infrastructure(of_stage(components, StageName.INFRASTRUCTURE))
    chain(before, infrastructure)

    strays = RemoveStraysOperator(task_id="strays", **COMMON)
    state = RemoveStateOperator(task_id="state", **COMMON)
    # It judges by what it sees, whatever became of the tasks before it.
    proof = SweepOperator(task_id="sweep", trigger_rule=TriggerRule.ALL_DONE)
    chain(infrastructure, state, strays, proof)
    release = ReleaseLeaseOperator(task_id="release_lease")
    chain(proof, release.as_teardown(setups=acquire, on_failure_fail_dagrun=False))


def _components(stage: StageName, mine: Mapping[str, Component]) -> TaskGroup:
    """A stage's components, each before what it needs."""
    with TaskGroup(group_id=stage.group_id, tooltip="Whatever needs another goes before it") as group:
        _removals(mine)
    return group


def _removals(mine: Mapping[str, Component]) -> dict[str, BaseOperator]:
    removals: dict[str, BaseOperator] = {
        name: RemoveComponentOperator(
            task_id=one.group_id,
            component=one,
            doc_md=f"Deletes {one.spec.description}: workloads and services, then claims.",
            **COMMON,
        )
        for name, one in mine.items()
    }
    for need, name in component_edges(mine):
        removals[name] >> removals[need]
    return removals


def _infrastructure(mine: Mapping[str, Component]) -> TaskGroup:
    """The AWS side, each part before what it needs."""
    with TaskGroup(group_id=StageName.INFRASTRUCTURE.group_id, tooltip="Add-ons, nodes, cluster, stacks") as group:
        removals = _removals(mine)
        volumes = RemoveVolumesOperator(task_id="volumes", **COMMON)
        parts: dict[str, BaseOperator] = {
            "addons": RemoveAddonsOperator(task_id="addons", phase=AddonPhase.AFTER_NODES, **COMMON),
            "node_groups": RemoveAllNodeGroupsOperator(task_id="node_groups", **COMMON),
            "addons_before_nodes": RemoveAddonsOperator(
                task_id="addons_before_nodes", phase=AddonPhase.BEFORE_NODES, **COMMON
            ),
            "cluster": RemoveClusterOperator(task_id="cluster", **COMMON),
            **{
                stack.value: RemoveStackOperator(task_id=stack.value, stack=stack, **COMMON)
                for stack in Stack
                if stack is not Stack.STATE
            },
        }
        left_behind = RemoveStraysOperator(
            task_id="left_behind",
            doc_md="What the cluster's controllers and services left: volumes, load balancers, interfaces, groups.",
            **COMMON,
        )
        for removal in removals.values():
            removal >> volumes
        # The controllers that volumes need are add-ons; access entries go with the cluster.
        volumes >> parts["addons"]
        parts["cluster"] >> left_behind
        for need, part in infrastructure_edges():
            if part in parts:
                # The network is free once nothing that the cluster left is in it.
                (left_behind if part == "cluster" and need in _STACKS else parts[part]) >> parts[need]
        volumes >> parts["budget"]
    return group
