"""Removes objects from a cluster in the order in which they let go of things outside of it.

Load balancers and volumes belong to AWS, but only the controllers in the cluster delete them cleanly: so the objects
that stand for them go first, while those controllers still run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from slipway.decisions.inventory import COMPONENT_LABEL, ObjectRef
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, Object

# Kinds that stand for a load balancer.
_EDGE_KINDS = (
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("v1", "Service"),
)


async def edge(api: KubernetesApi) -> list[ObjectRef]:
    """Objects in any namespace that stand for a load balancer in AWS."""
    found = []
    for version, kind in _EDGE_KINDS:
        for item in await listed(api, version, kind):
            if kind != "Service" or (item.get("spec") or {}).get("type") == "LoadBalancer":
                found.append(_ref(version, kind, item))
    return found


async def claims(api: KubernetesApi) -> list[ObjectRef]:
    """All persistent volume claims, in any namespace."""
    return [_ref("v1", "PersistentVolumeClaim", item) for item in await listed(api, "v1", "PersistentVolumeClaim")]


async def volumes(api: KubernetesApi) -> list[ObjectRef]:
    """Persistent volumes whose disk goes with them."""
    return [
        _ref("v1", "PersistentVolume", item)
        for item in await listed(api, "v1", "PersistentVolume")
        if item["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    ]


async def component_claims(
    api: KubernetesApi, component: str, namespace: str, prefixes: Sequence[str]
) -> list[ObjectRef]:
    """Claims of one component: labelled as its own, or named after one of its claim templates."""
    items = await listed(api, "v1", "PersistentVolumeClaim", namespace)
    return [
        _ref("v1", "PersistentVolumeClaim", item)
        for item in items
        if (item["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == component
        or item["metadata"]["name"].startswith(tuple(prefixes))
    ]


async def has_ready_node(api: KubernetesApi) -> bool:
    """Whether a controller could be running at all."""
    return any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for node in await listed(api, "v1", "Node")
        for condition in (node.get("status") or {}).get("conditions") or []
    )


async def listed(api: KubernetesApi, version: str, kind: str, namespace: str = "") -> list[Object]:
    """All objects of a kind; none when the cluster does not serve it."""
    resource = await api.resource(version, kind)
    if resource is None:
        return []
    path = resource.collection
    if namespace:
        head, _, plural = path.rpartition("/")
        path = f"{head}/namespaces/{namespace}/{plural}"
    return await api.items(path)


async def delete(api: KubernetesApi, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Ask for deletions, all at once, pods before what owns them; those that were there."""
    results = await asyncio.gather(*(_delete(api, ref) for ref in refs))
    return [ref for ref in results if ref is not None]


async def _delete(api: KubernetesApi, ref: ObjectRef) -> ObjectRef | None:
    path = await api.path(ref)
    if path is None:
        return None
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
    try:
        await api.request("DELETE", path, body=options)
    except KubernetesApiError as error:
        if error.status == 404:
            return None
        raise
    return ref


async def still_there(api: KubernetesApi, refs: Sequence[ObjectRef]) -> dict[ObjectRef, str]:
    """Of some objects those that are still there, each with what keeps it."""
    live = await asyncio.gather(*(api.read(ref) for ref in refs))
    return {ref: _keeper(item) for ref, item in zip(refs, live, strict=True) if item is not None}


def _keeper(item: Object) -> str:
    metadata = item["metadata"]
    finalizers = ", ".join(metadata.get("finalizers") or [])
    if not metadata.get("deletionTimestamp"):
        return "not being deleted"
    return f"kept by finalizer {finalizers}" if finalizers else "being deleted"


def _ref(version: str, kind: str, item: Object) -> ObjectRef:
    return ObjectRef(version, kind, item["metadata"].get("namespace") or "", item["metadata"]["name"])
