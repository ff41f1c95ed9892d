"""What the tests of the emulated control plane share: processes, clients, small objects."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import kubernetes.client as k8s
import pytest
import yaml
from kubernetes.dynamic import DynamicClient

ROOT = Path(__file__).parents[3]
SPEED = 600
# The same tests against Kubernetes' own control plane: SLIPWAY_PLANE=rehearsal.controlplane
PLANE = os.environ.get("SLIPWAY_PLANE", "rehearsal.kubernetes")
CREATOR = "arn:aws:iam::123456789012:user/creator"
NODE = {
    "instanceType": "t3.medium",
    "capacityType": "ON_DEMAND",
    "capacity": {"cpu": "2", "memory": "4Gi", "pods": "17", "ephemeral-storage": "30Gi"},
    "version": "1.36",
}


def free_port() -> int:
    """A port that the system gives to nobody else meanwhile: tests run in several processes at a time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FakeSts(BaseHTTPRequestHandler):
    """Answers GetCallerIdentity: the access key id names the user; ``bad`` ones are refused."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        key = query.get("X-Amz-Credential", [""])[0].split("/")[0]
        code = 403 if key.startswith("bad") else 200
        arn = f"arn:aws:sts::123456789012:user/{key}"
        if key.startswith("role-"):
            arn = f"arn:aws:sts::123456789012:assumed-role/{key.removeprefix('role-')}/session"
        body = f"<GetCallerIdentityResponse><Arn>{arn}</Arn></GetCallerIdentityResponse>".encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@dataclass
class Process:
    """A running ``python -m rehearsal.kubernetes``."""

    state: Path
    sts: str
    speed: float = SPEED
    admin: str = ""
    _child: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> Process:
        admin_port = free_port()
        self.admin = f"http://127.0.0.1:{admin_port}"
        command = [sys.executable, "-m", PLANE, "--admin-port", str(admin_port)]
        command += ["--port", str(free_port()), "--sts-endpoint", self.sts]
        command += ["--state", str(self.state), "--speed", str(self.speed)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"AWS_ACCESS_KEY_ID": "creator", "AWS_SECRET_ACCESS_KEY": "secret-of-creator"}
        self._child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line.startswith("ready"), line
        return self

    def stop(self) -> int:
        assert self._child is not None
        assert self._child.stdout is not None
        self._child.send_signal(signal.SIGTERM)
        code = self._child.wait(15)
        self._child.stdout.close()
        return code

    def call(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = httpx.request(method, self.admin + path, json=body, timeout=30, trust_env=False)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None


class ClusterUnderTest:
    """One cluster with clients for it."""

    def __init__(self, process: Process, name: str) -> None:
        self.process, self.name = process, name
        self.path = f"/clusters/us-east-1.{name}"
        body = {"name": name, "region": "us-east-1", "version": "1.36", "creatorArn": CREATOR}
        self.info = process.call("PUT", self.path, {**body, "bootstrapCreatorAdmin": True})

    def admin_token(self) -> str:
        def read() -> str:
            found = [p for p in self.process.state.rglob("*admin-token") if f"us-east-1.{self.name}" in str(p)]
            return found[0].read_text() if found else ""

        return str(eventually(read))

    def client(self, token: str) -> k8s.ApiClient:
        configuration = k8s.Configuration(host=self.info["endpoint"])
        configuration.ssl_ca_cert = str(self._authority())
        configuration.api_key["BearerToken"] = token
        configuration.api_key_prefix["BearerToken"] = "Bearer"
        return k8s.ApiClient(configuration)

    def _authority(self) -> Path:
        path = self.process.state / f"{self.name}.crt"
        path.write_bytes(base64.b64decode(self.info["certificateAuthority"]))
        return path

    def http(self, token: str) -> httpx.Client:
        """A plain HTTPS client."""
        context = ssl.create_default_context(cafile=str(self._authority()))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.info["endpoint"], verify=context, headers=headers, trust_env=False, timeout=30
        )

    def kubeconfig(self, token: str) -> Path:
        path = self.process.state / f"{self.name}-{uuid.uuid4().hex[:6]}.kubeconfig"
        cluster = {
            "server": self.info["endpoint"],
            "certificate-authority-data": self.info["certificateAuthority"],
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def node_group(self, name: str, desired: int, **changes: Any) -> Any:
        body = {
            **NODE,
            "desired": desired,
            "zones": ["us-east-1a", "us-east-1b"],
            "labels": {},
            "taints": [],
            **changes,
        }
        return self.process.call("PUT", f"{self.path}/nodegroups/{name}", body)

    def add_on(self, name: str) -> None:
        self.process.call("PUT", f"{self.path}/addons/{name}", {"version": "v1.0.0-eksbuild.1"})


def eventually(test: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first truthy result of ``test``, which may raise until then."""
    end = time.monotonic() + seconds
    while True:
        try:
            if result := test():
                return result
        except (AssertionError, k8s.ApiException, OSError):
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            raise AssertionError(f"not so within {seconds} s")
        time.sleep(0.05)


@dataclass
class Result:
    """What a kubectl call gave."""

    code: int
    out: str
    err: str


class Kubectl:
    """Runs the kubectl of this environment."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def __call__(self, *arguments: str, stdin: Any = None, ok: bool | None = True) -> Result:
        text = None
        if stdin is not None:
            documents = stdin if isinstance(stdin, list) else [stdin]
            text = yaml.safe_dump_all(documents)
        environment = {**os.environ, "KUBECONFIG": str(self.config), "HOME": str(self.config.parent)}
        program = Path(sys.executable).parent / "kubectl"
        done = subprocess.run(
            [program, *arguments], env=environment, input=text, capture_output=True, text=True, timeout=60
        )
        if ok is not None:
            assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return Result(done.returncode, done.stdout, done.stderr)


def deployment(
    name: str, namespace: str, replicas: int = 1, image: str = "registry.example/app:1", **pod: Any
) -> dict[str, Any]:
    """A small Deployment; ``pod`` adds to its pod spec."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": image}], **pod},
            },
        },
    }


def config_map(name: str, namespace: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def refused(call: Callable[[], Any]) -> dict[str, Any]:
    """The Status a call is answered with."""
    with pytest.raises(k8s.ApiException) as caught:
        call()
    status: dict[str, Any] = json.loads(caught.value.body)
    assert status["code"] == caught.value.status
    return status


def apply(
    dynamic: DynamicClient, body: dict[str, Any], manager: str, force: bool = False, **query: Any
) -> dict[str, Any]:
    """Server-side apply through the dynamic client."""
    resource = dynamic.resources.get(api_version=body["apiVersion"], kind=body["kind"])
    done = resource.server_side_apply(
        body=body,
        name=body["metadata"]["name"],
        namespace=body["metadata"].get("namespace"),
        field_manager=manager,
        force_conflicts=force,
        **query,
    )
    return dict(done.to_dict())


def owners(obj: dict[str, Any]) -> dict[str, Any]:
    """Field sets by manager."""
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def squeezed(text: str) -> str:
    """Runs of blanks as one."""
    return re.sub(r"[ \t]+", " ", text)
