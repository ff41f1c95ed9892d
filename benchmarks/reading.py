"""Reading 1,000 nodes and 30,000 pods: the facts of health and scale, kubectl, and the bare bytes of the same lists.

A server on loopback serves the same pages to all of them (see watch.py), so that what is compared is the clients. Each
side is a process of its own in every round; its memory is the peak of that process. The facts of health and scale are
judged as well, and their processes import what a task imports.

    python benchmarks/reading.py [NODES]
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import watch
from common import ROOT, Result, note, record

sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
ROUNDS = 3
KUBECTL = Path(sys.executable).with_name("kubectl")
# Of time against the bytes alone, and of memory against kubectl.
TIME_AIM = "at most 2"
KUBECTL_AIM = "at most 1"
MEMORY_LIMIT = 250.0


def kubectl(folder: Path, port: int, authority: str) -> tuple[float, float]:
    """``kubectl get nodes,pods -o json`` into nothing; seconds and peak megabytes."""
    config = folder / "kubeconfig"
    ca = base64.b64encode(authority.encode()).decode()
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": ca}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "benchmark",
        "clusters": [{"name": "benchmark", "cluster": cluster}],
        "users": [{"name": "benchmark", "user": {"token": "benchmark"}}],
        "contexts": [{"name": "benchmark", "context": {"cluster": "benchmark", "user": "benchmark"}}],
    }
    config.touch(mode=0o600)
    config.write_text(json.dumps(document))
    command = [str(KUBECTL), f"--kubeconfig={config}", f"--cache-dir={folder / 'cache'}"]
    command += ["get", "nodes,pods", "--all-namespaces", "--output=json"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"kubectl ended with code {process.returncode}"
    return seconds, usage.ru_maxrss / 1024


def ours(spawn: Any, port: int, authority: str, what: str) -> tuple[float, float]:
    """One of watch.py's measurements."""
    result: Any = spawn.Queue()
    child = spawn.Process(target=watch.measure, args=(port, authority, what, result))
    child.start()
    row = result.get(timeout=300)
    child.join()
    if "pods" in row:
        assert row["pods"] == NODES * watch.PODS_PER_NODE, row
    return row["seconds"], row["peak_mb"]


def main() -> int:
    from rehearsal.kubernetes.certificates import issue

    certificate = issue("benchmark")
    spawn = multiprocessing.get_context("spawn")
    seen: dict[str, list[tuple[float, float]]] = {what: [] for what in ("kubectl", "raw", "health", "scale")}
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_text(certificate.certificate)
        key.touch(mode=0o600)
        key.write_text(certificate.key)
        ready: Any = spawn.Queue()
        server = spawn.Process(target=watch.serve, args=(NODES, str(chain), str(key), ready), daemon=True)
        server.start()
        try:
            port = ready.get(timeout=120)
            for _ in range(ROUNDS):
                seen["kubectl"].append(kubectl(Path(folder), port, certificate.authority))
                for what in ("raw", "health", "scale"):
                    seen[what].append(ours(spawn, port, certificate.authority, what))
        finally:
            server.kill()
            server.join()
    medians = {what: tuple(statistics.median(side) for side in zip(*rows, strict=True)) for what, rows in seen.items()}
    setting = f"{NODES:,} nodes, {NODES * watch.PODS_PER_NODE:,} pods"
    labels = {"health": "facts for health, gathered and judged", "scale": "facts for scale, gathered and judged"}
    baselines = {"raw": ("the same bytes, thrown away", TIME_AIM), "kubectl": ("kubectl get -o json", KUBECTL_AIM)}
    for what, label in labels.items():
        for other, (shown, aim) in baselines.items():
            spread = [one[0] / two[0] for one, two in zip(seen[what], seen[other], strict=True)]
            seconds = medians[what][0], medians[other][0]
            result = Result(
                f"reading-{what}-{other}",
                label,
                shown,
                *seconds,
                ROUNDS,
                aim,
                setting,
                spread=(min(spread), max(spread)),
            )
            record(result)
        peaks = medians[what][1], medians["kubectl"][1]
        memory = f"reading-{what}-memory"
        record(
            Result(
                memory, f"{label}: peak memory", "kubectl get -o json", *peaks, ROUNDS, KUBECTL_AIM, setting, unit="MB"
            )
        )
        note(memory, f"aim: under {MEMORY_LIMIT:.0f} MB, {'met' if peaks[0] < MEMORY_LIMIT else 'missed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
