"""A cluster of the rehearsal cloud for a benchmark, and how the two clients reach it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
from common import ROOT

from rehearsal.cloud import Cloud, CloudError
from rehearsal.kubeconfig import token

NAME = "benchmark"
ID = f"us-east-1.{NAME}"
KUBECTL = Path(sys.executable).with_name("kubectl")


@dataclass(frozen=True)
class Cluster:
    """One API server.

    :param kind: ``kube-apiserver``, or ``emulated`` where its programs are not here and cannot be built.
    :param authority: PEM of the authority of its certificate.
    """

    kind: str
    port: int
    authority: str

    @property
    def token(self) -> str:
        """A token for one call; it is good for a minute."""
        return token(NAME)

    def url(self, port: int | None = None) -> str:
        """Its address, or that of a proxy before it."""
        return f"https://127.0.0.1:{port or self.port}"

    def kubectl(self, folder: Path, port: int | None = None) -> list[str]:
        """The start of a kubectl command. Its token is given: an exec plugin would be measured otherwise."""
        config = folder / f"kubeconfig-{port or self.port}"
        ca = base64.b64encode(self.authority.encode()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": NAME,
            "clusters": [{"name": NAME, "cluster": {"server": self.url(port), "certificate-authority-data": ca}}],
            "users": [{"name": NAME, "user": {"token": self.token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        }
        config.touch(mode=0o600)
        config.write_text(json.dumps(document))
        return [str(KUBECTL), f"--kubeconfig={config}", f"--cache-dir={folder / 'cache'}"]


@contextlib.contextmanager
def cluster(first_port: int) -> Iterator[Cluster]:
    """Start a cluster on three ports from ``first_port`` on, and stop it afterwards."""
    with tempfile.TemporaryDirectory() as state:
        for kind, shown in (("control-plane", "kube-apiserver"), ("emulated", "emulated")):
            cloud = Cloud(
                aws_port=first_port,
                admin_port=first_port + 1,
                kubernetes_port=first_port + 2,
                state=Path(state) / kind,
                cluster=kind,
            )
            try:
                with cloud:
                    yield _create(cloud, shown)
                return
            except _NotHereError as error:
                sys.stderr.write(f"No real control plane here, the emulated one is measured: {error}\n")


class _NotHereError(RuntimeError):
    """This kind of cluster cannot be had on this machine."""


def _create(cloud: Cloud, kind: str) -> Cluster:
    os.environ.update(cloud.env)
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=cloud.env["AWS_ENDPOINT_URL"])
    creator = sts.get_caller_identity()["Arn"]
    body = {
        "name": NAME,
        "region": "us-east-1",
        "version": "1.36",
        "creatorArn": creator,
        "bootstrapCreatorAdmin": True,
    }
    try:
        _call(cloud, "PUT", "", body)
    except (OSError, CloudError) as error:
        if kind == "kube-apiserver":
            raise _NotHereError(str(error)) from error
        raise
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    policies = [{"policyArn": policy, "scope": {"type": "cluster"}}]
    entry = {"principalArn": creator, "username": "benchmark", "groups": [], "policies": policies}
    _call(cloud, "PUT", "/access", {"entries": [entry]})
    found = _call(cloud, "GET", "", None)
    authority = base64.b64decode(found["certificateAuthority"]).decode()
    return Cluster(kind, int(found["endpoint"].rsplit(":", 1)[1]), authority)


def _call(cloud: Cloud, method: str, path: str, body: object) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{cloud.admin_url}/clusters/{ID}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=180) as answer:  # noqa: S310 - loopback
        return dict(json.loads(answer.read() or b"{}"))


@contextlib.contextmanager
def far_away(port: int, target: int, milliseconds: int) -> Iterator[None]:
    """Let ``port`` lead to ``target`` with a round trip of so many milliseconds."""
    command = [sys.executable, str(ROOT / "benchmarks" / "delay.py"), str(port), str(target), str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            if proxy.stdout is None or proxy.stdout.readline() != "ready\n":
                raise RuntimeError(f"the proxy on port {port} did not start")
            yield
        finally:
            proxy.terminate()
