"""What needs what, once, for every DAG that builds a platform up or takes it down.

Deploy walks this graph along its needs, teardown against them. Neither has an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slipway.model.component import Component, StageName

# Parts of the infrastructure, by their task in the stage, each with the parts it needs.
INFRASTRUCTURE: Mapping[str, tuple[str, ...]] = {
    "encryption": (),
    "budget": (),
    "network": ("encryption",),
    "identity": ("encryption",),
    "audit": ("encryption",),
    "cluster": ("network", "identity", "audit"),
    "access": ("cluster",),
    "addons_before_nodes": ("cluster",),
    "node_groups": ("addons_before_nodes",),
    "addons": ("node_groups",),
}


def infrastructure_edges() -> Iterator[tuple[str, str]]:
    """Pairs of parts: the first must be there before the second can be."""
    return ((need, part) for part, needs in INFRASTRUCTURE.items() for need in needs)


def infrastructure_ends() -> list[str]:
    """Parts that no other part needs."""
    needed = {need for needs in INFRASTRUCTURE.values() for need in needs}
    return [part for part in INFRASTRUCTURE if part not in needed]


def component_edges(components: Mapping[str, Component]) -> Iterator[tuple[str, str]]:
    """Pairs of components: the first must be there before the second can be."""
    return ((need, name) for name, one in components.items() for need in one.spec.needs if need in components)


def of_stage(components: Mapping[str, Component], stage: StageName) -> dict[str, Component]:
    """Components of one stage, in deploy order."""
    return {name: one for name, one in components.items() if one.stage is stage}
