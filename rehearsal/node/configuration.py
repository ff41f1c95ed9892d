"""The files that a node's programs read: containerd, CNI, kubelet, kube-proxy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.node.network import PODS
from rehearsal.node.pki import Pair

CLUSTER_DNS = "10.100.0.10"
PAUSE = "registry.k8s.io/pause:3.10.2"
CNI_PLUGINS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
_MEBI = 2**20


@dataclass(frozen=True)
class Wanted:
    """What a node is to be.

    :ivar pods: its pods' addresses.
    :ivar allocatable: ``cpu`` and ``memory`` that pods may ask for, as EKS computes them for the instance type.
    """

    name: str
    address: str
    provider_id: str
    pods: str
    max_pods: int
    allocatable: dict[str, str]


@dataclass(frozen=True)
class Credentials:
    """How a node's programs reach the API server, and its kubelet is reached.

    :ivar authority: PEM file.
    """

    server: str
    authority: Path
    kubelet: Pair
    proxy: Pair


def write(folder: Path, node: Wanted, credentials: Credentials, plugins: str) -> None:
    """Write all of a node's files under ``folder/etc``.

    :param plugins: folder of the CNI plugins.
    """
    etc = folder / "etc"
    (etc / "cni").mkdir(parents=True, exist_ok=True, mode=0o700)
    (etc / "containerd.toml").write_text(_containerd(etc / "cni", plugins))
    (etc / "cni" / "10-slipway.conflist").write_text(json.dumps(_cni(node)))
    # Pods that take the node's own resolver have none: there is nothing outside to resolve.
    (etc / "resolv.conf").write_text("")
    (etc / "kubelet.json").write_text(json.dumps(_kubelet(etc, node, credentials)))
    (etc / "kube-proxy.json").write_text(json.dumps(_proxy(etc, node)))
    for name, pair in (("kubelet", credentials.kubelet), ("kube-proxy", credentials.proxy)):
        (etc / f"{name}.kubeconfig").write_text(json.dumps(kubeconfig(credentials, pair)))


def kubeconfig(credentials: Credentials, pair: Pair) -> dict[str, Any]:
    """A kubeconfig with a client certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": credentials.server, "certificate-authority": str(credentials.authority)},
            }
        ],
        "users": [{"name": "u", "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }


def _containerd(cni: Path, plugins: str) -> str:
    # restrict_oom_score_adj: where the machine's processes may not lower their own, runc could not either.
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _cni(node: Wanted) -> dict[str, Any]:
    """Routed links, no bridge: what pods of one node say to each other passes its packet filter too."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-networks",
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return {"cniVersion": "1.0.0", "name": "slipway", "plugins": plugins}


def _kubelet(etc: Path, node: Wanted, credentials: Credentials) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",  # noqa: S104 - of its own network namespace
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(credentials.kubelet.certificate),
        "tlsPrivateKeyFile": str(credentials.kubelet.key),
        "clusterDomain": "cluster.local",
        "clusterDNS": [CLUSTER_DNS],
        "resolvConf": str(etc / "resolv.conf"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "providerID": node.provider_id,
        "maxPods": node.max_pods,
        "systemReserved": reserved(node.allocatable),
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": True,
        "cgroupRoot": f"/slipway/{node.name}",
        "localStorageCapacityIsolation": True,
        # An image that is thrown away cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "volumePluginDir": "/var/lib/kubelet/plugins",
        "oomScoreAdj": 0,
        "nodeStatusUpdateFrequency": "5s",
    }


def reserved(allocatable: dict[str, str]) -> dict[str, str]:
    """What a kubelet keeps back so that the machine looks no larger than the instance.

    :param allocatable: quantities of ``cpu`` (cores or ``m``) and ``memory`` (``Ki``, ``Mi`` or ``Gi``).
    """
    cpu = (os.cpu_count() or 1) * 1000 - _millis(allocatable["cpu"])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - _bytes(allocatable["memory"])
    return {"cpu": f"{max(0, cpu)}m", "memory": f"{max(0, memory) // _MEBI}Mi"}


def _millis(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def _bytes(quantity: str) -> int:
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    unit = units.get(quantity[-2:])
    return int(quantity[:-2]) * unit if unit else int(quantity)


def _proxy(etc: Path, node: Wanted) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(etc / "kube-proxy.kubeconfig")},
        "clusterCIDR": PODS,
        # The size of the connection table belongs to the machine.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
