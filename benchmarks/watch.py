"""How time and memory of gathering facts grow with the cluster: 10 to 1,000 nodes, 30 pods on each.

A server of this process's parent plays the API: it serves the same pages of realistic pods again and again, made once.
Each size is measured in a process of its own: first reading the same bytes and throwing them away, then the facts of
health and of scale with their judgement. Memory is the peak of the whole task process, imports and all.
CPU seconds are the process' own: they say the same on a busy machine as on an idle one.

    python benchmarks/watch.py [SIZE ...]     measures, and writes .run/watch-growth.json
    python benchmarks/watch.py --brief SIZE   does not parse everything, and writes nothing
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import ssl
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common import RESULTS, ROOT, machine

sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

PODS_PER_NODE = 30
PAGE = 500
SIZES = (10, 100, 300, 1000)
MEMORY_AIM_MB = 250
TIME_AIM = 2.0


def pod(number: int, node: str) -> dict[str, Any]:
    """A pod as a kube-apiserver shows it, with the fields that make it 5 kB."""
    workload = f"service-{number % 300}"
    created = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {"app.kubernetes.io/name": workload, "pod-template-hash": "7d9f8b6c5d", "slipway.dev/component": workload}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{workload}-7d9f8b6c5d", "controller": True}
    env = [{"name": f"VARIABLE_{index}", "value": f"value-{index}" * 3} for index in range(12)]
    probe = {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    managed = [
        {
            "manager": name,
            "operation": "Update",
            "apiVersion": "v1",
            "time": created,
            "fieldsV1": {"f:spec": {f"f:{i}": {} for i in range(40)}},
        }
        for name in ("kube-controller-manager", "kubelet")
    ]
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": created}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    requests = {"cpu": f"{50 * (1 + number % 8)}m", "memory": f"{64 * (1 + number % 6)}Mi"}
    container = {
        "name": "main",
        "image": f"registry.example.com/{workload}:1.2.3",
        "env": env,
        "resources": {"requests": requests},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    status = {
        "name": "main",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "x" * 90,
        "containerID": "c" * 75,
        "state": {"running": {"startedAt": created}},
        "lastState": {},
    }
    return {
        "metadata": {
            "name": f"{workload}-7d9f8b6c5d-{number:05d}",
            "namespace": f"team-{number % 20}",
            "uid": f"{number:036d}",
            "creationTimestamp": created,
            "labels": labels,
            "ownerReferences": [owner],
            "managedFields": managed,
        },
        "spec": {
            "nodeName": node,
            "containers": [container],
            "serviceAccountName": workload,
            "tolerations": [{"key": "a", "operator": "Exists"}],
        },
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "hostIP": "10.0.0.1",
            "podIP": "10.0.1.2",
            "startTime": created,
            "qosClass": "Burstable",
            "containerStatuses": [status],
        },
    }


def node(number: int) -> dict[str, Any]:
    """A node."""
    labels = {"eks.amazonaws.com/nodegroup": f"group-{number % 4}", "slipway.dev/workload": "primary"}
    images = [
        {"names": [f"registry.example.com/image-{index}@sha256:{'0' * 64}"], "sizeBytes": 1} for index in range(40)
    ]
    return {
        "metadata": {
            "name": f"ip-10-0-{number}.ec2.internal",
            "labels": labels,
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {"providerID": f"aws:///us-east-1a/i-{number:017d}"},
        "status": {
            "allocatable": {"cpu": "7910m", "memory": "29Gi", "pods": "110"},
            "images": images,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-01T00:00:00Z"}],
        },
    }


# What kubectl asks before it lists.
DISCOVERY = {
    path: [json.dumps(body).encode()]
    for path, body in {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {
            "kind": "APIResourceList",
            "groupVersion": "v1",
            "resources": [
                {"name": "nodes", "singularName": "node", "namespaced": False, "kind": "Node", "verbs": ["list"]},
                {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["list"]},
            ],
        },
    }.items()
}


class Server:
    """Pages of nodes and pods over TLS; everything else is an empty list."""

    def __init__(self, nodes: int) -> None:
        names = [f"ip-10-0-{number}.ec2.internal" for number in range(nodes)]
        total = nodes * PODS_PER_NODE
        self.pages = {
            "/api/v1/nodes": self._paged("Node", [node(number) for number in range(nodes)]),
            "/api/v1/pods": self._paged("Pod", [pod(number, names[number % nodes]) for number in range(total)]),
            **DISCOVERY,
        }

    @staticmethod
    def _paged(kind: str, items: list[dict[str, Any]]) -> list[bytes]:
        cut = [items[start : start + PAGE] for start in range(0, len(items), PAGE)]
        return [
            json.dumps(
                {
                    "metadata": {"continue": str(index + 1) if index + 1 < len(cut) else ""},
                    "kind": f"{kind}List",
                    "apiVersion": "v1",
                    "items": page,
                }
            ).encode()
            for index, page in enumerate(cut)
        ]

    async def answer(self, request: Any) -> Any:
        """One request."""
        from aiohttp import web

        pages = self.pages.get(request.path, [b'{"metadata":{},"items":[]}'])
        return web.Response(body=pages[int(request.query.get("continue") or 0)], content_type="application/json")


def serve(nodes: int, chain: str, key: str, ready: Any) -> None:
    """Serve until killed."""
    from aiohttp import web

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", Server(nodes).answer)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        ready.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def measure(port: int, authority: str, what: str, result: Any) -> None:
    """One measurement in a process of its own."""
    from slipway.decisions.fleet import pack
    from slipway.decisions.health import judge
    from slipway.hooks.health_cluster import ClusterFacts
    from slipway.hooks.kubernetes import ClusterEndpoint
    from slipway.hooks.kubernetes_async import KubernetesApi
    from slipway.hooks.listing import Lister
    from slipway.hooks.scale_cluster import ClusterSums
    from slipway.model.health import Before, ControlPlaneFact, HealthFacts
    from slipway.model.scale import ScaleFacts

    async def token() -> str:
        return "benchmark"

    async def raw(api: KubernetesApi, parse: bool) -> int:
        total = 0
        for path in ("/api/v1/nodes", "/api/v1/pods"):
            following = ""
            while True:
                query = {"limit": str(PAGE), **({"continue": following} if following else {})}
                answer: Any = (await api.request("GET", path, params=query, decode=bytes)).body
                total += len(answer)
                # Where the next page is stands at the front of these pages.
                following = json.loads(answer)["metadata"]["continue"] if parse else answer[:40].split(b'"')[5].decode()
                if not following:
                    break
        return total

    async def work() -> tuple[float, float, dict[str, int]]:
        endpoint = ClusterEndpoint("benchmark", "us-east-1", f"https://127.0.0.1:{port}", authority)
        async with KubernetesApi(endpoint, token) as api:
            start, cpu = time.perf_counter(), time.process_time()
            counts: dict[str, int] = {}
            if what in {"raw", "json"}:
                counts["bytes"] = await raw(api, what == "json")
            elif what == "health":
                facts = HealthFacts("benchmark", "us-east-1", ControlPlaneFact("ACTIVE", "1.36"))
                await ClusterFacts(api, facts).gather()
                counts = {"findings": len(judge(facts, datetime.now(UTC), Before())), **facts.counts}
            else:
                sums = ScaleFacts("benchmark", "us-east-1")
                await ClusterSums(Lister(api), sums).gather()
                counts = {
                    "pods": sums.pods,
                    "demands": len(sums.demands),
                    "packed": pack(sums.demands, 7910, 29_696, 110) or 0,
                }
            return time.perf_counter() - start, time.process_time() - cpu, counts

    seconds, cpu, counts = asyncio.run(work())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result.put({"what": what, "seconds": round(seconds, 3), "cpu": round(cpu, 3), "peak_mb": round(peak, 1), **counts})


def main() -> int:
    """Measure every size, print and record."""
    from rehearsal.kubernetes.certificates import issue

    certificate = issue("benchmark")
    brief = "--brief" in sys.argv
    kinds = ("raw", "health", "scale") if brief else ("raw", "json", "health", "scale")
    spawn = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_text(certificate.certificate)
        key.touch(mode=0o600)
        key.write_text(certificate.key)
        for nodes in [int(size) for size in sys.argv[1:] if size.isdigit()] or SIZES:
            ready: Any = spawn.Queue()
            server = spawn.Process(target=serve, args=(nodes, str(chain), str(key), ready), daemon=True)
            server.start()
            port = ready.get(timeout=600)
            row: dict[str, Any] = {"nodes": nodes, "pods": nodes * PODS_PER_NODE}
            for what in kinds:
                result: Any = spawn.Queue()
                child = spawn.Process(target=measure, args=(port, certificate.authority, what, result))
                child.start()
                row[what] = result.get(timeout=600)
                child.join()
            server.kill()
            server.join()
            rows.append(row)
            sys.stdout.write(f"{nodes:5} nodes {row['pods']:6} pods {row['raw']['bytes'] / 1e6:6.1f} MB\n")
            for what in kinds:
                one = row[what]
                sys.stdout.write(
                    f"      {what:7} {one['seconds']:6.2f} s, {one['cpu']:6.2f} s of CPU "
                    f"({one['cpu'] / row['raw']['cpu']:.2f} of reading), {one['peak_mb']:.0f} MB\n"
                )
            sys.stdout.flush()
    worst = rows[-1]
    if brief:
        return 0
    document = {"rows": rows, "machine": machine()}
    (RESULTS.parent / "watch-growth.json").write_text(json.dumps(document, indent=2) + "\n")
    return 0 if max(worst["health"]["peak_mb"], worst["scale"]["peak_mb"]) < MEMORY_AIM_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
