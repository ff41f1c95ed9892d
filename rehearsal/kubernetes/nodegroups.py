"""Nodes, as EKS node groups make, label, replace and remove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rehearsal.kubernetes import machines
from rehearsal.kubernetes.machines import ZONE, Machine
from rehearsal.kubernetes.objects import Obj, clone, dig, is_true, labels_of, name_of, timestamp
from rehearsal.kubernetes.rest.options import controller_options

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

GROUP = "eks.amazonaws.com/nodegroup"
_TYPE = "node.kubernetes.io/instance-type"
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
        """Create or change a group; its nodes follow.

        With ``instances`` there is one node for each of them, which lives as long as the instance and keeps the
        version it joined with. Without, the machines are made up: ``desired`` of them, replaced when instance
        type or version change.
        """
        before = self._specs.get(group, {})
        self._specs[group] = clone(spec)
        known = machines.reported(spec, self._cluster.region)
        if known is None:
            self._reconcile(group, before)
        else:
            self._follow(group, before, known)
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
        nodes = [machines.describe(node, is_true(node, "Ready")) for node in self._nodes(group)]
        return {"name": group, "desired": spec["desired"], "nodes": nodes}

    def _nodes(self, group: str) -> list[Obj]:
        return [n for n in self._cluster.store.objects("nodes") if labels_of(n).get(GROUP) == group]

    def _follow(self, group: str, before: Obj, known: list[Machine]) -> None:
        """One node for each instance.

        Nodes go before others come: an address that is free again may belong to the next instance, and its name
        with it.
        """
        wanted = {machine.provider_id: machine for machine in known}
        for node in self._nodes(group):
            if wanted.pop(node["spec"].get("providerID", ""), None) is None:
                self._remove(node)
            else:
                self._relabel(group, before, node)
        for machine in (one for one in wanted.values() if not self._cluster.faults.lost(one.provider_id)):
            stale = self._cluster.store.get("nodes", "", machine.host)
            if stale is not None:
                self._remove(stale)
            self._add(group, machine)

    def _reconcile(self, group: str, before: Obj) -> None:
        """As many made up machines as desired."""
        spec = self._specs[group]
        nodes = self._nodes(group)
        outdated = [node for node in nodes if self._outdated(node, spec)]
        kept = [node for node in nodes if node not in outdated]
        for node in kept:
            self._relabel(group, before, node)
        zones = spec.get("zones") or [f"{self._cluster.region}a"]
        while len(kept) < spec["desired"]:
            kept.append(self._add(group, self._make_up(group, machines.emptiest(zones, kept))))
        excess = sorted(kept, key=lambda n: str(n["metadata"]["creationTimestamp"]))[spec["desired"] :]
        for node in (*outdated, *excess):
            self._remove(node)

    def _outdated(self, node: Obj, spec: Obj) -> bool:
        """Another instance type, architecture or version needs another machine."""
        info = dig(node, "status", "nodeInfo", default={})
        return (
            labels_of(node).get(_TYPE) != spec["instanceType"]
            or info.get("architecture") != _architecture(spec)
            or not info.get("kubeletVersion", "").startswith(f"v{self._version(spec)}.")
        )

    def _version(self, spec: Obj) -> str:
        return str(spec.get("version") or self._cluster.version)

    def _make_up(self, group: str, zone: str) -> Machine:
        while True:
            self._serials[group] = serial = self._serials.get(group, -1) + 1
            provided = (self._specs[group].get("providerIds") or {}).get(f"{zone}-{serial}")
            seed = f"{self._cluster.id}/{group}/{serial}"
            machine = machines.made_up(seed, zone, self._cluster.region, provided)
            if self._cluster.store.get("nodes", "", machine.host) is None:
                return machine

    def _labels(self, group: str, machine: Machine) -> dict[str, str]:
        spec = self._specs[group]
        region = self._cluster.region
        return {
            **(spec.get("labels") or {}),
            "beta.kubernetes.io/arch": _architecture(spec),
            "beta.kubernetes.io/instance-type": spec["instanceType"],
            "beta.kubernetes.io/os": "linux",
            "eks.amazonaws.com/capacityType": spec.get("capacityType", "ON_DEMAND"),
            GROUP: group,
            "failure-domain.beta.kubernetes.io/region": region,
            "failure-domain.beta.kubernetes.io/zone": machine.zone,
            "kubernetes.io/arch": _architecture(spec),
            "kubernetes.io/hostname": machine.host,
            "kubernetes.io/os": "linux",
            _TYPE: spec["instanceType"],
            "topology.ebs.csi.aws.com/zone": machine.zone,
            "topology.kubernetes.io/region": region,
            ZONE: machine.zone,
        }

    def _relabel(self, group: str, before: Obj, node: Obj) -> None:
        """Let the group's labels and taints follow; those that others gave the node are theirs."""
        current = self._specs[group]
        dropped = set(before.get("labels") or {})
        labels = {key: value for key, value in labels_of(node).items() if key not in dropped}
        labels |= current.get("labels") or {}
        wanted = clone(current.get("taints") or [])
        ours = {_taint_key(taint) for taint in (*(before.get("taints") or []), *wanted)}
        taints = [*wanted, *(t for t in node["spec"].get("taints") or [] if _taint_key(t) not in ours)]
        spec = {k: v for k, v in node["spec"].items() if k != "taints"}
        if taints:
            spec["taints"] = taints
        if labels_of(node) != labels or spec != node["spec"]:
            metadata = {**node["metadata"], "labels": labels}
            self._cluster.store.put("nodes", {**node, "metadata": metadata, "spec": spec})

    def _add(self, group: str, machine: Machine) -> Obj:
        spec = self._specs[group]
        node_spec: Obj = {"providerID": machine.provider_id}
        if spec.get("taints"):
            node_spec["taints"] = clone(spec["taints"])
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": machine.host, "labels": self._labels(group, machine)},
            "spec": node_spec,
            "status": self._status(spec, machine),
        }
        resource = self._cluster.catalog.by_id("nodes")
        made = self._cluster.registry.create(resource, "", node, controller_options("kubelet"))
        self._cluster.manager.recorder.record(
            made,
            "Normal",
            "RegisteredNode",
            f"Node {machine.host} event: Registered Node {machine.host} in Controller",
            "node-controller",
        )
        return made

    def _status(self, spec: Obj, machine: Machine) -> Obj:
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
            "architecture": _architecture(spec),
            "bootID": machine.host,
            "containerRuntimeVersion": "containerd://2.1.5",
            "kernelVersion": "6.12.0-amazon",
            "kubeProxyVersion": version,
            "kubeletVersion": version,
            "machineID": machine.host,
            "operatingSystem": "linux",
            "osImage": "Amazon Linux 2023" + (f" ({release})" if release else ""),
            "systemUUID": machine.host,
        }
        return {
            "addresses": [
                {"type": "InternalIP", "address": machine.address},
                {"type": "InternalDNS", "address": machine.host},
                {"type": "Hostname", "address": machine.host},
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


def _architecture(spec: Obj) -> str:
    return str(spec.get("architecture") or "amd64")


def _taint_key(taint: Obj) -> tuple[str, str]:
    return taint["key"], taint["effect"]
