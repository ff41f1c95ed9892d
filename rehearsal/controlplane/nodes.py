"""Node groups as Node objects that kwok keeps alive."""

from __future__ import annotations

import hashlib
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

GROUP_LABEL = "eks.amazonaws.com/nodegroup"
_NOT_FOUND = 404


def reconcile(api: client.ApiClient, cluster: str, region: str, group: str, spec: dict[str, Any]) -> None:
    """Have as many nodes as the group wants, each in its zone; too many go, the last made first."""
    core = client.CoreV1Api(api)
    wanted = [_node(cluster, region, group, spec, index) for index in range(int(spec["desired"]))]
    present = {node.metadata.name for node in _nodes(core, group)}
    for node in wanted:
        if node["metadata"]["name"] not in present:
            core.create_node(node)
        else:
            patch = {"metadata": {"labels": node["metadata"]["labels"]}, "spec": {"taints": node["spec"]["taints"]}}
            core.patch_node(node["metadata"]["name"], patch)
    for name in present - {node["metadata"]["name"] for node in wanted}:
        remove(core, name)


def remove_group(api: client.ApiClient, group: str) -> None:
    """Remove all nodes of a group."""
    core = client.CoreV1Api(api)
    for node in _nodes(core, group):
        remove(core, node.metadata.name)


def remove(core: client.CoreV1Api, name: str) -> None:
    """Remove a node; the garbage collector removes its pods."""
    try:
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


def _nodes(core: client.CoreV1Api, group: str) -> list[Any]:
    return list(core.list_node(label_selector=f"{GROUP_LABEL}={group}").items)


def _node(cluster: str, region: str, group: str, spec: dict[str, Any], index: int) -> dict[str, Any]:
    zone = spec["zones"][index % len(spec["zones"])]
    digest = hashlib.sha256(f"{cluster}/{region}/{group}/{index}".encode()).hexdigest()
    address = f"10-{int(digest[0:2], 16)}-{int(digest[2:4], 16)}-{int(digest[4:6], 16)}"
    name = f"ip-{address}.{'ec2' if region == 'us-east-1' else region + '.compute'}.internal"
    given = (spec.get("providerIds") or {}).get(f"{zone}-{index}")
    offers = {key: str(value) for key, value in spec["capacity"].items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                **spec.get("labels", {}),
                GROUP_LABEL: group,
                "eks.amazonaws.com/capacityType": spec.get("capacityType", "ON_DEMAND"),
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                "node.kubernetes.io/instance-type": spec["instanceType"],
                "topology.kubernetes.io/region": region,
                "topology.kubernetes.io/zone": zone,
                "topology.ebs.csi.aws.com/zone": zone,
            },
        },
        "spec": {
            "providerID": given or f"aws:///{zone}/i-{digest[:17]}",
            "taints": [
                {"key": one["key"], "value": one.get("value", ""), "effect": one["effect"]}
                for one in spec.get("taints", [])
            ],
        },
        "status": {
            "capacity": offers,
            "allocatable": {key: str(value) for key, value in (spec.get("allocatable") or offers).items()},
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": f"v{spec['version']}.0-eks",
                "bootID": "", "containerRuntimeVersion": "simulated", "kernelVersion": "", "kubeProxyVersion": "",
                "machineID": "", "osImage": "simulated", "systemUUID": "",
            },
        },
    }  # fmt: skip
