"""PersistentVolumeClaims and PersistentVolumes: binding, provisioning, reclaiming."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.admission.pod_defaults import default_storage_class
from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import (
    Obj,
    annotations_of,
    claims_of,
    clone,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from rehearsal.kubernetes.rest.options import controller_options
from rehearsal.kubernetes.selectors import label_selector
from rehearsal.kubernetes.store import Event, Store

_CLASSES = "storageclasses.storage.k8s.io"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_PROTECTION = "kubernetes.io/pvc-protection"
_ZONE = "topology.kubernetes.io/zone"
# The in-tree name is served by the CSI driver since migration became unconditional.
_MIGRATED = {"kubernetes.io/aws-ebs": "ebs.csi.aws.com"}
_ZONAL = {"ebs.csi.aws.com": "topology.ebs.csi.aws.com/zone"}


class Claims(Controller):
    """Binds claims to volumes, making volumes where a provisioner is installed."""

    resource = "persistentvolumeclaims"
    watches = ("persistentvolumes", _CLASSES, "csidrivers.storage.k8s.io", "deployments.apps", "pods")

    def affected(self, event: Event) -> Iterable[Name]:
        """Claims that wait for something, and those pods stop using."""
        if event.resource == self.resource:
            return super().affected(event)
        if event.resource == "pods":
            if event.type != "DELETED":
                return []
            return [(namespace_of(event.obj), name) for name in claims_of(event.obj)]
        if event.resource == "persistentvolumes" and event.type == "MODIFIED":
            claim = dig(event.obj, "spec", "claimRef")
            return [(claim["namespace"], claim["name"])] if claim else []
        return [
            (namespace_of(claim), name_of(claim))
            for claim in self.store.scan(self.resource)
            if dig(claim, "status", "phase") == "Pending"
        ]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bind, provision or let go of one claim."""
        claim = self.store.get(self.resource, namespace, name)
        if claim is None:
            return None
        if is_deleting(claim):
            if not self._in_use(claim):
                kept = [f for f in claim["metadata"].get("finalizers") or [] if f != _PROTECTION]
                self.registry.edit(self.resource, claim, finalizers=kept)
            return None
        volume_name = dig(claim, "spec", "volumeName")
        if volume_name:
            self._confirm(claim, volume_name)
        elif (volume := self._matching_volume(claim)) is not None:
            self._bind(claim, volume)
        else:
            self._provision(claim)
        return None

    def _in_use(self, claim: Obj) -> bool:
        return any(
            name_of(claim) in claims_of(pod)
            for pod in self.store.objects("pods", namespace_of(claim))
            if dig(pod, "status", "phase") not in ("Succeeded", "Failed")
        )

    def _confirm(self, claim: Obj, volume_name: str) -> None:
        volume = self.store.get("persistentvolumes", "", volume_name)
        if volume is None:
            phase = "Lost" if dig(claim, "status", "phase") == "Bound" else "Pending"
            self.set_status(claim, {"phase": phase})
            return
        if dig(volume, "spec", "claimRef", "uid") not in (None, uid_of(claim)):
            return
        self._bind(claim, volume)

    def _matching_volume(self, claim: Obj) -> Obj | None:
        spec = claim["spec"]
        wanted = quantity.parse(spec["resources"]["requests"]["storage"])
        matches = label_selector(spec["selector"]) if spec.get("selector") else None
        candidates = [
            volume
            for volume in self.store.scan("persistentvolumes")
            if volume["spec"].get("storageClassName", "") == spec.get("storageClassName", "")
            and set(spec["accessModes"]) <= set(volume["spec"].get("accessModes") or [])
            and quantity.parse(dig(volume, "spec", "capacity", "storage", default="0")) >= wanted
            and self._free_for(volume, claim)
            and (matches is None or matches(labels_of(volume)))
        ]
        return min(candidates, key=lambda v: quantity.parse(v["spec"]["capacity"]["storage"]), default=None)

    def _free_for(self, volume: Obj, claim: Obj) -> bool:
        reference = dig(volume, "spec", "claimRef")
        if reference is None:
            return dig(volume, "status", "phase") in (None, "Available", "Pending") and not is_deleting(volume)
        named = reference.get("namespace") == namespace_of(claim) and reference.get("name") == name_of(claim)
        return named and reference.get("uid") in (None, uid_of(claim))

    def _bind(self, claim: Obj, volume: Obj) -> None:
        reference = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": namespace_of(claim),
            "name": name_of(claim),
            "uid": uid_of(claim),
        }
        if dig(volume, "spec", "claimRef", "uid") != uid_of(claim):
            volume = clone(volume)
            volume["spec"]["claimRef"] = reference
            volume = self.store.put("persistentvolumes", volume)
        self.registry.set_status(self.cluster.catalog.by_id("persistentvolumes"), volume, {"phase": "Bound"})
        if dig(claim, "spec", "volumeName") != name_of(volume):
            claim = clone(claim)
            claim["spec"]["volumeName"] = name_of(volume)
            annotations = claim["metadata"].setdefault("annotations", {})
            annotations["pv.kubernetes.io/bind-completed"] = "yes"
            claim = self.store.put(self.resource, claim)
        asked = dig(claim, "spec", "resources", "requests", "storage")
        has = dig(volume, "spec", "capacity", "storage")
        if quantity.parse(asked) > quantity.parse(has) and self._expands(claim):
            volume = clone(self.store.get("persistentvolumes", "", name_of(volume)))
            volume["spec"]["capacity"]["storage"] = has = asked
            self.store.put("persistentvolumes", volume)
        self.set_status(
            claim, {"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": has}}
        )

    def _expands(self, claim: Obj) -> bool:
        found = self.store.get(_CLASSES, "", dig(claim, "spec", "storageClassName", default=""))
        return bool(found and found.get("allowVolumeExpansion"))

    def _provision(self, claim: Obj) -> None:
        claim = self._with_default_class(claim)
        class_name = claim["spec"].get("storageClassName")
        if not class_name:
            text = "no persistent volumes available for this claim and no storage class is set"
            self.record(claim, "Normal", "FailedBinding", text)
            return
        storage_class = self.store.get(_CLASSES, "", class_name)
        if storage_class is None:
            text = f'storageclass.storage.k8s.io "{class_name}" not found'
            self.record(claim, "Warning", "ProvisioningFailed", text)
            return
        node = annotations_of(claim).get(SELECTED_NODE)
        if node and self.store.get("nodes", "", node) is None:
            # It went meanwhile, and its zone with it: the scheduler will choose another.
            node = None
        if storage_class["volumeBindingMode"] == "WaitForFirstConsumer" and not node:
            self.record(
                claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
            )
            return
        driver = driver_of(storage_class)
        annotations = {**annotations_of(claim), _PROVISIONER: driver}
        claim = self.registry.edit(self.resource, claim, annotations=annotations) or claim
        if not self._installed(driver):
            text = (
                f"Waiting for a volume to be created either by the external provisioner '{driver}' or manually by the "
                "system administrator. If volume creation is delayed, please verify that the provisioner is running "
                "and correctly registered."
            )
            self.record(claim, "Normal", "ExternalProvisioning", text)
            return
        self._bind(claim, self._create_volume(claim, storage_class, driver, node))
        text = f"Successfully provisioned volume pvc-{uid_of(claim)}"
        self.record(claim, "Normal", "ProvisioningSucceeded", text)

    def _with_default_class(self, claim: Obj) -> Obj:
        """A claim made before there was a default class gets it as soon as there is one."""
        if "storageClassName" in claim["spec"]:
            return claim
        changed: Obj = clone(claim)
        default_storage_class(self.store, changed)
        return self.store.put(self.resource, changed) if changed["spec"] != claim["spec"] else claim

    def _installed(self, driver: str) -> bool:
        """The driver is registered and its controller runs."""
        return self.store.get("csidrivers.storage.k8s.io", "", driver) is not None and controller_runs(
            self.store, driver
        )

    def _create_volume(self, claim: Obj, storage_class: Obj, driver: str, node: str | None) -> Obj:
        name = f"pvc-{uid_of(claim)}"
        existing = self.store.get("persistentvolumes", "", name)
        if existing is not None:
            return existing
        handle = f"vol-{uid_of(claim).replace('-', '')[:17]}"
        spec: Obj = {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": list(claim["spec"]["accessModes"]),
            "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
            "storageClassName": name_of(storage_class),
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "csi": {
                "driver": driver,
                "volumeHandle": handle,
                "fsType": dig(storage_class, "parameters", "fsType", default="ext4"),
            },
        }
        if zone := self._zone(driver, node):
            term = {"matchExpressions": [{"key": _ZONE, "operator": "In", "values": [zone]}]}
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
        metadata = {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": driver},
            "finalizers": ["kubernetes.io/pv-protection", "external-provisioner.volume.kubernetes.io/finalizer"],
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
        resource = self.cluster.catalog.by_id("persistentvolumes")
        return self.registry.create(resource, "", volume, controller_options(driver))

    def _zone(self, driver: str, node: str | None) -> str:
        if driver not in _ZONAL:
            return ""
        found = self.store.get("nodes", "", node) if node else next(self.store.scan("nodes"), None)
        return labels_of(found).get(_ZONE, "") if found else ""


class Volumes(Controller):
    """Releases volumes whose claim is gone, and deletes those that are to be reclaimed."""

    resource = "persistentvolumes"
    watches = ("persistentvolumeclaims", "deployments.apps")

    def affected(self, event: Event) -> Iterable[Name]:
        """The volume of a claim that went; all that wait for a driver's controller."""
        if event.resource == self.resource:
            return super().affected(event)
        if event.resource == "deployments.apps":
            if namespace_of(event.obj) != "kube-system":
                return []
            return [("", name_of(volume)) for volume in self.store.scan(self.resource) if is_deleting(volume)]
        volume = dig(event.obj, "spec", "volumeName")
        return [("", volume)] if event.type == "DELETED" and volume else []

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Give one volume the phase it should have."""
        volume = self.store.get(self.resource, "", name)
        if volume is None:
            return None
        reference = dig(volume, "spec", "claimRef")
        if is_deleting(volume):
            # A disk that nobody deletes keeps its volume: the driver's controller lets go of it, or nothing does.
            if not self._claimed(volume) and self._can_delete(volume):
                self.registry.edit(self.resource, volume, finalizers=None)
            return None
        if reference is None:
            self.set_status(volume, {"phase": "Available"})
        elif "uid" in reference and not self._claimed(volume):
            self.set_status(volume, {"phase": "Released"})
            if dig(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete":
                self.delete(self.resource, volume)
        return None

    def _can_delete(self, volume: Obj) -> bool:
        driver = dig(volume, "spec", "csi", "driver", default="")
        if dig(volume, "spec", "persistentVolumeReclaimPolicy") != "Delete" or not driver:
            return True
        return controller_runs(self.store, driver)

    def _claimed(self, volume: Obj) -> bool:
        reference = dig(volume, "spec", "claimRef", default={})
        claim = self.store.get("persistentvolumeclaims", reference.get("namespace", ""), reference.get("name", ""))
        return claim is not None and uid_of(claim) == reference.get("uid")


def controller_runs(store: Store, driver: str) -> bool:
    """Whether the controller of a CSI driver is up; of drivers that are not known, it is taken to be."""
    name = {"ebs.csi.aws.com": "ebs-csi-controller", "efs.csi.aws.com": "efs-csi-controller"}.get(driver)
    if name is None:
        return True
    controller = store.get("deployments.apps", "kube-system", name)
    return controller is not None and dig(controller, "status", "availableReplicas", default=0) > 0


def driver_of(storage_class: Obj) -> str:
    """The CSI driver behind a class."""
    provisioner = str(storage_class["provisioner"])
    return _MIGRATED.get(provisioner, provisioner)
