"""Reads of a platform what a drill compares."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from slipway.decisions.drill import PlatformFacts
from slipway.decisions.quantities import parse_quantity
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.releases import Releases
from slipway.model.platform import Platform
from slipway.model.records import Release

_WORKLOAD_LABEL = "slipway.dev/workload"
_GIB = 1024**3


def facts(platform: Platform, components: Sequence[str]) -> PlatformFacts:
    """A platform as it is now.

    :raises ClusterAbsent: it has no cluster.
    """
    access = EksAccess.of(platform)
    endpoint = access.endpoint()
    cluster = EksHook.of(platform.region).find_cluster(platform.cluster_name) or {}

    async def read() -> PlatformFacts:
        async with connect(access, endpoint) as api:
            nodes, claims, releases = await asyncio.gather(_nodes(api), _claims(api), _releases(api, components))
        return PlatformFacts(str(cluster.get("version", "")), nodes, releases, claims)

    return asyncio.run(read())


async def _nodes(api: KubernetesApi) -> dict[str, int]:
    found: Counter[str] = Counter()
    for node in await api.items("/api/v1/nodes"):
        conditions = (node.get("status") or {}).get("conditions") or []
        if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
            found[(node["metadata"].get("labels") or {}).get(_WORKLOAD_LABEL, "other")] += 1
    return dict(found)


async def _claims(api: KubernetesApi) -> dict[str, float]:
    found = {}
    for one in await api.items("/api/v1/persistentvolumeclaims"):
        status = one.get("status") or {}
        if status.get("phase") == "Bound":
            size = (status.get("capacity") or {}).get("storage", "0")
            found[f"{one['metadata']['namespace']}/{one['metadata']['name']}"] = float(parse_quantity(size) / _GIB)
    return found


async def _releases(api: KubernetesApi, components: Sequence[str]) -> dict[str, Release]:
    store = Releases(api)
    listed = await asyncio.gather(*(store.list_releases(name) for name in components))
    return {name: some[-1] for name, some in zip(components, listed, strict=True) if some}
