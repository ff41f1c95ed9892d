"""JSON patch (RFC 6902), JSON merge patch (RFC 7386) and strategic merge patch."""

from __future__ import annotations

from typing import Any

import jsonpatch

from rehearsal.kubernetes.apply.fieldset import item_element
from rehearsal.kubernetes.errors import ApiError, bad_request
from rehearsal.kubernetes.objects import Obj, clone
from rehearsal.kubernetes.schema import Node

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PREFIX = "$deleteFromPrimitiveList/"
_ORDER_PREFIX = "$setElementOrder/"


def json_patch(obj: Obj, operations: Any) -> Obj:
    """Apply RFC 6902 operations.

    :raises ApiError: 400 when they are malformed, 422 when one does not apply.
    """
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        result = jsonpatch.JsonPatch(operations).apply(clone(obj))
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(str(error)) from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        text = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", text) from error
    if not isinstance(result, dict):
        raise bad_request("the patch does not leave an object")
    return result


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, maps merge, all else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(node: Node, target: Obj, patch: Obj) -> Obj:
    """Strategic merge patch: as merge patch, but lists with a patch strategy merge by key."""
    mode = patch.get(_DIRECTIVE)
    if mode == "replace":
        return {key: clone(value) for key, value in patch.items() if key != _DIRECTIVE}
    if mode == "delete":
        return {}
    result = dict(target)
    if _RETAIN in patch:
        result = {key: value for key, value in result.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE_PREFIX):
            field = key.removeprefix(_DELETE_PREFIX)
            result[field] = [item for item in result.get(field) or [] if item not in value]
        elif value is None:
            result.pop(key, None)
        elif not key.startswith("$"):
            result[key] = _strategic_value(node.child(key), result.get(key), value)
    for key, value in patch.items():
        if key.startswith(_ORDER_PREFIX):
            field = key.removeprefix(_ORDER_PREFIX)
            child = node.child(field)
            if child is not None and isinstance(result.get(field), list):
                result[field] = _ordered(child, result[field], value)
    return result


def _strategic_value(node: Node | None, target: Any, patch: Any) -> Any:
    if node is None:
        return clone(patch)
    if isinstance(patch, dict):
        return strategic_merge(node, target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list) and node.kind == "list" and node.merges:
        return _strategic_list(node, target if isinstance(target, list) else [], patch)
    return clone(patch)


def _strategic_list(node: Node, target: list[Any], patch: list[Any]) -> list[Any]:
    if not node.merge_key:
        return target + [item for item in patch if item not in target]
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [clone(item) for item in patch if item.get(_DIRECTIVE) != "replace"]
    result = list(target)
    for item in patch:
        key = item.get(node.merge_key)
        if key is None:
            raise bad_request(f"map: {item} does not contain declared merge key: {node.merge_key}")
        at = next((i for i, old in enumerate(result) if old.get(node.merge_key) == key), None)
        if item.get(_DIRECTIVE) == "delete":
            result = [old for old in result if old.get(node.merge_key) != key]
        elif at is None:
            result.append(strategic_merge(node.element, {}, item))
        else:
            result[at] = strategic_merge(node.element, result[at], item)
    return result


def _ordered(node: Node, items: list[Any], order: list[Any]) -> list[Any]:
    """``items`` in the order asked for; those it does not name stay behind their neighbours."""

    def key(item: Any) -> str:
        value = item.get(node.merge_key) if node.merge_key and isinstance(item, dict) else item
        return item_element(_SET, value, 0)

    rank = {key(item): position for position, item in enumerate(order)}
    last = -1
    ranked = []
    for index, item in enumerate(items):
        last = rank.get(key(item), last)
        ranked.append((last, index, item))
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]


_SET = Node({"type": "array", "x-kubernetes-list-type": "set"}, None)
