"""Applying objects: Slipway's client against ``kubectl apply --server-side``, on one API server in one run.

kubectl is given all objects in one file, a warm discovery cache and a ready token. Slipway's client asks discovery
anew, lists what is there to tell what changed, and runs in this process, as it does in a task's. ``far`` is a proxy
that adds a round trip of 30 ms, as between a laptop and an AWS region.

    python benchmarks/apply.py [FIRST_PORT]     uses four ports from there on
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
from cluster import Cluster, cluster, far_away
from common import compare, note
from objects import Manifest, namespace, objects
from slipway.hooks.apply import Applied, Applier
from slipway.hooks.kubernetes import ClusterEndpoint
from slipway.hooks.kubernetes_async import KubernetesApi
from slipway.model.records import Action

FIRST_PORT = 6900
FAR_MILLISECONDS = 30
AIM = "at most 0.2 (5 times as fast)"
SERVERS = {"kube-apiserver", "etcd"}


@dataclass
class Bench:
    """One way to one cluster.

    :param port: of the API server or of the proxy before it.
    :param folder: for files that kubectl reads.
    """

    cluster: Cluster
    port: int
    folder: Path
    spaces: int = 0

    def fresh(self) -> str:
        """Make a namespace, and wait until its default ServiceAccount is there."""
        self.spaces += 1
        name = f"n{self.port}-{self.spaces}"
        self.kubectl([namespace(name)])
        return name

    def kubectl(self, manifests: list[Manifest]) -> None:
        """Apply with kubectl."""
        file = self.folder / "objects.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
        command = [*self.cluster.kubectl(self.folder, self.port), "apply", "--server-side", "-f", str(file)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        lines = done.stdout.count("serverside-applied")
        assert lines == len(manifests), f"kubectl applied {lines} of {len(manifests)}"

    def ours(self, manifests: list[Manifest], expected: Action) -> None:
        """Apply with Slipway's client, connections and discovery included."""
        applied = asyncio.run(self._apply(manifests))
        found = [item.change.action for item in applied]
        assert found == [expected] * len(manifests), f"expected {expected}, found {set(found)}"

    async def _apply(self, manifests: list[Manifest]) -> list[Applied]:
        mine = self.cluster.token

        async def token() -> str:
            return mine

        endpoint = ClusterEndpoint("benchmark", "us-east-1", self.cluster.url(self.port), self.cluster.authority)
        async with KubernetesApi(endpoint, token) as api:
            return await Applier(api).apply(manifests)


def measure(bench: Bench, where: str, count: int, rounds: int) -> None:
    """Compare both clients when all objects are new and when none has changed."""
    ready = [(objects(count, bench.fresh()), objects(count, bench.fresh())) for _ in range(rounds)]
    mine, theirs = ([pair[side] for pair in ready] for side in (0, 1))
    queue = {"ours": iter(mine), "kubectl": iter(theirs)}
    server = _server_seconds()
    name = f"apply-{count}-new-{where}"
    result = compare(
        name,
        (f"Slipway, {count} new objects, {where}", lambda: bench.ours(next(queue["ours"]), Action.CREATE)),
        ("kubectl apply --server-side", lambda: bench.kubectl(next(queue["kubectl"]))),
        rounds=rounds,
        aim=AIM,
        setting=bench.cluster.kind,
    )
    spent = (_server_seconds() - server) / (2 * rounds)
    note(
        name,
        f"{count / result.ours_seconds:.0f} objects/s against {count / result.baseline_seconds:.0f}; "
        f"API server and etcd took {spent:.2f} CPU seconds per {count}",
    )
    compare(
        f"apply-{count}-unchanged-{where}",
        (f"Slipway, {count} unchanged objects, {where}", lambda: bench.ours(mine[0], Action.KEEP)),
        ("kubectl apply --server-side", lambda: bench.kubectl(theirs[0])),
        rounds=rounds,
        aim=AIM,
        setting=bench.cluster.kind,
    )


def _server_seconds() -> float:
    """CPU seconds that the API server and its store have used so far."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    return sum(sum(child.cpu_times()[:2]) for child in children if child.name() in SERVERS)


def main() -> None:
    first = int(sys.argv[1]) if len(sys.argv) > 1 else FIRST_PORT
    with cluster(first) as found, tempfile.TemporaryDirectory() as scratch:
        near = Bench(found, found.port, Path(scratch))
        near.kubectl([namespace("warm")])
        near.kubectl(objects(10, "warm"))
        for count, rounds in ((50, 7), (250, 5), (1000, 3)):
            measure(near, "near", count, rounds)
        proxy = first + 3
        with far_away(proxy, found.port, FAR_MILLISECONDS):
            far = Bench(found, proxy, Path(scratch))
            far.kubectl([namespace("warm"), *objects(10, "warm")])
            for count, rounds in ((50, 3), (250, 3)):
                measure(far, f"far ({FAR_MILLISECONDS} ms)", count, rounds)


if __name__ == "__main__":
    main()
