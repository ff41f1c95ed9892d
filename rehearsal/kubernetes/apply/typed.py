"""Merging, comparing and pruning objects by schema: the algorithms of structured-merge-diff.

Reference: sigs.k8s.io/structured-merge-diff, and the Kubernetes documentation on server-side apply
(merge strategy, field ownership, conflicts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehearsal.kubernetes.apply.fieldset import FieldSet, children, insert, is_member, item_element
from rehearsal.kubernetes.objects import clone
from rehearsal.kubernetes.schema import Node


def _is_map(node: Node, value: Any) -> bool:
    return isinstance(value, dict) and not node.atomic


def _is_associative(node: Node, value: Any) -> bool:
    return isinstance(value, list) and node.list_type in ("map", "set")


def _child(node: Node, key: str) -> Node:
    found = node.child(key)
    if found is None:
        raise KeyError(key)
    return found


def to_set(node: Node, value: Any) -> FieldSet | None:
    """The fields an applied value speaks of; None when it is a leaf."""
    result: FieldSet = {}
    if _is_map(node, value):
        for key, item in value.items():
            below = to_set(_child(node, key), item)
            element = f"f:{key}"
            if below is not None:
                insert(result, element, below)
            if not below or node.kind == "map":
                _own_leaf(result, element, item, below)
        return result
    if _is_associative(node, value):
        for index, item in enumerate(value):
            element = item_element(node, item, index)
            insert(result, element, None)
            if below := to_set(node.element, item):
                insert(result, element, below)
        return result
    return None


def _own_leaf(result: FieldSet, element: str, item: Any, below: FieldSet | None) -> None:
    """Leaves, map entries and empty maps are members; an empty associative list is not."""
    if below or not isinstance(item, list) or below is None:
        insert(result, element, None)


def merge(node: Node, live: Any, applied: Any) -> Any:
    """``live`` with everything ``applied`` says laid over it."""
    if _is_map(node, applied) and isinstance(live, dict):
        result = dict(live)
        for key, item in applied.items():
            result[key] = merge(_child(node, key), live[key], item) if key in live else clone(item)
        return result
    if _is_associative(node, applied) and isinstance(live, list):
        return _merge_lists(node, live, applied)
    return clone(applied)


def _merge_lists(node: Node, live: list[Any], applied: list[Any]) -> list[Any]:
    """Order of the applied list; live items it does not name keep their place between neighbours."""
    live_keys = [item_element(node, item, i) for i, item in enumerate(live)]
    by_key = dict(zip(live_keys, live, strict=True))
    applied_keys = [item_element(node, item, i) for i, item in enumerate(applied)]
    named = set(applied_keys)
    result: list[Any] = []
    position = 0
    for key, item in zip(applied_keys, applied, strict=True):
        while position < len(live) and live_keys[position] not in named:
            result.append(live[position])
            position += 1
        if position < len(live) and live_keys[position] == key:
            position += 1
        result.append(merge(node.element, by_key[key], item) if key in by_key else clone(item))
    result.extend(live[i] for i in range(position, len(live)) if live_keys[i] not in named)
    return result


@dataclass
class Comparison:
    """Fields that differ between two values."""

    added: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)

    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.modified or self.removed)


def compare(node: Node, old: Any, new: Any) -> Comparison:
    """What changed from ``old`` to ``new``, both maps."""
    result = Comparison()
    _compare_maps(node, old, new, result)
    return result


def _compare_maps(node: Node, old: dict[str, Any], new: dict[str, Any], out: Comparison) -> None:
    for key, item in new.items():
        child = _child(node, key)
        if key not in old:
            _whole(child, item, f"f:{key}", out.added)
        elif old[key] is not item and old[key] != item:
            _compare_values(child, old[key], item, f"f:{key}", out)
    for key, item in old.items():
        if key not in new:
            _whole(_child(node, key), item, f"f:{key}", out.removed)


def _compare_values(node: Node, old: Any, new: Any, element: str, out: Comparison) -> None:
    below = Comparison()
    if _is_map(node, new) and isinstance(old, dict):
        _compare_maps(node, old, new, below)
    elif _is_associative(node, new) and isinstance(old, list):
        _compare_lists(node, old, new, below)
    else:
        insert(out.modified, element, None)
        return
    insert(out.added, element, below.added)
    insert(out.modified, element, below.modified)
    insert(out.removed, element, below.removed)


def _compare_lists(node: Node, old: list[Any], new: list[Any], out: Comparison) -> None:
    before = {item_element(node, item, i): item for i, item in enumerate(old)}
    after = {item_element(node, item, i): item for i, item in enumerate(new)}
    for element, item in after.items():
        if element not in before:
            _whole(node.element, item, element, out.added)
        elif before[element] != item:
            _compare_values(node.element, before[element], item, element, out)
    for element, item in before.items():
        if element not in after:
            _whole(node.element, item, element, out.removed)


def _whole(node: Node, value: Any, element: str, out: FieldSet) -> None:
    """A value that came or went entirely: all its fields, and itself unless it is a plain struct."""
    below = to_set(node, value)
    if below is None or not below or node.kind == "map" or not element.startswith("f:"):
        insert(out, element, None)
    if below:
        insert(out, element, below)


def prune(node: Node, value: Any, last: FieldSet, owned: FieldSet) -> Any:
    """``value`` without the fields of ``last`` (what a manager applied before) that nobody owns now.

    A struct field all of whose applied parts went is taken away whole, so that defaults made for it
    go too and are made afresh.
    """
    if isinstance(value, dict) and not node.atomic:
        return _prune_map(node, value, last, owned)
    if _is_associative(node, value):
        result = []
        for index, item in enumerate(value):
            element = item_element(node, item, index)
            kept, item = _pruned_entry(node.element, item, last.get(element), owned.get(element), named=False)
            if kept:
                result.append(item)
        return result
    return value


def _prune_map(node: Node, value: dict[str, Any], last: FieldSet, owned: FieldSet) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        child, element = node.child(key), f"f:{key}"
        if child is None or element not in last:
            result[key] = item
            continue
        named = node.kind == "struct"
        kept, pruned = _pruned_entry(child, item, last[element], owned.get(element), named)
        if kept and (pruned or not item or not isinstance(item, (dict, list)) or element in owned):
            result[key] = pruned
    return result


def _pruned_entry(
    node: Node, item: Any, last: FieldSet | None, owned: FieldSet | None, named: bool
) -> tuple[bool, Any]:
    """Whether an entry stays, and what is left of it."""
    if last is None:
        return True, item
    if owned is None and (named or is_member(last)):
        return False, None
    below = children(last)
    if not below:
        return True, item
    return True, prune(node, item, below, children(owned) if owned else {})
