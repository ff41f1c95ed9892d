"""A provisioner for simulated nodes: a claim that waits for ``ebs.csi.aws.com`` gets a volume in its pod's zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

PROVISIONER = "ebs.csi.aws.com"
# Fields of a volume's spec that say where it is.
Place = Callable[[str, str, str], dict[str, Any]]
_SELECTED = "volume.kubernetes.io/selected-node"
_PROVISIONER = "volume.kubernetes.io/storage-provisioner"

# EKS brings gp2 but, since 1.30, no longer marks it as the default class.
_GP2 = {
    "metadata": {"name": "gp2"},
    "provisioner": "kubernetes.io/aws-ebs",
    "parameters": {"type": "gp2", "fsType": "ext4"},
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Delete",
}
_CONFLICT = 409


def bring_class(api: client.ApiClient) -> None:
    """Have the storage class that a new EKS cluster has."""
    try:
        client.StorageV1Api(api).create_storage_class(_GP2)
    except ApiException as error:
        if error.status != _CONFLICT:
            raise


def provision(api: client.ApiClient, place: Place) -> int:
    """Make a volume for every claim that waits for one; returns how many were made.

    :param place: says where a volume is, from its name, the chosen node and that node's zone.
    """
    core = client.CoreV1Api(api)
    waiting = [claim for claim in core.list_persistent_volume_claim_for_all_namespaces().items if _waits(claim)]
    if not waiting:
        return 0
    zones = {
        node.metadata.name: node.metadata.labels.get("topology.kubernetes.io/zone") for node in core.list_node().items
    }
    present = {volume.metadata.name for volume in core.list_persistent_volume().items}
    classes = {one.metadata.name: one for one in client.StorageV1Api(api).list_storage_class().items}
    made = 0
    for claim in waiting:
        name, node = f"pvc-{claim.metadata.uid}", claim.metadata.annotations[_SELECTED]
        if name not in present:
            volume = _volume(name, claim, place(name, node, zones.get(node) or ""), classes)
            core.create_persistent_volume(volume)
            made += 1
    return made


def _waits(claim: Any) -> bool:
    annotations = claim.metadata.annotations or {}
    return (
        claim.status.phase == "Pending"
        and claim.metadata.deletion_timestamp is None
        and annotations.get(_PROVISIONER) == PROVISIONER
        and _SELECTED in annotations
    )


def ebs(name: str, node: str, zone: str) -> dict[str, Any]:
    """A disk of AWS, which any node of its zone may attach."""
    handle = f"vol-{name.removeprefix('pvc-').replace('-', '')[:17]}"
    return {
        "csi": {"driver": PROVISIONER, "volumeHandle": handle},
        "nodeAffinity": only("topology.kubernetes.io/zone", zone),
    }


def only(label: str, value: str) -> dict[str, Any]:
    """The affinity of a volume that only nodes with a label reach."""
    expression = {"key": label, "operator": "In", "values": [value]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def _volume(name: str, claim: Any, place: dict[str, Any], classes: dict[str, Any]) -> dict[str, Any]:
    storage_class = claim.spec.storage_class_name
    return {
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "capacity": {"storage": claim.spec.resources.requests["storage"]},
            "accessModes": claim.spec.access_modes,
            "persistentVolumeReclaimPolicy": classes[storage_class].reclaim_policy or "Delete",
            "storageClassName": storage_class,
            "volumeMode": claim.spec.volume_mode or "Filesystem",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.metadata.namespace,
                "name": claim.metadata.name,
                "uid": claim.metadata.uid,
            },
            **place,
        },
    }
