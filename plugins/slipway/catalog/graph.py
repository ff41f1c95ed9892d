"""The component graph: who needs whom, and in which order things are deployed and taken down."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from slipway.model.component import Component, StageName
from slipway.model.errors import ConfigurationError, Problem

_STAGES = list(StageName)


def check_graph(components: Mapping[str, Component]) -> dict[str, Component]:
    """Return the components in deploy order: by stage, then after their needs, then by name.

    :raises ConfigurationError: a need that does not exist, lies in a later stage, or closes a circle.
    """
    problems = [
        problem
        for component in components.values()
        for need in component.spec.needs
        if (problem := _judge_need(component, need, components))
    ]
    if problems:
        raise ConfigurationError(problems)
    sorter = TopologicalSorter({name: component.spec.needs for name, component in sorted(components.items())})
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ConfigurationError(
            [
                Problem(
                    _where(components[error.args[1][0]]),
                    "needs",
                    f"a circle: {circle}",
                    "needs without circles",
                    "remove one of these needs",
                )
            ]
        ) from None
    position = {name: index for index, name in enumerate(order)}
    ranked = sorted(components.values(), key=lambda one: (_STAGES.index(one.stage), position[one.name]))
    return {component.name: component for component in ranked}


def _judge_need(component: Component, need: str, components: Mapping[str, Component]) -> Problem | None:
    if need not in components:
        known = ", ".join(sorted(components))
        return Problem(_where(component), "needs", f"unknown component {need!r}", known, "correct or remove it")
    needed = components[need]
    if _STAGES.index(needed.stage) > _STAGES.index(component.stage):
        return Problem(
            _where(component),
            "needs",
            f"{need!r} of the later stage {needed.stage.value}",
            f"components of {component.stage.value} or earlier",
            f"move one of the two folders, or drop the need: {needed.stage.value} always comes after",
        )
    return None


def _where(component: Component) -> str:
    return f"include/manifests/{component.stage.value}/{component.name}/component.yaml"
