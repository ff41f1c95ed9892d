"""A cluster of real nodes by itself, for kubectl: ``python -m rehearsal.node.alone up`` and, elsewhere, ``down``.

`make run CLUSTER=real` makes such a cluster through EKS' API; this one is made without it, with one node in each of
three zones, cluster DNS and disks. Everything is in ``.run/cluster`` and is removed when it ends.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from rehearsal.cloud import Cloud, CloudError
from rehearsal.node import needs, store

FOLDER = Path(__file__).parents[2] / ".run" / "cluster"
NAME, REGION = "real", "us-east-1"
_PATH = f"/clusters/{REGION}.{NAME}"
_ADDONS = ("vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver")
_READY_SECONDS = 180.0
_STOP_SECONDS = 60.0
_NODE = {
    "instanceType": "t3.large",
    "capacityType": "ON_DEMAND",
    "capacity": {"cpu": "2", "memory": "8Gi", "pods": "35"},
    "zones": [f"{REGION}{zone}" for zone in "abc"],
    "labels": {},
    "taints": [],
    "version": "1.36",
}


def main() -> int:
    """Run one of the commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.node.alone", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--nodes", type=int, default=3, help="default 3")
    options = parser.parse_args()
    try:
        return _down() if options.command == "down" else _up(options.nodes)
    except (CloudError, needs.NeedError, store.StoreError, httpx.HTTPError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(count: int) -> int:
    needs.require()
    pid = FOLDER / "pid"
    if _runs(pid):
        raise CloudError(f"a cluster runs already (process {pid.read_text()}): make cluster-down ends it")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, mode=0o700)
    pid.write_text(str(os.getpid()))
    print(f"{len(store.fill(store.default_folder()))} images are in the store; make images builds more", flush=True)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, state=FOLDER / "state", cluster="real") as cloud:
            began = time.monotonic()
            _make(cloud, count)
            _await_ready(cloud, count, stopping)
            took = time.monotonic() - began
            print(f"ready after {took:.0f} s: export KUBECONFIG={FOLDER}/kubeconfig\nCtrl-C ends it", flush=True)
            while not stopping.wait(0.5):
                cloud.require_running()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    return 0


def _down() -> int:
    pid = FOLDER / "pid"
    if not _runs(pid):
        print("no cluster runs")
        return 0
    os.kill(int(pid.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while FOLDER.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the cluster did not end within {_STOP_SECONDS:.0f} s; see {FOLDER}/state")
        time.sleep(0.2)
    print("ended")
    return 0


def _runs(pid: Path) -> bool:
    with suppress(OSError, ValueError):
        return b"rehearsal.node.alone" in Path(f"/proc/{int(pid.read_text())}/cmdline").read_bytes()
    return False


def _make(cloud: Cloud, count: int) -> None:
    spec = {"name": NAME, "region": REGION, "version": "1.36", "creatorArn": "", "bootstrapCreatorAdmin": False}
    made = _put(cloud, _PATH, spec)
    for addon in _ADDONS:
        _put(cloud, f"{_PATH}/addons/{addon}", {"version": "v1"})
    instances = [
        {
            "instanceId": f"i-{index:017x}",
            "zone": _NODE["zones"][index % 3],  # type: ignore[index]
            "privateDnsName": f"ip-10-20-{index}-4.ec2.internal",
            "privateIpAddress": f"10.20.{index}.4",
        }
        for index in range(count)
    ]
    _put(cloud, f"{_PATH}/nodegroups/primary", {**_NODE, "desired": count, "instances": instances})
    (token,) = (FOLDER / "state").rglob("admin-token")
    _write_kubeconfig(made, token.read_text())


def _put(cloud: Cloud, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.put(cloud.admin_url + path, json=body, timeout=120, trust_env=False)
    answer.raise_for_status()
    return dict(answer.json())


def _await_ready(cloud: Cloud, count: int, stopping: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stopping.wait(0.5):
        nodes = httpx.get(f"{cloud.admin_url}{_PATH}/nodegroups/primary", timeout=30, trust_env=False).json()["nodes"]
        dns = httpx.get(f"{cloud.admin_url}{_PATH}/addons/coredns", timeout=30, trust_env=False).json()
        if sum(node["ready"] for node in nodes) == count and dns["ready"]:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {_READY_SECONDS:.0f} s: {nodes}, DNS: {dns['issues']}")


def _write_kubeconfig(made: dict[str, Any], token: str) -> None:
    cluster = {"server": made["endpoint"], "certificate-authority-data": made["certificateAuthority"]}
    path = FOLDER / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": NAME, "cluster": cluster}],
                "users": [{"name": NAME, "user": {"token": token}}],
                "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
                "current-context": NAME,
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main())
