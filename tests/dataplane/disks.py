"""A volume that is full: disks of real nodes are folders without a size, so a small one is put in a folder's place."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.dataplane.running import Running, eventually

SPARE_MEBIBYTES = 24


@contextmanager
def full(platform: Running, namespace: str, statefulset: str, claim: str, left: int) -> Iterator[None]:
    """Have a StatefulSet's one pod run on a full disk for a while; its data is what it was afterwards.

    :param left: bytes that are still free once it is Ready, for what it writes by itself.
    """
    folder, node = _place(platform, namespace, claim)
    workload = f"statefulset/{statefulset}"
    with platform.scaled(namespace, workload, 0):
        _gone(platform, namespace, statefulset)
        copy = f"/run/{claim}"
        _on(
            node,
            f"cp -a {folder} {copy}; size=$(($(du -sk {copy} | cut -f1) + {SPARE_MEBIBYTES} * 1024))k; "
            f"mount -t tmpfs -o size=$size tmpfs {folder} && cp -a {copy}/. {folder}/ && "
            f"chown --reference={copy} {folder} && chmod --reference={copy} {folder}",
        )
        try:
            platform.kubectl("scale", "-n", namespace, workload, "--replicas=1")
            platform.settled(namespace, workload)
            _on(node, f"head -c $(($(df -B1 --output=avail {folder} | tail -1) - {left})) /dev/zero >{folder}/filler")
            yield
        finally:
            platform.kubectl("scale", "-n", namespace, workload, "--replicas=0")
            _gone(platform, namespace, statefulset)
            _on(node, f"umount -l {folder}; rm -rf {copy}")


def _gone(platform: Running, namespace: str, statefulset: str) -> None:
    pod = ("-n", namespace, "pod", f"{statefulset}-0", "--ignore-not-found", "-o", "name")
    eventually(lambda: not platform.kubectl("get", *pod).strip(), 180, pause=2)


def _place(platform: Running, namespace: str, claim: str) -> tuple[str, str]:
    """Folder and node of a claim's volume."""
    name = platform.kubectl("get", "-n", namespace, f"pvc/{claim}", "-o", "jsonpath={.spec.volumeName}")
    volume = json.loads(platform.kubectl("get", f"pv/{name}", "-o", "json"))["spec"]
    (term,) = volume["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return volume["local"]["path"], term["matchExpressions"][0]["values"][0]


def _on(node: str, script: str) -> None:
    """Run a script where the node's kubelet mounts volumes."""
    command = ["nsenter", f"--target={_first_process(node)}", "--mount", "sh", "-ec", script]
    subprocess.run(command, check=True, timeout=120)


def _first_process(node: str) -> int:
    """The node's process 1, as this machine counts."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sh" and words[1].endswith(b"/machine.sh") and words[3] == node.encode():
            return int(path.parent.name)
    raise AssertionError(f"no process of node {node} on this machine")
