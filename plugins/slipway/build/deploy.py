"""The deploy: preflight, the lease around everything, five stages, each closed by its gate, and a way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule, chain
from airflow.sdk.bases.operator import BaseOperator

from slipway.build.component import ComponentGroup, component_group
from slipway.build.graph import component_edges, of_stage
from slipway.build.infrastructure import build as build_infrastructure
from slipway.catalog.components import load_components
from slipway.model.component import Component, StageName
from slipway.operators.gate import GateOperator
from slipway.operators.gate_rollback import RollBackStageOperator
from slipway.operators.lease import AcquireLeaseOperator, ReleaseLeaseOperator
from slipway.operators.preflight import PreflightOperator

_TOOLTIPS = {
    StageName.BASE_SERVICES: "Namespaces, storage, monitoring",
    StageName.DATA_LAYER: "Streaming and databases",
    StageName.APPLICATIONS: "Business applications",
    StageName.VALIDATION: "End-to-end tests and the performance benchmark",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's tasks that others are wired to."""

    roots: list[BaseOperator]
    gate: GateOperator


def build_deploy() -> None:
    """Add the whole deploy to the DAG of the surrounding context."""
    components = load_components()
    preflight = PreflightOperator(task_id="preflight", retries=0)
    acquire = AcquireLeaseOperator(task_id="acquire_lease")
    stages = [_stage(stage, components) for stage in StageName]
    release = ReleaseLeaseOperator(task_id="release_lease")

    # A setup may only be followed by tasks that need its success, and stages also go on after a skipped one.
    begin = EmptyOperator(task_id="begin")
    chain(preflight, acquire, begin)
    before: BaseOperator = begin
    for stage in stages:
        chain(before, stage.roots)
        before = stage.gate
    # Beside the last gate and not behind it, where its own success would hide that the gate failed.
    back = RollBackStageOperator(task_id="roll_back", trigger_rule=TriggerRule.ONE_FAILED)
    chain([*(stage.gate for stage in stages[:-1]), *stages[-1].gate.upstream_list], back)
    # Also after a failure: whoever comes next need not wait for the lease to expire. It must not decide the run's
    # state: a teardown that may fail the run becomes the run's only leaf, and its success would hide a failed gate.
    chain([before, back], release.as_teardown(setups=acquire, on_failure_fail_dagrun=False))


def _stage(stage: StageName, components: Mapping[str, Component]) -> Stage:
    mine = of_stage(components, stage)
    if stage is StageName.INFRASTRUCTURE:
        foundation = build_infrastructure()
        group, roots, base = foundation.group, list(foundation.first), list(foundation.last)
    else:
        group, roots, base = TaskGroup(group_id=stage.group_id, tooltip=_TOOLTIPS[stage]), [], []
    with group:
        groups = {name: component_group(component, stage=stage) for name, component in mine.items()}
        roots += _wire(groups, mine, base)
        gate = GateOperator(task_id="gate", stage=stage, components=list(mine.values()))
        ends = [*base, *(end for one in groups.values() for end in one.checks or [one.deploy])]
        chain(ends, gate)
    # Without components the gate alone is the stage, and waits its turn like any other.
    return Stage(roots or [gate], gate)


def _wire(
    groups: Mapping[str, ComponentGroup], components: Mapping[str, Component], base: list[BaseOperator]
) -> Iterable[BaseOperator]:
    """Deploy after what is needed; return the deploys that need nothing of their own stage."""
    roots = []
    edges = list(component_edges(components))
    for name, group in groups.items():
        needs = [groups[need].deploy for need, needing in edges if needing == name]
        if needs:
            chain(needs, group.deploy)
        elif base:
            chain(base, group.deploy)
        else:
            roots.append(group.deploy)
    return roots
