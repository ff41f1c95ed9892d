"""Check a value against a botocore shape: types, required members, enums, lengths, ranges and patterns.

botocore's own ``ParamValidator`` checks types, required members and minima only, and on the client; AWS
checks the rest on the server, and so do we. The same function checks our own responses in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime, int, float, str),
    "blob": (bytes, str),
    "structure": (Mapping,),
    "map": (Mapping,),
    "list": (list, tuple),
}


def problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield one sentence for each constraint of ``shape`` that ``value`` breaks.

    :param shape: a botocore (or moto) ``Shape``.
    :param path: where the value stands in the request, for the sentence.
    """
    if shape.type_name in _PYTHON_TYPES and not _has_type(shape.type_name, value):
        yield f"Value at '{path}' has type {type(value).__name__}; allowed is {shape.type_name}"
        return
    yield from _scalar_problems(shape, value, path)
    if shape.type_name == "structure":
        yield from _structure_problems(shape, value, path)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from problems(shape.key, key, f"{path}.{key}")
            yield from problems(shape.value, item, f"{path}.{key}")


def _has_type(type_name: str, value: Any) -> bool:
    if isinstance(value, bool) and type_name != "boolean":
        return False
    return isinstance(value, _PYTHON_TYPES[type_name])


def _structure_problems(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    dot = "." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{path}{dot}{name}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from problems(member, value[name], f"{path}{dot}{name}")


def _scalar_problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    shown = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must"
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        yield f"{shown} satisfy enum value set: [{', '.join(enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str) and not _compiled(pattern).fullmatch(value):
        yield f"{shown} satisfy regular expression pattern: {pattern}"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("string", "list", "map", "blob"):
        if low is not None and len(value) < low:
            yield f"{shown} have length greater than or equal to {low}"
        if high is not None and len(value) > high:
            yield f"{shown} have length less than or equal to {high}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        if low is not None and value < low:
            yield f"{shown} have value greater than or equal to {low}"
        if high is not None and value > high:
            yield f"{shown} have value less than or equal to {high}"


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
