"""Applying objects: Slipway's client against ``kubectl apply --server-side`` and helm, on one API server in one run.

kubectl is given all objects in one file, a warm discovery cache and a ready token. Slipway's client asks discovery
anew, lists what is there to tell what changed, and runs in this process, as it does in a task's. ``far`` is a proxy
that adds a round trip of 30 ms, as between a laptop and an AWS region. helm installs, or upgrades, a chart of the same
objects; it keeps a record of the release besides, as Slipway's deploy does and this part of it does not.

    python benchmarks/apply.py [FIRST_PORT [COUNT]]     uses four ports from there on; only so many objects, and near
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from cluster import Cluster, cluster, far_away
from common import Side, compare_all, note
from helm import helm, write_chart
from objects import Manifest, namespace, objects
from slipway.hooks.apply import Applied, Applier
from slipway.hooks.kubernetes import ClusterEndpoint
from slipway.hooks.kubernetes_async import KubernetesApi
from slipway.model.records import Action

FIRST_PORT = 6900
FAR_MILLISECONDS = 30
AIM = "at most 0.2 (5 times as fast)"
HELM_AIM = "at most 0.2 (5 times as fast)"
# How many objects, and how many rounds of them.
NEAR = ((50, 5), (250, 3), (1000, 3))
FAR = ((50, 3), (250, 3))
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

    def helm(self, manifests: list[Manifest]) -> None:
        """Install a chart of the objects, or upgrade it, with helm."""
        where = manifests[0]["metadata"]["namespace"]
        chart = self.folder / f"chart-{where}"
        if not chart.is_dir():
            write_chart(chart, manifests)
        # kubectl's start of a command names the kubeconfig, with a token as good as new.
        config = next(part for part in self.cluster.kubectl(self.folder, self.port) if part.startswith("--kubeconfig"))
        command = [helm(), "upgrade", "--install", "benchmark", str(chart), f"--namespace={where}", config]
        home = {"HOME": str(self.folder), "PATH": os.environ["PATH"]}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=home)

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
    """Compare the clients when all objects are new and when none has changed."""
    ready: dict[str, list[list[Manifest]]] = {
        who: [objects(count, bench.fresh()) for _ in range(rounds)] for who in ("ours", "kubectl", "helm")
    }
    if not _has_helm():
        ready.pop("helm")
    queue = {who: iter(sets) for who, sets in ready.items()}

    def baselines(kubectl: Callable[[], None], with_helm: Callable[[], None]) -> dict[str, tuple[Side, str]]:
        found = {"": (("kubectl apply --server-side", kubectl), AIM)}
        return found | ({"helm": (("helm upgrade --install", with_helm), HELM_AIM)} if "helm" in ready else {})

    server = _server_seconds()
    name = f"apply-{count}-new-{where}"
    result = compare_all(
        name,
        (f"Slipway, {count} new objects, {where}", lambda: bench.ours(next(queue["ours"]), Action.CREATE)),
        baselines(lambda: bench.kubectl(next(queue["kubectl"])), lambda: bench.helm(next(queue["helm"]))),
        rounds=rounds,
        setting=bench.cluster.kind,
    )[""]
    spent = (_server_seconds() - server) / (len(ready) * rounds)
    note(
        name,
        f"{count / result.ours_seconds:.0f} objects/s against {count / result.baseline_seconds:.0f}; "
        f"API server and etcd took {spent:.2f} CPU seconds per {count}, whoever sends them",
    )
    compare_all(
        f"apply-{count}-unchanged-{where}",
        (f"Slipway, {count} unchanged objects, {where}", lambda: bench.ours(ready["ours"][0], Action.KEEP)),
        baselines(lambda: bench.kubectl(ready["kubectl"][0]), lambda: bench.helm(ready["helm"][0])),
        rounds=rounds,
        setting=bench.cluster.kind,
    )


def _has_helm() -> bool:
    try:
        helm()
    except RuntimeError as error:
        sys.stderr.write(f"helm is not compared with: {error}\n")
        return False
    return True


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
        for count, rounds in NEAR if not sys.argv[2:] else [(int(sys.argv[2]), 3)]:
            measure(near, "near", count, rounds)
        proxy = first + 3
        with far_away(proxy, found.port, FAR_MILLISECONDS):
            far = Bench(found, proxy, Path(scratch))
            far.kubectl([namespace("warm"), *objects(10, "warm")])
            for count, rounds in FAR if not sys.argv[2:] else []:
                measure(far, f"far ({FAR_MILLISECONDS} ms)", count, rounds)


if __name__ == "__main__":
    main()
