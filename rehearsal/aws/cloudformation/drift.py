"""Drift: what a stack made, compared with what is there now."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from rehearsal.aws.cloudformation.engine import context_of
from rehearsal.aws.cloudformation.intrinsics import as_text
from rehearsal.aws.cloudformation.model import Resource, Stack, at
from rehearsal.aws.cloudformation.types import handler as handler_of


def detect(stack: Stack) -> str:
    """Compare every resource of ``stack`` and keep the result with it.

    :returns: the detection's id. It is complete at once; on AWS it takes seconds to minutes.
    """
    now = at(time.time())
    drifts = [_compare(stack, resource) for resource in stack.resources.values() if resource.physical_id]
    drifted = [item for item in drifts if item["StackResourceDriftStatus"] in ("MODIFIED", "DELETED")]
    stack.drift = {
        "StackId": stack.id,
        "StackDriftDetectionId": str(uuid.uuid4()),
        "StackDriftStatus": "DRIFTED" if drifted else "IN_SYNC",
        "DetectionStatus": "DETECTION_COMPLETE",
        "DriftedStackResourceCount": len(drifted),
        "Timestamp": now,
        "resources": [{**item, "Timestamp": now} for item in drifts],
    }
    return str(stack.drift["StackDriftDetectionId"])


def _compare(stack: Stack, resource: Resource) -> dict[str, Any]:
    handler = handler_of(resource.type)
    found: dict[str, Any] = {
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ExpectedProperties": json.dumps(resource.properties),
    }
    try:
        actual = handler.read(context_of(stack, resource), str(resource.physical_id), resource.properties)
    except NotImplementedError:
        return {**found, "StackResourceDriftStatus": "NOT_CHECKED", "PropertyDifferences": []}
    if actual is None:
        return {**found, "StackResourceDriftStatus": "DELETED", "PropertyDifferences": []}
    differences = list(_differences(resource.properties, actual))
    status = "MODIFIED" if differences else "IN_SYNC"
    shown = json.dumps({**resource.properties, **actual})
    return {
        **found,
        "StackResourceDriftStatus": status,
        "PropertyDifferences": differences,
        "ActualProperties": shown,
    }


def _differences(expected: dict[str, Any], actual: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in actual.items():
        wanted = expected.get(name)
        if name in expected and _plain(wanted) != _plain(value):
            kind = "REMOVE" if value in (None, [], {}) else "NOT_EQUAL"
            yield {
                "PropertyPath": f"/{name}",
                "ExpectedValue": json.dumps(wanted) if isinstance(wanted, (dict, list)) else as_text(wanted),
                "ActualValue": json.dumps(value) if isinstance(value, (dict, list)) else as_text(value),
                "DifferenceType": kind,
            }


def _plain(value: Any) -> Any:
    """A value without what templates and APIs write differently: number or text, order of lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=repr)
    return as_text(value)
