"""A real control plane with real nodes: one set of namespaces with containerd and kubelet for each EC2 instance."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from kubernetes import client

from rehearsal.controlplane import nodes, volumes
from rehearsal.controlplane.binaries import Binaries
from rehearsal.controlplane.nodes import Machine as Instance
from rehearsal.controlplane.plane import Plane
from rehearsal.kubernetes.certificates import ServingCertificate
from rehearsal.node import machine, needs, simulation, store
from rehearsal.node.configuration import Credentials, Wanted
from rehearsal.node.machine import Machine
from rehearsal.node.network import Network, NetworkError, Place
from rehearsal.node.pki import Authority, Pair
from rehearsal.node.policies import Policies, listed
from rehearsal.node.volumes import Folders

log = logging.getLogger(__name__)
ADDONS = Path(__file__).with_name("addons")
_SERVED_AS = (
    "localhost",
    "127.0.0.1",
    "10.100.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
# Between two starts of a machine that ends again and again.
_RESTART_SECONDS = 10.0
_ONE = threading.Lock()


class RealPlane(Plane):
    """Like `Plane`, but the nodes of its node groups run containers.

    Nodes have addresses of the VPC, which two clusters may share, so one process has one such cluster at a time.
    """

    addon_folders = (ADDONS,)

    def __init__(self, name: str, folder: Path, port: int, webhook: str, binaries: Binaries) -> None:
        # 100.64.0.0/10 is for networks between a provider and its customers; nobody routes to it from here.
        self.host = f"100.127.{port % 250 + 1}.1"
        self._network = Network(f"slipway{port}", self.host, folder / "logs")
        self._authority = Authority(folder / "pki", name)
        self._front = Authority(folder / "front-proxy", f"{name}-front-proxy")
        self._folders = Folders(folder / "volumes")
        self._machines: dict[str, Machine] = {}
        # Copying the images takes seconds, and EKS' side waits for answers; one after the other, as they share a disk.
        self._starters = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-node")
        self._starting: dict[str, Future[None]] = {}
        self._groups: dict[str, set[str]] = {}
        self._policies = Policies()
        self._images = simulation.names(store.references(store.default_folder()))
        self._simulated: set[str] = set()
        self._plugins = needs.plugins()
        super().__init__(name, folder, port, webhook, binaries)

    @property
    def serves_on(self) -> int:
        """As EKS: policies that let pods reach the API name this port."""
        return 443

    def start(self) -> None:
        """Start network and control plane.

        :raises NetworkError: the network could not be made, or another cluster with real nodes runs.
        """
        if not _ONE.acquire(blocking=False):
            raise NetworkError("a cluster with real nodes runs already: delete it first, or use CLUSTER=control-plane")
        try:
            self._network.up()
            super().start()
            simulation.set_up(self.api(), self._images)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End nodes, control plane and network; what they keep stays."""
        self._starters.shutdown(wait=True, cancel_futures=True)
        for one in self._machines.values():
            one.end(self._network)
        super().stop()
        self._network.down()
        if _ONE.locked():
            _ONE.release()

    def put_group(self, region: str, group: str, spec: dict[str, Any]) -> None:
        """Have a machine, and its Node, for each instance of the group."""
        wanted = {one.name: one for one in nodes.machines(self.name, region, group, spec)}
        nodes.reconcile(self.api(), self.name, region, group, spec, simulated=False)
        for name in self._groups.get(group, set()) - set(wanted):
            self._remove(name)
        self._groups[group] = set(wanted)
        for name, instance in wanted.items():
            if name not in self._machines:
                self._machines[name] = self._machine(instance, spec)
                self._start(self._machines[name])

    def delete_group(self, group: str) -> None:
        """Remove the group's Nodes and machines."""
        super().delete_group(group)
        for name in self._groups.pop(group, set()):
            self._remove(name)

    def resume(self, region: str, groups: dict[str, dict[str, Any]]) -> None:
        """Start all machines again."""
        for group, spec in groups.items():
            self.put_group(region, group, spec)

    def tend(self, disks: bool) -> None:
        """Make and delete volumes; have network policies obeyed; see what is simulated; start ended machines again."""
        if disks:
            volumes.provision(self.api(), self._folders.place)
            self._folders.collect(self.api())
        pods = listed(client.CoreV1Api(self.api()).list_pod_for_all_namespaces)
        self._policies.enforce(self.api(), pods, {name: one.pid for name, one in self._machines.items() if one.runs})
        components = simulation.simulated_components(pods)
        if components != self._simulated:
            simulation.set_up(self.api(), self._images, components)
            self._simulated = components
        now = time.monotonic()
        for one in self._machines.values():
            if one.name in self._starting:
                continue
            if not one.runs and now - one.started > _RESTART_SECONDS:
                log.warning("node %s ended and is started again; see %s", one.name, one.folder / "machine.log")
                self._start(one)

    def _start_kwok(self, kubeconfig: str) -> None:
        """No node is simulated."""

    def _towards_nodes(self) -> list[str]:
        kubelet = self._authority.issue("kube-apiserver-kubelet-client", groups=("system:masters",))
        proxy = self._front.issue("front-proxy-client")
        return [
            "--kubelet-preferred-address-types=InternalIP",
            f"--client-ca-file={self._authority.pair.certificate}",
            f"--kubelet-certificate-authority={self._authority.pair.certificate}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            # Addresses of Services mean nothing outside of nodes, so aggregated APIs are called at their pods.
            "--enable-aggregator-routing=true",
            f"--requestheader-client-ca-file={self._front.pair.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
        ]

    def _certificate(self) -> ServingCertificate:
        pair = self._authority.issue("kube-apiserver", hosts=(*_SERVED_AS, self.host))
        return ServingCertificate(
            self._authority.pair.certificate.read_text(), pair.certificate.read_text(), pair.key.read_text()
        )

    def _machine(self, instance: Instance, spec: dict[str, Any]) -> Machine:
        folder = self.folder / "nodes" / instance.name
        place = machine.kept(folder) or Place(self._free_index(), instance.address)
        machine.keep(folder, place)
        capacity = {**spec["capacity"], **(spec.get("allocatable") or {})}
        wanted = Wanted(
            instance.name,
            instance.address,
            instance.provider_id,
            place.pods,
            int(capacity["pods"]),
            {key: str(capacity[key]) for key in ("cpu", "memory")},
        )
        return Machine(folder, wanted, place, store.default_folder())

    def _free_index(self) -> int:
        taken = {one.place.index for one in self._machines.values()}
        return next(index for index in range(1, 255) if index not in taken)

    def _start(self, one: Machine) -> None:
        future = self._starting[one.name] = self._starters.submit(self._run, one)
        future.add_done_callback(lambda _: self._starting.pop(one.name, None))

    def _remove(self, name: str) -> None:
        one = self._machines.pop(name)
        starting = self._starting.get(name)
        if starting is not None and not starting.cancel():
            wait([starting])
        one.destroy(self._network)

    def _run(self, one: Machine) -> None:
        try:
            self._run_or_raise(one)
        except Exception:
            # The next round of tending starts it again.
            log.exception("node %s could not be started", one.name)

    def _run_or_raise(self, one: Machine) -> None:
        name = one.name
        hosts = (name, one.wanted.address)
        kubelet = self._authority.issue(f"system:node:{name}", ("system:nodes",), hosts)
        credentials = Credentials(self.endpoint, self._authority.pair.certificate, kubelet, self._proxy())
        one.start(self._network, credentials, self._binaries, self._plugins)

    def _proxy(self) -> Pair:
        return self._authority.issue("system:kube-proxy")
