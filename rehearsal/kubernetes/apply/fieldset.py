"""Sets of field paths, kept in the very form they have on the wire (``fieldsV1``).

A set is a dict from path element (``f:name``, ``k:{…}``, ``v:…``) to the set below it. An element is
itself a member when its value is empty or holds ``"."``. The empty dict at the root is the empty set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rehearsal.kubernetes.schema import Node

FieldSet = dict[str, Any]
MEMBER = "."


def is_member(node: FieldSet) -> bool:
    """Whether the element whose value this is belongs to the set itself."""
    return not node or MEMBER in node


def children(node: FieldSet) -> FieldSet:
    """The set below an element."""
    return {key: value for key, value in node.items() if key != MEMBER} if MEMBER in node else node


def _pack(member: bool, below: FieldSet) -> FieldSet | None:
    if not below:
        return {} if member else None
    return {MEMBER: {}, **below} if member else below


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of either set."""
    result = dict(left)
    for key, value in right.items():
        if key not in result:
            result[key] = value
            continue
        mine = result[key]
        packed = _pack(is_member(mine) or is_member(value), union(children(mine), children(value)))
        result[key] = packed if packed is not None else {}
    return result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of the first set that are not in the second."""
    result = {}
    for key, value in left.items():
        if key not in right:
            result[key] = value
            continue
        other = right[key]
        member = is_member(value) and not is_member(other)
        packed = _pack(member, difference(children(value), children(other)))
        if packed is not None:
            result[key] = packed
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of both sets."""
    result = {}
    for key, value in left.items():
        other = right.get(key)
        if other is None:
            continue
        member = is_member(value) and is_member(other)
        packed = _pack(member, intersection(children(value), children(other)))
        if packed is not None:
            result[key] = packed
    return result


def insert(target: FieldSet, key: str, below: FieldSet | None) -> None:
    """Make ``key`` a member (``below`` None) or put a nonempty set below it, in place."""
    if below is None:
        existing = target.get(key)
        if existing is None:
            target[key] = {}
        elif existing and MEMBER not in existing:
            target[key] = {MEMBER: {}, **existing}
    elif below:
        existing = target.get(key)
        if existing is None:
            target[key] = below
        else:
            packed = _pack(is_member(existing), union(children(existing), below))
            target[key] = packed if packed is not None else {}


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Members as readable paths such as ``.spec.containers[name="web"].image``."""
    for key, value in fields.items():
        if key == MEMBER:
            continue
        here = prefix + _readable(key)
        if is_member(value):
            yield here
        yield from paths(children(value), here)


def _readable(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = json.loads(rest)
        return "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(keys.items())) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def item_element(node: Node, item: Any, index: int) -> str:
    """The path element of a list item: by key, by value, or by position where it has no key."""
    if node.list_type == "map" and isinstance(item, dict):
        keys = {key: item.get(key, node.key_defaults.get(key)) for key in node.map_keys}
        keys = {key: value for key, value in keys.items() if value is not None}
        if keys:
            return "k:" + json.dumps(keys, separators=(",", ":"), sort_keys=True)
    elif node.list_type == "set":
        return "v:" + json.dumps(item, separators=(",", ":"))
    return f"i:{index}"
