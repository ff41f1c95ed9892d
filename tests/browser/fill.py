"""A fleet on the rehearsal cloud for the browser to look at."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rehearsal.cloud import Cloud


async def _releases() -> None:
    """Three releases of Kafka, the newest not ready yet; two of Prometheus."""
    from datetime import UTC, datetime, timedelta

    from slipway.catalog.environments import load_platform
    from slipway.decisions.inventory import ObjectRef
    from slipway.hooks.kubernetes import EksAccess
    from slipway.hooks.kubernetes_async import connect
    from slipway.hooks.releases import Releases
    from slipway.model.records import ReleaseState

    access = EksAccess.of(load_platform("dev"))
    now = datetime.now(UTC)
    async with connect(access, await asyncio.to_thread(access.endpoint)) as api:
        store = Releases(api)
        for component, namespace, images in (
            ("kafka", "streaming", ("apache/kafka:4.2.0", "apache/kafka:4.3.0", "apache/kafka:4.3.1")),
            (
                "prometheus",
                "monitoring",
                ("quay.io/prometheus/prometheus:v3.14.0", "quay.io/prometheus/prometheus:v3.15.0"),
            ),
        ):
            for index, image in enumerate(images):
                manifest = {
                    "apiVersion": "apps/v1",
                    "kind": "StatefulSet",
                    "metadata": {"name": component, "namespace": namespace},
                    "spec": {
                        "replicas": 3,
                        "template": {"spec": {"containers": [{"name": component, "image": image}]}},
                    },
                }
                at = now - timedelta(days=3 * (len(images) - index - 1), hours=5)
                release = await store.begin(
                    component, [manifest], [ObjectRef.of(manifest)], f"manual__{at:%Y-%m-%d}", at
                )
                if (component, index) != ("kafka", 2):
                    await store.advance(release, ReleaseState.READY)


def fill(cloud: Cloud) -> None:
    """A small cluster for dev, its releases and error budgets, and everything that lies in buckets."""
    from tests.browser.seed import seed
    from tests.rehearsal.watch.conftest import CLUSTER, Watched, _components, _infrastructure, call

    _infrastructure()
    _components(Watched(cloud, Path(os.environ["STACK_FOLDER"])))
    asyncio.run(_releases())
    for component, slo, remaining in (
        ("kafka", "partitions accept writes", 0.62),
        ("prometheus", "metrics collection", 0.91),
        ("maze", "requests succeed", -0.2),
    ):
        spec = {"kind": "error-budget-spent", "component": component, "slo": slo, "remaining": remaining}
        call("POST", f"{cloud.admin_url}/clusters/{CLUSTER}/faults", spec)
    seed()
