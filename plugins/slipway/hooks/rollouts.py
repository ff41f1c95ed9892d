"""Fetches what readiness is judged by, with as few reads as can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Facts
from slipway.hooks.kubernetes_async import KubernetesApi, Object

_WITH_PODS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}


async def observe(api: KubernetesApi, refs: Sequence[ObjectRef]) -> Facts:
    """Read awaited objects, the pods of the workloads among them and the warnings about those."""
    live = await asyncio.gather(*(api.read(ref) for ref in refs))
    objects = dict(zip(refs, live, strict=True))
    workloads = [item for ref, item in objects.items() if item and ref.kind in _WITH_PODS]
    namespaces = sorted({item["metadata"]["namespace"] for item in workloads})
    pods, events = await asyncio.gather(
        _flat(_pods(api, item) for item in workloads), _flat(_warnings(api, name) for name in namespaces)
    )
    return Facts(objects, pods, events)


async def _flat(reads: Iterable[Any]) -> list[Object]:
    return [item for items in await asyncio.gather(*reads) for item in items]


async def _pods(api: KubernetesApi, workload: Object) -> list[Object]:
    selector = label_selector(workload["spec"].get("selector") or {})
    if not selector:
        return []
    return await api.items(f"/api/v1/namespaces/{workload['metadata']['namespace']}/pods", {"labelSelector": selector})


async def _warnings(api: KubernetesApi, namespace: str) -> list[Object]:
    return await api.items(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": "type=Warning"})


def label_selector(selector: Mapping[str, Any]) -> str:
    """A workload's ``spec.selector`` as the API's ``labelSelector`` parameter writes it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or []:
        key, values = rule["key"], ",".join(rule.get("values") or [])
        match rule["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case _:
                parts.append(f"!{key}")
    return ",".join(parts)
