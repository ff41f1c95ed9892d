"""A cluster that is up already. Its API server must ask ``/review`` of the admin API who the bearer of a token is.

Nodes cannot be made: they wait in a pool, labelled and tainted so, and a node group takes as many as it wants. A node
that its group gives back is drained and its Node deleted; it is in the pool again when its agent is restarted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from rehearsal.controlplane import nodes
from rehearsal.controlplane.audit import Audit
from rehearsal.controlplane.binaries import Binaries
from rehearsal.controlplane.plane import Plane
from rehearsal.controlplane.processes import ProcessError

log = logging.getLogger(__name__)
VARIABLE = "REHEARSAL_KUBECONFIG"
POOL = "slipway.dev/pool"
"""Label and taint of a node that no group has taken."""
ADDONS = Path(__file__).with_name("addons")
# What a real node brings itself, add-ons of EKS need not; k3s and the rehearsal's own nodes agree in that.
REAL_ADDONS = Path(__file__).parents[1] / "node" / "addons"
_START_SECONDS = 240.0
_POLL_SECONDS = 0.5
# What is there before a platform comes.
_OWN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
_ONE = threading.Lock()
# Facts of the machine; what a group says of them would be untrue.
_KUBELETS_OWN = frozenset({"kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname"})


class AttachedPlane(Plane):
    """The cluster of the kubeconfig that ``REHEARSAL_KUBECONFIG`` names. There is one, so one EKS cluster has it."""

    addon_folders = (ADDONS, REAL_ADDONS)

    def __init__(self, name: str, folder: Path, port: int, webhook: str, binaries: Binaries) -> None:
        # Not Plane's own: it would make certificates and tokens of a control plane that is not ours.
        self.name = name
        self.folder = folder
        self.port = port
        self.audit = Audit(folder / "audit.log")
        self._mine = False
        self._short: dict[str, tuple[str, dict[str, Any]]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def endpoint(self) -> str:
        """URL of the API server."""
        return str(self._cluster()["server"])

    @property
    def authority(self) -> str:
        """The certificate authority, base64 of PEM."""
        return str(self._cluster()["certificate-authority-data"])

    def start(self) -> None:
        """Take the cluster, and return when its API server is ready.

        :raises ProcessError: it is taken, or does not get ready.
        """
        if not _ONE.acquire(blocking=False):
            raise ProcessError(
                "the attached Kubernetes is one cluster and has been taken: delete that EKS cluster first"
            )
        self._mine = True
        deadline = time.monotonic() + _START_SECONDS
        while (problem := self._problem()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if problem:
            self.stop()
            raise ProcessError(f"the attached Kubernetes is not ready after {_START_SECONDS:.0f} s: {problem}")

    def stop(self) -> None:
        """Let go of the cluster; it stays as it is."""
        if self._mine:
            self._mine = False
            _ONE.release()

    def discard(self) -> None:
        """Empty the cluster, as it cannot be deleted: its nodes leave it, and everybody's namespaces go."""
        core = client.CoreV1Api(self.api())
        for node in core.list_node(label_selector=nodes.GROUP_LABEL).items:
            nodes.remove(core, node.metadata.name)
        for namespace in core.list_namespace().items:
            if namespace.metadata.name not in _OWN_NAMESPACES:
                core.delete_namespace(namespace.metadata.name)
        self.stop()

    def put_group(self, region: str, group: str, spec: dict[str, Any]) -> None:
        """Take nodes out of the pool for a group's instances, and give back those of instances that went."""
        core = client.CoreV1Api(self.api())
        wanted = {machine.provider_id: machine for machine in nodes.machines(self.name, region, group, spec)}
        for node in core.list_node(label_selector=f"{nodes.GROUP_LABEL}={group}").items:
            if wanted.pop(node.spec.provider_id, None) is None:
                nodes.remove(core, node.metadata.name)
            else:
                self._label(core, node, region, group, spec, node.metadata.labels["topology.kubernetes.io/zone"])
        free = sorted(core.list_node(label_selector=POOL).items, key=lambda node: str(node.metadata.name))
        for machine, node in zip(wanted.values(), free, strict=False):
            core.patch_node(node.metadata.name, {"spec": {"providerID": machine.provider_id}})
            self._label(core, node, region, group, spec, machine.zone)
        self._short.pop(group, None)
        if len(free) < len(wanted):
            log.warning("%s wants %d more nodes, the pool has %d", group, len(wanted), len(free))
            self._short[group] = (region, spec)

    def delete_group(self, group: str) -> None:
        """Give back the group's nodes."""
        self._short.pop(group, None)
        super().delete_group(group)

    def tend(self, disks: bool) -> None:
        """Look for nodes that have come since a group wanted them; the rest is done in the cluster."""
        for group, (region, spec) in list(self._short.items()):
            self.put_group(region, group, spec)

    def api(self) -> client.ApiClient:
        """A client with full rights."""
        return config.new_client_from_config(config_file=str(_kubeconfig()))

    def _cluster(self) -> dict[str, Any]:
        document = yaml.safe_load(_kubeconfig().read_text())
        return dict(document["clusters"][0]["cluster"])

    def _problem(self) -> str:
        """Why the API server is not ready; empty when it is."""
        try:
            client.CoreV1Api(self.api()).list_namespace(limit=1, _request_timeout=5)
        except (ApiException, OSError, config.ConfigException, KeyError, TypeError) as error:
            return str(error) or type(error).__name__
        except Exception as error:  # urllib3 has a family of its own
            return f"{type(error).__name__}: {error}"
        return ""

    @staticmethod
    def _label(core: client.CoreV1Api, node: Any, region: str, group: str, spec: dict[str, Any], zone: str) -> None:
        machine = nodes.Machine(node.metadata.name, zone, "", "")
        described = nodes.described(machine, region, group, spec)
        labels = {key: value for key, value in described["metadata"]["labels"].items() if key not in _KUBELETS_OWN}
        core.patch_node(
            node.metadata.name,
            {"metadata": {"labels": {**labels, POOL: None}}, "spec": {"taints": described["spec"]["taints"]}},
        )


def _kubeconfig() -> Path:
    named = os.environ.get(VARIABLE)
    if not named:
        raise ProcessError(f"{VARIABLE} names no kubeconfig of the Kubernetes to attach")
    return Path(named)
