"""Nodes, as EKS node groups make, label, replace and remove them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rehearsal.kubernetes.objects import Obj, clone, dig, is_true, labels_of, name_of, timestamp
from rehearsal.kubernetes.rest.options import controller_options

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

GROUP = "eks.amazonaws.com/nodegroup"
_TYPE = "node.kubernetes.io/instance-type"
_ZONE = "topology.kubernetes.io/zone"
_HUGE = {"hugepages-1Gi": "0", "hugepages-2Mi": "0"}


class NodeGroups:
    """Node groups of one cluster as the admin API sets them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._specs: dict[str, Obj] = {}
        self._serials: dict[str, int] = {}

    def names(self) -> list[str]:
        """All groups."""
        return sorted(self._specs)

    def put(self, group: str, spec: Obj) -> Obj:
        """Create or change a group; its nodes follow."""
        self._specs[group] = clone(spec)
        self._reconcile(group)
        return self.describe(group)

    def delete(self, group: str) -> None:
        """Drain and remove the nodes of a group.

        :raises KeyError: when there is no such group.
        """
        del self._specs[group]
        for node in self._nodes(group):
            self._remove(node)

    def describe(self, group: str) -> Obj:
        """The nodes of a group.

        :raises KeyError: when there is no such group.
        """
        spec = self._specs[group]
        nodes = [
            {
                "name": name_of(node),
                "zone": labels_of(node).get(_ZONE, ""),
                "instanceId": str(dig(node, "spec", "providerID", default="")).rsplit("/", 1)[-1],
                "ready": is_true(node, "Ready"),
            }
            for node in self._nodes(group)
        ]
        return {"name": group, "desired": spec["desired"], "nodes": nodes}

    def _nodes(self, group: str) -> list[Obj]:
        return [n for n in self._cluster.store.objects("nodes") if labels_of(n).get(GROUP) == group]

    def _reconcile(self, group: str) -> None:
        spec = self._specs[group]
        nodes = self._nodes(group)
        outdated = [node for node in nodes if self._outdated(node, spec)]
        kept = [node for node in nodes if node not in outdated]
        for node in kept:
            self._relabel(group, node)
        zones = spec.get("zones") or [f"{self._cluster.region}a"]
        while len(kept) < spec["desired"]:
            counts = {zone: sum(labels_of(n).get(_ZONE) == zone for n in kept) for zone in zones}
            kept.append(self._add(group, min(zones, key=lambda zone: (counts[zone], zones.index(zone)))))
        excess = sorted(kept, key=lambda n: str(n["metadata"]["creationTimestamp"]))[spec["desired"] :]
        for node in (*outdated, *excess):
            self._remove(node)

    def _outdated(self, node: Obj, spec: Obj) -> bool:
        """Another instance type or version needs another machine."""
        version = dig(node, "status", "nodeInfo", "kubeletVersion", default="")
        return labels_of(node).get(_TYPE) != spec["instanceType"] or not version.startswith(f"v{self._version(spec)}.")

    def _version(self, spec: Obj) -> str:
        return str(spec.get("version") or self._cluster.version)

    def _labels(self, group: str, zone: str, host: str) -> dict[str, str]:
        spec = self._specs[group]
        region = self._cluster.region
        return {
            **(spec.get("labels") or {}),
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/instance-type": spec["instanceType"],
            "beta.kubernetes.io/os": "linux",
            "eks.amazonaws.com/capacityType": spec.get("capacityType", "ON_DEMAND"),
            GROUP: group,
            "failure-domain.beta.kubernetes.io/region": region,
            "failure-domain.beta.kubernetes.io/zone": zone,
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": host,
            "kubernetes.io/os": "linux",
            _TYPE: spec["instanceType"],
            "topology.ebs.csi.aws.com/zone": zone,
            "topology.kubernetes.io/region": region,
            _ZONE: zone,
        }

    def _relabel(self, group: str, node: Obj) -> None:
        zone, host = labels_of(node)[_ZONE], labels_of(node)["kubernetes.io/hostname"]
        labels = self._labels(group, zone, host)
        taints = clone(self._specs[group].get("taints") or [])
        spec = {k: v for k, v in node["spec"].items() if k != "taints"}
        if taints:
            spec["taints"] = taints
        if labels_of(node) != labels or spec != node["spec"]:
            metadata = {**node["metadata"], "labels": labels}
            self._cluster.store.put("nodes", {**node, "metadata": metadata, "spec": spec})

    def _add(self, group: str, zone: str) -> Obj:
        spec = self._specs[group]
        self._serials[group] = serial = self._serials.get(group, -1) + 1
        seed = hashlib.sha256(f"{self._cluster.id}/{group}/{serial}".encode()).digest()
        address = f"10.0.{seed[0] % 96}.{seed[1] or 1}"
        host = f"ip-{address.replace('.', '-')}.{_domain(self._cluster.region)}"
        if self._cluster.store.get("nodes", "", host) is not None:
            return self._add(group, zone)
        provided = (spec.get("providerIds") or {}).get(f"{zone}-{serial}")
        instance = provided or f"i-{seed.hex()[:17]}"
        provider = instance if str(instance).startswith("aws://") else f"aws:///{zone}/{instance}"
        node_spec: Obj = {"providerID": provider}
        if spec.get("taints"):
            node_spec["taints"] = clone(spec["taints"])
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": host, "labels": self._labels(group, zone, host)},
            "spec": node_spec,
            "status": self._status(spec, address, host),
        }
        resource = self._cluster.catalog.by_id("nodes")
        made = self._cluster.registry.create(resource, "", node, controller_options("kubelet"))
        self._cluster.manager.recorder.record(
            made,
            "Normal",
            "RegisteredNode",
            f"Node {host} event: Registered Node {host} in Controller",
            "node-controller",
        )
        return made

    def _status(self, spec: Obj, address: str, host: str) -> Obj:
        capacity = {**_HUGE, **{key: str(value) for key, value in spec["capacity"].items()}}
        allocatable = {**capacity, **{key: str(value) for key, value in (spec.get("allocatable") or {}).items()}}
        version = f"v{self._version(spec)}.0-eks-rehearsal"
        release = spec.get("releaseVersion", "")
        now = timestamp()
        conditions = [
            {"type": kind, "status": "False", "reason": reason, "message": text}
            for kind, reason, text in (
                ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            )
        ]
        conditions.append(
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        )
        info = {
            "architecture": "amd64",
            "bootID": host,
            "containerRuntimeVersion": "containerd://2.1.5",
            "kernelVersion": "6.12.0-amazon",
            "kubeProxyVersion": version,
            "kubeletVersion": version,
            "machineID": host,
            "operatingSystem": "linux",
            "osImage": "Amazon Linux 2023" + (f" ({release})" if release else ""),
            "systemUUID": host,
        }
        return {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalDNS", "address": host},
                {"type": "Hostname", "address": host},
            ],
            "capacity": capacity,
            "allocatable": allocatable,
            "conditions": [{**c, "lastHeartbeatTime": now, "lastTransitionTime": now} for c in conditions],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": info,
        }

    def _remove(self, node: Obj) -> None:
        """Cordon, drain and delete a node; pods without a controller go with it."""
        spec = {**node["spec"], "unschedulable": True}
        self._cluster.store.put("nodes", {**node, "metadata": dict(node["metadata"]), "spec": spec})
        for pod in list(self._cluster.store.scan("pods")):
            if dig(pod, "spec", "nodeName") == name_of(node):
                self._cluster.store.remove("pods", pod["metadata"]["namespace"], name_of(pod))
        self._cluster.store.remove("nodes", "", name_of(node))

    def dump(self) -> dict[str, Any]:
        """For the snapshot."""
        return {"specs": self._specs, "serials": self._serials}

    def load(self, saved: dict[str, Any]) -> None:
        """Inverse of :meth:`dump`."""
        self._specs, self._serials = saved["specs"], saved["serials"]


def _domain(region: str) -> str:
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
