"""Tables for ``kubectl get``: columns come from ``data/resources.yaml`` or a CRD's printer columns."""

from __future__ import annotations

import re
from typing import Any

from rehearsal.kubernetes.http.cells import FUNCTIONS, age, shown
from rehearsal.kubernetes.objects import Obj, dig, name_of
from rehearsal.kubernetes.resources import Resource

_STEP = re.compile(r"\['([^']+)'\]|\[\"([^\"]+)\"\]|\[(\d+)\]|\.?((?:\\\.|[^.\[\]])+)")
_FILTER = re.compile(r"^(.*)\[\?\(@\.(\w+)==[\"']([^\"']*)[\"']\)\](.*)$")


def render(resource: Resource, items: list[Obj], metadata: Obj, include: str) -> Obj:
    """A ``meta.k8s.io/v1`` Table; ``include`` is None, Metadata or Object, for each row's object."""
    columns = _columns(resource)
    rows = []
    for item in items:
        row: Obj = {"cells": [name_of(item), *(_cell(path, item) for _, path, _ in columns)]}
        if include == "Object":
            row["object"] = item
        elif include != "None":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": item["metadata"],
            }
        rows.append(row)
    definitions = [_definition("Name", "name", 0)]
    definitions += [_definition(header, "", priority) for header, _, priority in columns]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _definition(header: str, form: str, priority: int) -> Obj:
    return {"name": header, "type": "string", "format": form, "description": header, "priority": priority}


def _columns(resource: Resource) -> list[tuple[str, str, int]]:
    if resource.custom:
        columns = [(c["name"], c["jsonPath"], c.get("priority", 0)) for c in resource.columns]
        return [*columns, ("Age", "age", 0)] if all(c[0] != "Age" for c in columns) else columns
    if not resource.columns:
        return [("Age", "age", 0)]
    columns = [(c[0], c[1], c[2] if len(c) > 2 else 0) for c in resource.columns]
    return columns if any(c[1] == "age" for c in columns) else [*columns, ("Age", "age", 0)]


def _cell(path: str, item: Obj) -> Any:
    if path in FUNCTIONS:
        return FUNCTIONS[path](item)
    if path.startswith("."):
        value = json_path(item, path)
        return age(item) if path == ".metadata.creationTimestamp" else shown(value)
    path, _, default = path.partition("|")
    return shown(dig(item, *path.split("."), default=default or None))


def json_path(item: Any, path: str) -> Any:
    """The value at a simple JSONPath: fields, indexes, and one ``[?(@.field=="x")]`` filter."""
    match = _FILTER.match(path)
    if match:
        before, field, wanted, after = match.groups()
        entries = json_path(item, before) or []
        found = next((e for e in entries if isinstance(e, dict) and str(e.get(field)) == wanted), None)
        return json_path(found, after) if after else found
    steps: list[str | int] = []
    for single, double, index, plain in _STEP.findall(path):
        steps.append(int(index) if index else (single or double or plain).replace("\\.", "."))
    return dig(item, *steps)
