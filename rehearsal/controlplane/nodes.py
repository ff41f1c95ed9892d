"""Node groups as Node objects that kwok keeps alive: one node for each EC2 instance that the AWS side names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

GROUP_LABEL = "eks.amazonaws.com/nodegroup"
# Where the API server finds the simulated kubelet of every node; InternalIP is what EC2 gave the instance.
KUBELET_HOST = "localhost"
_NOT_FOUND = 404


@dataclass(frozen=True)
class Machine:
    """The instance behind a node."""

    name: str
    zone: str
    provider_id: str
    address: str


def reconcile(
    api: client.ApiClient, cluster: str, region: str, group: str, spec: dict[str, Any], simulated: bool = True
) -> None:
    """Have the nodes the group wants: the missing are made, the changed relabelled, the others drained and removed.

    :param simulated: give their status too, which a kubelet would.
    """
    core = client.CoreV1Api(api)
    wanted = {machine.name: machine for machine in machines(cluster, region, group, spec)}
    present = {node.metadata.name for node in _nodes(core, group)}
    for name, machine in wanted.items():
        node = described(machine, region, group, spec)
        if name in present:
            patch = {"metadata": {"labels": node["metadata"]["labels"]}, "spec": {"taints": node["spec"]["taints"]}}
            core.patch_node(name, patch)
        else:
            core.create_node(node if simulated else {**node, "status": {}})
    for name in present - set(wanted):
        remove(core, name)


def remove_group(api: client.ApiClient, group: str) -> None:
    """Drain and remove all nodes of a group."""
    core = client.CoreV1Api(api)
    for node in _nodes(core, group):
        remove(core, node.metadata.name)


def remove(core: client.CoreV1Api, name: str) -> None:
    """Cordon a node, end its pods, remove it.

    Pods are deleted and not evicted: EKS too passes over disruption budgets when a drain takes longer than it waits.
    """
    try:
        core.patch_node(name, {"spec": {"unschedulable": True}})
        for pod in core.list_pod_for_all_namespaces(field_selector=f"spec.nodeName={name}").items:
            _delete_pod(core, pod)
        core.delete_node(name)
    except ApiException as error:
        if error.status != _NOT_FOUND:
            raise


def listed(api: client.ApiClient, group: str) -> list[dict[str, Any]]:
    """Nodes of a group, as the admin API shows them."""
    return [
        {
            "name": node.metadata.name,
            "zone": node.metadata.labels["topology.kubernetes.io/zone"],
            "instanceId": node.spec.provider_id.rsplit("/", 1)[-1],
            "ready": any(one.type == "Ready" and one.status == "True" for one in node.status.conditions or []),
        }
        for node in _nodes(client.CoreV1Api(api), group)
    ]


def _delete_pod(core: client.CoreV1Api, pod: Any) -> None:
    try:
        core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)
    except ApiException as error:
        if error.status != _NOT_FOUND:
            raise


def _nodes(core: client.CoreV1Api, group: str) -> list[Any]:
    return list(core.list_node(label_selector=f"{GROUP_LABEL}={group}").items)


def machines(cluster: str, region: str, group: str, spec: dict[str, Any]) -> Iterator[Machine]:
    """The instances the AWS side names; where it names none, as many invented ones as the group desires."""
    for instance in spec.get("instances") or []:
        zone, address = instance["zone"], instance["privateIpAddress"]
        name = instance.get("privateDnsName") or _dns_name(address, region)
        yield Machine(name, zone, f"aws:///{zone}/{instance['instanceId']}", address)
    if "instances" in spec:
        return
    for index in range(int(spec["desired"])):
        zone = spec["zones"][index % len(spec["zones"])]
        # Another type or version is another machine.
        seed = f"{cluster}/{region}/{group}/{index}/{spec['instanceType']}/{spec.get('version')}"
        digest = hashlib.sha256(seed.encode()).digest()
        address = f"10.{digest[0]}.{digest[1]}.{digest[2]}"
        yield Machine(_dns_name(address, region), zone, f"aws:///{zone}/i-{digest.hex()[:17]}", address)


def _dns_name(address: str, region: str) -> str:
    domain = "ec2" if region == "us-east-1" else f"{region}.compute"
    return f"ip-{address.replace('.', '-')}.{domain}.internal"


def described(machine: Machine, region: str, group: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The Node of a machine of a group."""
    architecture = spec.get("architecture", "amd64")
    labels = {
        **spec.get("labels", {}),
        GROUP_LABEL: group,
        "eks.amazonaws.com/capacityType": spec.get("capacityType", "ON_DEMAND"),
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": machine.name,
        "node.kubernetes.io/instance-type": spec["instanceType"],
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": machine.zone,
        "topology.ebs.csi.aws.com/zone": machine.zone,
    }
    taints = [
        {"key": one["key"], "value": one.get("value", ""), "effect": one["effect"]} for one in spec.get("taints", [])
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": machine.name, "labels": labels},
        "spec": {"providerID": machine.provider_id, "taints": taints},
        "status": _status(machine, architecture, spec),
    }


def _status(machine: Machine, architecture: str, spec: dict[str, Any]) -> dict[str, Any]:
    capacity = {key: str(value) for key, value in spec["capacity"].items()}
    release = spec.get("releaseVersion")
    version = f"v{spec.get('version', '1.36')}.0-eks-rehearsal"
    return {
        "addresses": [
            {"type": "InternalIP", "address": machine.address},
            {"type": "InternalDNS", "address": machine.name},
            {"type": "Hostname", "address": machine.name},
            {"type": "ExternalDNS", "address": KUBELET_HOST},
        ],
        "capacity": capacity,
        "allocatable": {**capacity, **{key: str(value) for key, value in (spec.get("allocatable") or {}).items()}},
        "nodeInfo": {
            "architecture": architecture, "operatingSystem": "linux", "kubeletVersion": version,
            "kubeProxyVersion": version, "osImage": "Amazon Linux 2023" + (f" ({release})" if release else ""),
            "containerRuntimeVersion": "simulated", "bootID": "", "kernelVersion": "", "machineID": "",
            "systemUUID": "",
        },
    }  # fmt: skip
