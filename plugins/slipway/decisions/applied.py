"""Whether applying a manifest again would change nothing, told from the live object alone. Pure.

The API server records which fields each manager applied (``metadata.managedFields``, in the form of
sigs.k8s.io/structured-merge-diff: ``f:`` a field, ``k:`` an item of a list by its key, ``v:`` an item of a set, ``.``
the item itself). When our manager's last apply holds just the fields of the manifest, and each of them still has the
manifest's value, a further apply has nothing to set, nothing to take off and no conflict: it need not be sent.

Everything doubtful counts as a change, and then the API server decides as before: values that it writes otherwise
(``0.5`` for ``500m``), atomic lists that it fills with defaults, fields that were ceded to a controller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from slipway.decisions.kinds import Manifest

_NOT_RECORDED = ("name", "namespace")
_ITSELF = "."


def is_applied(manifest: Manifest, live: Manifest, manager: str) -> bool:
    """Whether server-side apply of ``manifest`` by ``manager`` would leave ``live`` as it is.

    :param live: the object as the API returned it, with ``metadata.managedFields``.
    """
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    fields = _applied_fields(metadata.get("managedFields") or [], manager, str(manifest["apiVersion"]))
    if fields is None:
        return False
    wanted = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _NOT_RECORDED}
    if meta:
        wanted["metadata"] = meta
    return _same(fields, wanted, live)


def _applied_fields(entries: Sequence[Mapping[str, Any]], manager: str, version: str) -> Mapping[str, Any] | None:
    """Fields of the manager's one apply; ``None`` when it applied by another version, a subresource, or not at all."""
    mine = [entry for entry in entries if entry.get("manager") == manager]
    if len(mine) != 1 or mine[0].get("operation") != "Apply" or mine[0].get("subresource"):
        return None
    return mine[0].get("fieldsV1") if mine[0].get("apiVersion") == version else None


def _same(fields: Mapping[str, Any], wanted: Any, live: Any) -> bool:
    inner = {key: value for key, value in fields.items() if key != _ITSELF}
    if not inner:
        # One value: a scalar, or a list or structure that is owned as a whole.
        return type(wanted) is type(live) and bool(wanted == live)
    if isinstance(wanted, Mapping):
        return (
            isinstance(live, Mapping)
            and {f"f:{key}" for key in wanted} == inner.keys()
            and all(key in live and _same(inner[f"f:{key}"], value, live[key]) for key, value in wanted.items())
        )
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(inner):
        if all(key.startswith("k:") for key in inner):
            return all(_same_item(json.loads(key[2:]), below, wanted, live) for key, below in inner.items())
        if all(key.startswith("v:") for key in inner):
            values = [json.loads(key[2:]) for key in inner]
            return all(value in wanted and value in live for value in values)
    return False


def _same_item(key: Mapping[str, Any], fields: Mapping[str, Any], wanted: list[Any], live: list[Any]) -> bool:
    """An item that the list's keys name; a manifest may leave out those that have a default, such as a protocol."""
    mine = [item for item in wanted if isinstance(item, Mapping) and all(item.get(k, v) == v for k, v in key.items())]
    theirs = [item for item in live if isinstance(item, Mapping) and all(item.get(k) == v for k, v in key.items())]
    return len(mine) == 1 and len(theirs) == 1 and _same(fields, mine[0], theirs[0])
