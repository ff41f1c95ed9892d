"""One real control plane: its certificates, its processes, a client with full rights."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client

from rehearsal.controlplane import nodes, volumes
from rehearsal.controlplane.addons import EMULATED_ADDONS
from rehearsal.controlplane.audit import OWN_USER, POLICY, Audit
from rehearsal.controlplane.binaries import Binaries
from rehearsal.controlplane.kubelet import Kubelet
from rehearsal.controlplane.processes import Processes, answers, free_port
from rehearsal.kubernetes.certificates import ServingCertificate, issue

HOST = "127.0.0.1"
# Kubernetes' own: a cold apiserver creates its bootstrap objects first.
_START_SECONDS = 90.0
_ENABLED_ADMISSION = "NodeRestriction,PodSecurity,ResourceQuota,LimitRanger,Priority,ServiceAccount"


class Plane:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok of one cluster.

    :param folder: everything it keeps: etcd's data, certificates, logs.
    :param port: port of the API server on loopback.
    :param webhook: URL that judges bearer tokens by TokenReview.
    """

    host = HOST
    """Address of loopback or a link of this machine on which the API server listens."""
    addon_folders: tuple[Path, ...] = (EMULATED_ADDONS,)
    """Where add-ons' objects are looked for, the first that has them first."""

    def __init__(self, name: str, folder: Path, port: int, webhook: str, binaries: Binaries) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self._webhook = webhook
        self._binaries = binaries
        self._processes = Processes(folder / "logs")
        self._kubelet: Kubelet | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self._certificate()
        # One for people and tests, one for the plane's own parts, so that their calls can be told apart.
        self._tokens = {"rehearsal-admin": self._token("admin-token"), OWN_USER: self._token("own-token")}
        self.audit = Audit(folder / "audit.log")

    @property
    def serves_on(self) -> int:
        """Port of the API server."""
        return self.port

    @property
    def endpoint(self) -> str:
        """URL of the API server."""
        return f"https://{self.host}:{self.serves_on}"

    @property
    def authority(self) -> str:
        """The certificate authority, as EKS gives it: base64 of PEM."""
        return base64.b64encode(self.certificate.authority.encode()).decode()

    def start(self) -> None:
        """Start all processes and return when the API server is ready.

        :raises ProcessError: one of them did not come up.
        """
        etcd, peer = free_port(), free_port()
        ready = self._is_ready()
        self._processes.start("etcd", self._etcd(etcd, peer), answers(etcd), _START_SECONDS)
        self._processes.start("kube-apiserver", self._apiserver(etcd), ready, _START_SECONDS)
        kubeconfig = str(self._kubeconfig())
        self._processes.start(
            "kube-controller-manager", self._controller_manager(kubeconfig), lambda: True, _START_SECONDS
        )
        self._processes.start("kube-scheduler", self._scheduler(kubeconfig), lambda: True, _START_SECONDS)
        self._start_kwok(kubeconfig)

    def _start_kwok(self, kubeconfig: str) -> None:
        kwok, kubelet = free_port(), free_port()
        self._kubelet = Kubelet(HOST, kubelet, self.folder / "apiserver.crt", self.folder / "apiserver.key")
        self._processes.start("kwok", self._kwok(kubeconfig, kwok, kubelet), answers(kwok), _START_SECONDS)

    def stop(self) -> None:
        """Stop all processes; the data stays."""
        if self._kubelet is not None:
            self._kubelet.stop()
            self._kubelet = None
        self._processes.stop()

    def discard(self) -> None:
        """Stop all processes for good: what the cluster kept is deleted next."""
        self.stop()

    def put_group(self, region: str, group: str, spec: dict[str, Any]) -> None:
        """Have the nodes of a group."""
        nodes.reconcile(self.api(), self.name, region, group, spec)

    def delete_group(self, group: str) -> None:
        """Remove the nodes of a group."""
        nodes.remove_group(self.api(), group)

    def resume(self, region: str, groups: dict[str, dict[str, Any]]) -> None:
        """Have the nodes of all groups again after a restart; those of kwok come back with it."""

    def tend(self, disks: bool) -> None:
        """What has to be looked after every second.

        :param disks: whether the driver that makes disks is installed.
        """
        if disks:
            volumes.provision(self.api(), volumes.ebs)

    def api(self) -> client.ApiClient:
        """A client with full rights."""
        configuration = client.Configuration()
        configuration.host = self.endpoint
        configuration.ssl_ca_cert = str(self._write("ca.crt", self.certificate.authority))
        configuration.api_key = {"authorization": f"Bearer {self._tokens[OWN_USER]}"}
        return client.ApiClient(configuration)

    def _certificate(self) -> ServingCertificate:
        kept = self.folder / "certificate.json"
        if not kept.is_file():
            self._write(kept.name, json.dumps(asdict(issue(self.name))))
        return ServingCertificate(**json.loads(kept.read_text()))

    def _token(self, name: str) -> str:
        kept = self.folder / name
        if not kept.is_file():
            self._write(kept.name, secrets.token_urlsafe(32))
        return kept.read_text()

    def _write(self, name: str, text: str) -> Path:
        """Write a file that only its owner may read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def _kubeconfig(self) -> Path:
        return self._write(
            "own.kubeconfig",
            _kubeconfig(
                self.endpoint, {"token": self._tokens[OWN_USER]}, {"certificate-authority-data": self.authority}
            ),
        )

    def _etcd(self, port: int, peer: int) -> list[str]:
        urls = f"http://{HOST}:{port}", f"http://{HOST}:{peer}"
        return [
            self._binaries.path("etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={urls[0]}",
            f"--advertise-client-urls={urls[0]}",
            f"--listen-peer-urls={urls[1]}",
            f"--initial-advertise-peer-urls={urls[1]}",
            f"--initial-cluster=default={urls[1]}",
            "--force-new-cluster" if (self.folder / "etcd").exists() else "--initial-cluster-state=new",
            # A rehearsal outlives a restart, not a power cut, and syncing every write would dominate its time.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver(self, etcd: int) -> list[str]:
        key = self._service_account_key()
        tokens = self._write(
            "tokens.csv", "".join(f"{token},{name},{name},system:masters\n" for name, token in self._tokens.items())
        )
        webhook = self._write("token-webhook.kubeconfig", _kubeconfig(self._webhook, {}, {}))
        return [
            self._binaries.path("kube-apiserver"),
            f"--etcd-servers=http://{HOST}:{etcd}",
            f"--bind-address={self.host}",
            f"--secure-port={self.serves_on}",
            f"--tls-cert-file={self._write('apiserver.crt', self.certificate.certificate)}",
            f"--tls-private-key-file={self._write('apiserver.key', self.certificate.key)}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.100.0.0/16",
            f"--token-auth-file={tokens}",
            f"--authentication-token-webhook-config-file={webhook}",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=5s",
            "--authorization-mode=Node,RBAC",
            f"--enable-admission-plugins={_ENABLED_ADMISSION}",
            "--allow-privileged=true",
            *self._towards_nodes(),
            f"--audit-policy-file={self._write('audit-policy.json', json.dumps(POLICY))}",
            f"--audit-log-path={self.folder / 'audit.log'}",
            "--v=1",
        ]

    def _towards_nodes(self) -> list[str]:
        """Options of the API server that say how it reaches kubelets."""
        # The simulated kubelets all listen here, whatever address EC2 gave their nodes.
        return ["--kubelet-preferred-address-types=ExternalDNS"]

    def _service_account_key(self) -> Path:
        path = self.folder / "service-account.key"
        if not path.is_file():
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            )
            self._write(path.name, pem.decode())
        return path

    def _controller_manager(self, kubeconfig: str) -> list[str]:
        authority = self._write("ca.crt", self.certificate.authority)
        return [
            self._binaries.path("kube-controller-manager"),
            f"--kubeconfig={kubeconfig}",
            f"--root-ca-file={authority}",
            f"--service-account-private-key-file={self._service_account_key()}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            f"--bind-address={HOST}",
            f"--secure-port={free_port()}",
            "--controllers=*,bootstrapsigner,tokencleaner",
            "--v=1",
        ]

    def _scheduler(self, kubeconfig: str) -> list[str]:
        return [
            self._binaries.path("kube-scheduler"),
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            f"--bind-address={HOST}",
            f"--secure-port={free_port()}",
            "--v=1",
        ]

    def _kwok(self, kubeconfig: str, port: int, kubelet: int) -> list[str]:
        return [
            self._binaries.path("kwok"),
            f"--kubeconfig={kubeconfig}",
            f"--config={Path(__file__).with_name('stages.yaml')}",
            "--manage-all-nodes=true",
            "--cidr=100.64.0.0/16",
            f"--server-address={HOST}:{port}",
            f"--node-ip={HOST}",
            f"--node-port={kubelet}",
            "--node-lease-duration-seconds=40",
        ]

    def _is_ready(self) -> Callable[[], bool]:
        context = ssl.create_default_context(cadata=self.certificate.authority)

        def ready() -> bool:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/readyz", context=context, timeout=2) as answer:  # noqa: S310
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        return ready


def _kubeconfig(server: str, user: dict[str, str], cluster: dict[str, str]) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "rehearsal", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "rehearsal", "user": user}],
            "contexts": [{"name": "rehearsal", "context": {"cluster": "rehearsal", "user": "rehearsal"}}],
            "current-context": "rehearsal",
        }
    )
