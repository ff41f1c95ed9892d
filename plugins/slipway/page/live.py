"""What only the cluster knows: releases, objectives, load balancer addresses. Few lists, cached by the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from slipway.catalog.components import load_components
from slipway.decisions.burn_rates import BURN_RATES, hours, threshold
from slipway.decisions.rollback import differences
from slipway.decisions.series import SeriesName
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.prometheus import PrometheusHook
from slipway.hooks.releases import RELEASE_LABEL, Releases
from slipway.model.health import Sample
from slipway.model.platform import SYSTEM_NAMESPACE, Platform
from slipway.model.records import Release
from slipway.page.data import Json

_RELEASES = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps"
ERRORS = "slipway:slo_errors:ratio_"


@asynccontextmanager
async def cluster(platform: Platform) -> AsyncIterator[KubernetesApi]:
    """The platform's API server.

    :raises ClusterAbsent: there is no cluster.
    """
    access = EksAccess.of(platform)
    endpoint = await asyncio.to_thread(access.endpoint)
    async with connect(access, endpoint) as api:
        yield api


async def releases_part(platform: Platform) -> Json:
    """Releases of every component, newest first, without what they applied: one list."""
    async with cluster(platform) as api:
        records = await api.items(_RELEASES, {"labelSelector": RELEASE_LABEL})
    found: dict[str, list[Json]] = {}
    for record in records:
        release = Release.model_validate_json(record["data"]["release.json"])
        told = release.model_dump(mode="json", exclude={"objects"}) | {"objects": len(release.objects)}
        found.setdefault(release.component, []).append(told)
    for one in found.values():
        one.sort(key=lambda told: -int(told["number"]))
    return {"components": found}


async def diff_part(platform: Platform, component: str, before: int, after: int) -> Json:
    """What two releases of a component differ in, object by object, field by field."""
    async with cluster(platform) as api:
        store = Releases(api)
        old, new = await asyncio.gather(store.get_release(component, before), store.get_release(component, after))
    lost = [number for number, found in ((before, old), (after, new)) if found is None]
    if old is None or new is None:
        return {"kept": False, "lost": lost, "lines": []}
    return {"kept": True, "lost": [], "lines": differences(old[1], new[1])}


async def addresses_part(platform: Platform) -> Json:
    """Load balancers that Services and Ingresses have: two lists."""
    async with cluster(platform) as api:
        services, ingresses = await asyncio.gather(
            api.items("/api/v1/services"), api.items("/apis/networking.k8s.io/v1/ingresses")
        )
    wanted = [one for one in services if one.get("spec", {}).get("type") == "LoadBalancer"]
    found = [_address("Service", one, "http") for one in wanted]
    found += [_address("Ingress", one, "https" if one.get("spec", {}).get("tls") else "http") for one in ingresses]
    return {"addresses": found}


def _address(kind: str, item: Mapping[str, Any], scheme: str) -> Json:
    points = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    hosts = [str(point.get("hostname") or point.get("ip")) for point in points]
    meta = item["metadata"]
    if kind == "Ingress" and "certificate-arn" in " ".join(meta.get("annotations") or {}):
        scheme = "https"
    return {
        "kind": kind,
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "scheme": scheme,
        "hosts": hosts,
    }


async def slos_part(platform: Platform) -> Json:
    """Objectives with what is left of their budgets and how fast they burn: one query each."""
    windows = sorted({window for rate in BURN_RATES for window in (rate.short, rate.long)}, key=hours)
    async with cluster(platform) as api:
        prometheus = PrometheusHook(api)
        budgets, burning = await asyncio.gather(
            prometheus.now([SeriesName.ERROR_BUDGET]),
            prometheus.now([f"{ERRORS}{window}" for window in windows]),  # type: ignore[misc]
        )
    return {"windows": windows, "objectives": objectives(platform, budgets, burning)}


def objectives(platform: Platform, budgets: Sequence[Sample], burning: Sequence[Sample]) -> list[Json]:
    """Every objective of the catalog with its numbers; ``None`` where Prometheus has none.

    A burn rate is the share of failed events over the share that the objective allows: 1 uses up the budget exactly
    within the window. Source: Google, The Site Reliability Workbook, chapter 5.
    """
    left = {(one.labels.get("component"), one.labels.get("slo")): one.value for one in budgets}
    failed = {
        (one.labels.get("component"), one.labels.get("slo"), one.name.removeprefix(ERRORS)): one.value
        for one in burning
    }
    found = []
    for component in load_components().values():
        if component.name in platform.environment.components.disabled:
            continue
        for slo in component.spec.slos:
            allowed = 1 - slo.objective / 100
            key = (component.name, slo.name)
            remaining = left.get(key)
            rates = {
                window: value / allowed
                for (name, objective, window), value in failed.items()
                if (name, objective) == key
            }
            alerts = [
                rate.severity
                for rate in BURN_RATES
                if min(rates.get(rate.long, 0), rates.get(rate.short, 0)) > threshold(rate, slo.window)
            ]
            found.append(
                {
                    "component": component.name,
                    "name": slo.name,
                    "objective": slo.objective,
                    "window": slo.window,
                    "budget_left": remaining,
                    "attainment": None if remaining is None else 100 * (1 - (1 - remaining) * allowed),
                    "burn_rates": rates,
                    "alerts": sorted(set(alerts)),
                }
            )
    return found
