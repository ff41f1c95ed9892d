"""A fleet on the rehearsal cloud for the browser to look at."""

from __future__ import annotations

import asyncio
import copy
import os
import urllib.error
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rehearsal.cloud import Cloud

# Images of releases before today's, the oldest first.
EARLIER: Mapping[str, tuple[str, ...]] = {
    "kafka": ("4.2.0", "4.3.0"),
    "prometheus": ("v3.14.0",),
    "grafana": ("13.0.1",),
}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What is left of error budgets, and the share of events that fail now; the others have lost nothing.
BUDGETS = {
    ("kafka", "partitions accept writes"): (0.62, 0.0004),
    ("prometheus", "metrics collection"): (0.91, 0.0),
    ("grafana", "dashboard availability"): (0.17, 0.006),
    ("mongodb", "a primary takes writes"): (0.48, 0.0011),
    ("maze", "requests succeed"): (-0.2, 0.05),
    ("maze", "requests within 250 ms"): (0.34, 0.03),
}


def _manifests(folder: Path) -> list[dict[str, Any]]:
    """The objects of a component, as they lie in its folder; without overlays."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in sorted(folder.rglob("*.yaml")):
        if "overlays" in file.parts or file.name in ("component.yaml", "kustomization.yaml"):
            continue
        for one in yaml.load_all(file.read_text(), LOADER):
            if isinstance(one, dict) and "apiVersion" in one and one.get("metadata", {}).get("name"):
                found.setdefault((one["kind"], one["metadata"]["name"]), one)
    return list(found.values())


def _with_tag(manifests: list[dict[str, Any]], component: str, tag: str) -> list[dict[str, Any]]:
    """The same objects with the component's own image of another tag."""
    made = copy.deepcopy(manifests)
    for one in made:
        for container in one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            name = container["image"].split("@")[0].rpartition(":")[0]
            if name.rpartition("/")[2] == component:
                container["image"] = f"{name}:{tag}"
    return made


async def _releases(at: datetime) -> None:
    """A release of everything that is deployed, all ready; of some components also those before it."""
    from slipway.catalog.components import load_components
    from slipway.catalog.environments import load_platform
    from slipway.decisions.inventory import ObjectRef
    from slipway.hooks.kubernetes import EksAccess
    from slipway.hooks.kubernetes_async import connect
    from slipway.hooks.releases import Releases
    from slipway.model.records import ReleaseState

    from tests.browser.seed import run_id

    platform = load_platform("dev")
    access = EksAccess.of(platform)
    async with connect(access, await asyncio.to_thread(access.endpoint)) as api:
        store = Releases(api)

        async def release(component: str, manifests: list[dict[str, Any]], days: int) -> None:
            when = at - timedelta(days=days)
            refs = [ObjectRef.of(one) for one in manifests]
            begun = await store.begin(component, manifests, refs, run_id(when), when)
            await store.advance(begun, ReleaseState.READY)

        for one in load_components().values():
            if one.name in platform.environment.components.disabled:
                continue
            manifests = _manifests(one.folder)
            earlier = EARLIER.get(one.name, ())
            for age, tag in zip(range(len(earlier), 0, -1), earlier, strict=True):
                await release(one.name, _with_tag(manifests, one.name, tag), 7 * age)
            await release(one.name, manifests, 0)
        await _balancers(api)


async def _balancers(api: Any) -> None:
    """A Service and an Ingress with addresses, as the load balancer controller gives them."""
    port = {"name": "http", "port": 80, "targetPort": 8080}
    backend = {"service": {"name": "maze", "port": {"number": 8080}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    for group, namespace, plural, kind, spec, host in (
        # The platform's own namespaces allow no Service of this type.
        ("/api/v1", "default", "services", "Service", {"type": "LoadBalancer", "ports": [port]}, "k8s-preview-4f2a9c"),
        (
            "/apis/networking.k8s.io/v1",
            "apps",
            "ingresses",
            "Ingress",
            {"rules": [{"http": {"paths": [path]}}], "tls": [{"hosts": ["maze.example.com"]}]},
            "k8s-public-0d51e7aa",
        ),
    ):
        version = group.removeprefix("/apis/").removeprefix("/api/")
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": "maze-public"}, "spec": spec}
        collection = f"{group}/namespaces/{namespace}/{plural}"
        await api.request("POST", collection, body=body)
        status = {
            "status": {"loadBalancer": {"ingress": [{"hostname": f"{host}.elb.us-east-1.amazonaws.com"}]}},
        }
        await api.request(
            "PATCH",
            f"{collection}/maze-public/status",
            body=status,
            content_type="application/merge-patch+json",
        )


def _budgets(admin_url: str) -> None:
    from slipway.catalog.components import load_components
    from slipway.catalog.environments import load_platform

    from tests.rehearsal.watch.conftest import CLUSTER, call

    disabled = load_platform("dev").environment.components.disabled
    for one in load_components().values():
        for slo in one.spec.slos:
            if one.name in disabled:
                continue
            remaining, errors = BUDGETS.get((one.name, slo.name), (1.0, 0.0))
            spec = {"component": one.name, "slo": slo.name, "remaining": remaining, "errors": errors}
            try:
                call("POST", f"{admin_url}/clusters/{CLUSTER}/faults", {"kind": "error-budget-spent", **spec})
            except urllib.error.HTTPError as error:
                raise RuntimeError(error.read().decode()) from error


def fill(cloud: Cloud, *, staging: bool = True) -> None:
    """A small cluster for dev, its releases and error budgets, and everything that lies in buckets."""
    from tests.browser.seed import DEPLOYED, seed
    from tests.rehearsal.watch.conftest import Watched, _components, _infrastructure

    _infrastructure()
    _components(Watched(cloud, Path(os.environ["STACK_FOLDER"])))
    now = datetime.now(UTC).replace(microsecond=0)
    asyncio.run(_releases(now - DEPLOYED))
    _budgets(cloud.admin_url)
    seed(now, staging=staging)
