"""Judges what all components render, taken together: objects with two owners, secrets in Git, unmet needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.model.component import Component
from slipway.model.environment import Environment
from slipway.model.errors import Problem

Rendered = Sequence[tuple[Component, Sequence[Mapping[str, Any]]]]


def judge_objects(rendered: Rendered) -> list[Problem]:
    """Problems of the objects of all components."""
    return [*_two_owners(rendered), *_secrets_in_git(rendered)]


def judge_disabled(environment: Environment, components: Mapping[str, Component]) -> list[Problem]:
    """Problems of what the environment leaves out: an unknown name, or one that an enabled component needs."""
    where = f"include/environments/{environment.name}.yaml"
    disabled = environment.components.disabled
    field = "components.disabled"
    known = ", ".join(sorted(components))
    problems = [
        Problem(where, field, f"unknown component {name!r}", known, "correct or remove it")
        for name in disabled
        if name not in components
    ]
    for name in disabled:
        needing = sorted(one.name for one in components.values() if name in one.spec.needs and one.name not in disabled)
        if needing:
            problems.append(
                Problem(
                    where,
                    field,
                    f"{name!r}, which {' and '.join(needing)} {'needs' if len(needing) == 1 else 'need'}",
                    "components that no enabled component needs",
                    f"enable {name}, or disable {', '.join(needing)} as well",
                )
            )
    return problems


def _two_owners(rendered: Rendered) -> Iterable[Problem]:
    """Two components that apply one object would overwrite each other, and either's removal deletes it."""
    owners: dict[tuple[str, str, str, str], list[tuple[Component, ObjectRef]]] = defaultdict(list)
    for component, manifests in rendered:
        for ref in (ObjectRef.of(manifest) for manifest in manifests):
            owners[ref.identity].append((component, ref))
    for found in owners.values():
        if len(found) > 1:
            (first, ref), *others = found
            names = " and ".join(dict.fromkeys(_folder(other) for other, _ in others))
            yield Problem(
                _folder(first),
                str(ref),
                f"the same object in {names}",
                "one component for each object",
                "keep it in one of them, and let the other one need that component",
            )


def _secrets_in_git(rendered: Rendered) -> Iterable[Problem]:
    for component, manifests in rendered:
        for manifest in manifests:
            if manifest.get("kind") == "Secret" and (manifest.get("data") or manifest.get("stringData")):
                # Its keys only: whatever the values are, they are not for a log.
                keys = sorted({**(manifest.get("data") or {}), **(manifest.get("stringData") or {})})
                yield Problem(
                    _folder(component),
                    str(ObjectRef.of(manifest)),
                    f"a Secret with values for {', '.join(keys)}",
                    "no values of secrets in Git",
                    "declare it under secrets in component.yaml, which generates the values, and take this one out",
                )


def _folder(component: Component) -> str:
    return f"include/manifests/{component.stage.value}/{component.name}"
