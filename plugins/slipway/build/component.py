"""One component as a task group: deploy it, then prove it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, TaskGroup

from slipway.model.component import Check, Component, StageName
from slipway.operators.check import CheckOperator
from slipway.operators.component import DeployComponentOperator

# Tasks of stages that were not chosen, and of disabled components, skip themselves; what follows them decides alike.
TRIGGER_RULE = "none_failed"


class ComponentGroup(TaskGroup):
    """The tasks of one component.

    :ivar deploy: what others of a run wait for when they need the component.
    :ivar checks: what the stage's gate waits for as well.
    """

    deploy: BaseOperator
    checks: list[BaseOperator]


def component_group(component: Component, *, stage: StageName, **kwargs: Any) -> ComponentGroup:
    """Make the task group of a component: ``deploy``, then one ``check_<name>`` per check.

    Wire needs between the groups' ``deploy`` tasks: a dependant need not wait for the checks of what it needs.

    :param kwargs: passed on to the group.
    :raises ValueError: the component belongs to another stage.
    """
    if component.stage is not stage:
        raise ValueError(f"{component.name} belongs to stage {component.stage.value}, not to {stage.value}")
    group = ComponentGroup(group_id=component.group_id, tooltip=component.spec.description, **kwargs)
    with group:
        group.deploy = DeployComponentOperator(
            task_id="deploy",
            component=component,
            trigger_rule=TRIGGER_RULE,
            doc_md=_deploy_doc(component),
        )
        group.checks = [
            CheckOperator(
                task_id=f"check_{check.name.replace('-', '_')}",
                component=component,
                check=check,
                trigger_rule=TRIGGER_RULE,
                doc_md=_check_doc(component, check),
            )
            for check in component.spec.checks
        ]
        if group.checks:
            group.deploy >> group.checks
    return group


def _deploy_doc(component: Component) -> str:
    spec = component.spec
    needs = ", ".join(f"`{name}`" for name in spec.needs) or "nothing"
    stateful = " It holds data that going back to an earlier release cannot undo." if spec.stateful else ""
    return (
        f"**{spec.description}**\n\n"
        f"Applies `include/manifests/{component.stage.value}/{component.name}` to namespace `{spec.namespace}` and "
        f"waits up to {spec.timeout} until it is ready. Needs {needs}.{stateful}\n\n"
        "Safe to clear: what is as it should be is left alone."
    )


def _check_doc(component: Component, check: Check) -> str:
    how = f"`{check.script}`" if check.script else f"`{' '.join(check.command or [])}`"
    return (
        f"**Proves:** {check.proves}.\n\nRuns {how} as a pod in namespace `{component.spec.namespace}`, for at most "
        f"{check.timeout}. Skipped when it cannot run there; its log says why."
    )
