"""A response conforms when its operation's output shape allows every member and every value in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import OperationModel, Shape

from rehearsal.aws.validation import problems


def violations(operation: OperationModel, result: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each member the shape lacks and each constraint of it that is broken."""
    shape = operation.output_shape
    if shape is None:
        return
    # A required list may be empty all the same: no anomalies are an answer.
    empty = tuple(f"Value null at '{name}' " for name in shape.required_members if result.get(name) in ({}, []))
    yield from (problem for problem in problems(shape, _without_empty(result)) if not problem.startswith(empty))
    yield from _unknown(shape, result, operation.name)


def _unknown(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name in value.keys() - shape.members.keys():
            yield f"{path}.{name} is no member of {shape.name}"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _unknown(member, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from _unknown(shape.member, item, f"{path}[]")
    elif shape.type_name == "map":
        for item in value.values():
            yield from _unknown(shape.value, item, f"{path}{{}}")


def _without_empty(value: Any) -> Any:
    """AWS returns empty lists and maps (no tags) where the shape, made for requests too, wants one item."""
    if isinstance(value, Mapping):
        return {key: _without_empty(item) for key, item in value.items() if item not in ({}, [])}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
