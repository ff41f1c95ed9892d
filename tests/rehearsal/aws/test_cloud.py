"""Both processes under one supervisor: start, use, stop, and nothing left."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from rehearsal.cloud import Cloud, CloudError
from tests.rehearsal.aws.conftest import Aws, Clients, Platform

_ROOT = Path(__file__).parents[3]


class Running(Clients):
    """A started cloud with clients for its AWS side."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud.env["AWS_ENDPOINT_URL"])
        self.cloud = cloud


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=1200) as cloud:
        yield Running(cloud)


def _command(cloud: Cloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rehearsal.cloud", *arguments],
        env={**os.environ, **cloud.env},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_kubectl_reaches_a_cluster_that_eks_made(running: Running) -> None:
    early = _command(running.cloud, "kubeconfig")
    assert early.returncode == 1
    assert "there is no cluster" in early.stderr
    platform = Platform(running)
    eks = running.client("eks")
    eks.create_cluster(**platform.cluster_request(bootstrapSelfManagedAddons=False))
    Aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE", 60)
    for addon in ("vpc-cni", "kube-proxy"):
        eks.create_addon(clusterName="slipway-dev", addonName=addon)
    eks.create_nodegroup(**platform.nodegroup_request())
    names = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
    Aws.until(lambda: eks.describe_nodegroup(**names)["nodegroup"]["status"] == "ACTIVE", 60)

    config = yaml.safe_load(_command(running.cloud, "kubeconfig", "slipway-dev").stdout)
    user = config["users"][0]["user"]["exec"]
    assert user["args"] == ["-m", "rehearsal.cloud", "token", "slipway-dev"]
    assert config["current-context"] == "slipway-dev"
    credential = json.loads(_command(running.cloud, "token", "slipway-dev").stdout)
    assert credential["kind"] == "ExecCredential"
    nodes = _kubernetes(config, credential["status"]["token"], "/api/v1/nodes")
    assert len(nodes["items"]) == 2
    pages = running.client("ec2").describe_instances()["Reservations"]
    instances = {i["InstanceId"]: i for page in pages for i in page["Instances"]}
    for node in nodes["items"]:
        instance = instances.pop(node["spec"]["providerID"].rsplit("/", 1)[-1])
        assert node["metadata"]["name"] == instance["PrivateDnsName"]
        assert {"type": "InternalIP", "address": instance["PrivateIpAddress"]} in node["status"]["addresses"]
        assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == instance["Placement"]["AvailabilityZone"]
    assert not instances
    assert nodes["items"][0]["status"]["capacity"]["pods"] == "17"
    Aws.until(lambda: eks.describe_addon(clusterName="slipway-dev", addonName="vpc-cni")["addon"]["status"] == "ACTIVE")


def _kubernetes(config: dict[str, Any], token: str, path: str) -> dict[str, Any]:
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    request = urllib.request.Request(cluster["server"] + path, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
        found: dict[str, Any] = json.loads(answer.read())
        return found


def test_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=f"port {port} is taken .* REHEARSAL_ADMIN_PORT=<port>"):
            Cloud(aws_port=0, kubernetes_port=0, admin_port=port).start()


def test_ports_and_speed_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSAL_AWS_PORT", "5599")
    monkeypatch.setenv("REHEARSAL_SPEED", "7")
    cloud = Cloud()
    assert cloud.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5599"
    assert cloud.speed == 7
    assert cloud.kubernetes_port == int(os.environ.get("REHEARSAL_KUBERNETES_PORT") or 6443)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_the_supervisor_ends(number: signal.Signals) -> None:
    ports = {name: str(_free()) for name in ("REHEARSAL_AWS_PORT", "REHEARSAL_KUBERNETES_PORT", "REHEARSAL_ADMIN_PORT")}
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "rehearsal.cloud", "up"],
        cwd=_ROOT,
        env={**os.environ, **ports},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert supervisor.stdout is not None
        lines = [supervisor.stdout.readline() for _ in range(4)]
        assert lines[0] == f"export AWS_ENDPOINT_URL=http://127.0.0.1:{ports['REHEARSAL_AWS_PORT']}\n"
        children = psutil.Process(supervisor.pid).children()
        assert len(children) == 2
    finally:
        supervisor.send_signal(number)
        supervisor.wait(timeout=30)
        supervisor.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
