"""Makes disks of snapshots, and puts claims on them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from slipway.decisions.backups import CLAIM_TAG, NAMESPACE_TAG, RELEASED_TAG
from slipway.decisions.restore import Claim, Source
from slipway.hooks.aws import client, pairs_of, tags_of
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, Object
from slipway.model.platform import RESTORE_MANAGER, Platform

COPY_TAG = "slipway:copy-of"
RESTORE_TAG = "slipway:restore"
ZONE_LABEL = "topology.kubernetes.io/zone"
_WORKLOAD_LABEL = "slipway.dev/workload"
_MERGE = "application/merge-patch+json"
_DRIVER = "ebs.csi.aws.com"


class DisksHook:
    """Disks of one restore, in the platform's region.

    :param run: names the restore; everything made carries it, so that a retry finds it.
    """

    def __init__(self, platform: Platform, run: str) -> None:
        self.platform = platform
        self.run = run[:255]
        self.ec2: Any = client("ec2", platform.region)

    def copies(self) -> dict[str, tuple[str, str]]:
        """Copies in this region, by the snapshot they are of: id and state."""
        pages = self.ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=[{"Name": "tag-key", "Values": [COPY_TAG]}]
        )
        found = {}
        for page in pages:
            for one in page["Snapshots"]:
                tags = tags_of(one.get("Tags") or [])
                if self.platform.is_ours(tags):
                    found[tags[COPY_TAG]] = (str(one["SnapshotId"]), str(one.get("State")))
        return found

    def copy(self, source: Source) -> str:
        """Begin to copy a snapshot of another region; the copy's id. It goes with the platform: it is no backup."""
        tags = {**self.platform.tags, COPY_TAG: source.snapshot, RESTORE_TAG: self.run}
        answer = self.ec2.copy_snapshot(
            SourceRegion=source.region,
            SourceSnapshotId=source.snapshot,
            Description=f"Copy of {source.snapshot} in {source.region}",
            Encrypted=True,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs_of(tags)}],
        )
        return str(answer["SnapshotId"])

    def disks(self) -> dict[str, Object]:
        """Disks that this restore has made, by claim."""
        pages = self.ec2.get_paginator("describe_volumes").paginate(
            Filters=[{"Name": f"tag:{RESTORE_TAG}", "Values": [self.run]}]
        )
        found = {}
        for page in pages:
            for one in page["Volumes"]:
                tags = tags_of(one.get("Tags") or [])
                if self.platform.is_ours(tags):
                    found[f"{tags[NAMESPACE_TAG]}/{tags[CLAIM_TAG]}"] = one
        return found

    def make(self, claim: Claim, source: Source, snapshot: str, zone: str) -> str:
        """Begin to make a disk; its id. Marked as the CSI driver marks its own, so that backups find it."""
        tags = {
            **self.platform.tags,
            f"kubernetes.io/cluster/{self.platform.cluster_name}": "owned",
            "ebs.csi.aws.com/cluster": "true",
            "CSIVolumeName": volume_name(self.run, claim),
            CLAIM_TAG: claim.name,
            NAMESPACE_TAG: claim.namespace,
            RESTORE_TAG: self.run,
        }
        answer = self.ec2.create_volume(
            SnapshotId=snapshot,
            AvailabilityZone=zone,
            Size=max(source.gib, math.ceil(claim.gib)),
            VolumeType="gp3",
            Encrypted=True,
            # A request that is repeated after a crash makes no second disk.
            ClientToken=hashlib.sha256(f"{self.run} {claim.key}".encode()).hexdigest()[:32],
            TagSpecifications=[{"ResourceType": "volume", "Tags": pairs_of(tags)}],
        )
        return str(answer["VolumeId"])

    def retire(self, disk: str) -> None:
        """Mark a disk that goes out of use, or the next backup would take it for the claim's."""
        tags = {**self.platform.tags, RELEASED_TAG: self.run}
        self.ec2.create_tags(Resources=[disk], Tags=pairs_of(tags))


def volume_name(run: str, claim: Claim) -> str:
    """Name of the persistent volume that a restore makes for a claim."""
    return f"restored-{hashlib.sha256(f'{run[:255]} {claim.key}'.encode()).hexdigest()[:16]}"


class ClaimsHook:
    """Claims of one cluster, and the StatefulSets that use them."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api

    async def is_on(self, claim: Claim, volume: str) -> bool:
        """Whether a claim is bound to a volume."""
        live = await self.api.get(_claim_path(claim))
        return bool(live and live["spec"].get("volumeName") == volume and _phase(live) == "Bound")

    async def disk(self, claim: Claim, but: str) -> str:
        """The EBS volume that a claim is on; empty when it is on none, or on the persistent volume ``but``."""
        live = await self.api.get(_claim_path(claim))
        name = (live or {}).get("spec", {}).get("volumeName")
        volume = await self.api.get(f"/api/v1/persistentvolumes/{name}") if name and name != but else None
        csi = ((volume or {}).get("spec") or {}).get("csi") or {}
        return str(csi.get("volumeHandle") or "") if csi.get("driver") == _DRIVER else ""

    async def zone(self, claim: Claim) -> str:
        """The zone of the disk that a claim is on; empty when it is on none."""
        live = await self.api.get(_claim_path(claim))
        name = (live or {}).get("spec", {}).get("volumeName")
        volume = await self.api.get(f"/api/v1/persistentvolumes/{name}") if name else None
        terms = (((volume or {}).get("spec") or {}).get("nodeAffinity") or {}).get("required", {})
        for term in terms.get("nodeSelectorTerms") or []:
            for rule in term.get("matchExpressions") or []:
                if rule["key"].endswith("/zone") and rule.get("values"):
                    return str(rule["values"][0])
        return ""

    async def zones(self, workload: str) -> list[str]:
        """Zones of the nodes of a workload, or of all nodes when it has none of its own."""
        nodes = [node["metadata"].get("labels") or {} for node in await self.api.items("/api/v1/nodes")]
        mine = [labels for labels in nodes if labels.get(_WORKLOAD_LABEL) == workload] or [
            labels for labels in nodes if labels.get(_WORKLOAD_LABEL) == "primary"
        ]
        return sorted({labels[ZONE_LABEL] for labels in mine or nodes if ZONE_LABEL in labels})

    async def scale(self, namespace: str, workload: str, replicas: int) -> bool:
        """Set a StatefulSet's replicas; whether there is such a StatefulSet."""
        path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{workload}"
        live = await self.api.get(path)
        if live is None:
            return False
        if live["spec"].get("replicas") != replicas:
            await self.api.request(
                "PATCH",
                path,
                params={"fieldManager": RESTORE_MANAGER},
                body={"spec": {"replicas": replicas}},
                content_type=_MERGE,
            )
        return True

    async def users(self, claim: Claim) -> list[str]:
        """Pods that have a claim mounted and have not ended."""
        found = []
        for pod in await self.api.items(f"/api/v1/namespaces/{claim.namespace}/pods"):
            if _phase(pod) in {"Succeeded", "Failed"}:
                continue
            mounted = [
                (volume.get("persistentVolumeClaim") or {}).get("claimName")
                for volume in pod["spec"].get("volumes") or []
            ]
            if claim.name in mounted:
                found.append(f"{claim.namespace}/{pod['metadata']['name']}")
        return found

    async def let_go(self, claim: Claim, volume: str) -> str:
        """Take a claim off another volume than ours, whose disk stays; what is still in the way, empty when nothing."""
        live = await self.api.get(_claim_path(claim))
        if live is None or live["spec"].get("volumeName") == volume:
            return ""
        if not live["metadata"].get("deletionTimestamp"):
            if old := live["spec"].get("volumeName"):
                # Deleting the claim would delete the disk: the only way back from a restore that was a mistake.
                await self._retain(old)
            await self.api.request("DELETE", _claim_path(claim))
        return f"claim {claim.key} is being deleted" if await self.api.get(_claim_path(claim)) else ""

    async def put_on(self, claim: Claim, volume: str, disk: Object) -> None:
        """Make the persistent volume of a disk, and the claim on it; what is there already is left.

        So is the claim's namespace, which a component may bring itself: it is deployed after its data is back, and its
        deploy says what else the namespace carries.
        """
        spec = claim.spec
        body: Object = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": volume,
                "labels": {"app.kubernetes.io/part-of": "slipway"},
                "annotations": {"pv.kubernetes.io/provisioned-by": _DRIVER},
            },
            "spec": {
                "capacity": {"storage": f"{disk['Size']}Gi"},
                "accessModes": list(spec["accessModes"]),
                "persistentVolumeReclaimPolicy": await self._reclaim_policy(spec.get("storageClassName")),
                "storageClassName": spec.get("storageClassName") or await self._default_class(),
                "csi": {"driver": _DRIVER, "volumeHandle": disk["VolumeId"], "fsType": "ext4"},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": claim.namespace,
                    "name": claim.name,
                },
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": ZONE_LABEL, "operator": "In", "values": [disk["AvailabilityZone"]]}
                                ]
                            }
                        ]
                    }
                },
            },
        }
        if await self.api.get(f"/api/v1/namespaces/{claim.namespace}") is None:
            namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": claim.namespace}}
            await self._create("/api/v1/namespaces", namespace)
        await self._create("/api/v1/persistentvolumes", body)
        metadata = {"name": claim.name, "namespace": claim.namespace, "labels": claim.labels}
        await self._create(
            f"/api/v1/namespaces/{claim.namespace}/persistentvolumeclaims",
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": {
                    **spec,
                    "storageClassName": body["spec"]["storageClassName"],
                    "volumeName": volume,
                },
            },
        )

    async def _retain(self, volume: str) -> None:
        body = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
        path = f"/api/v1/persistentvolumes/{volume}"
        await self.api.request("PATCH", path, params={"fieldManager": RESTORE_MANAGER}, body=body, content_type=_MERGE)

    async def _create(self, path: str, body: Object) -> None:
        try:
            await self.api.request("POST", path, params={"fieldManager": RESTORE_MANAGER}, body=body)
        except KubernetesApiError as error:
            if error.status != 409:
                raise

    async def _classes(self) -> Sequence[Object]:
        return await self.api.items("/apis/storage.k8s.io/v1/storageclasses")

    async def _default_class(self) -> str:
        marked = "storageclass.kubernetes.io/is-default-class"
        for one in await self._classes():
            if (one["metadata"].get("annotations") or {}).get(marked) == "true":
                return str(one["metadata"]["name"])
        return ""

    async def _reclaim_policy(self, name: str | None) -> str:
        wanted = name or await self._default_class()
        found = next((one for one in await self._classes() if one["metadata"]["name"] == wanted), {})
        return str(found.get("reclaimPolicy") or "Retain")


def _claim_path(claim: Claim) -> str:
    return f"/api/v1/namespaces/{claim.namespace}/persistentvolumeclaims/{claim.name}"


def _phase(item: Object) -> str:
    return str((item.get("status") or {}).get("phase") or "")
