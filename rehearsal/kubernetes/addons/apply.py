"""Installs, updates, reports and removes add-ons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from rehearsal.kubernetes.apply.patches import merge_patch
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.media import APPLY
from rehearsal.kubernetes.objects import Obj, clone, dig, is_true, labels_of, name_of, namespace_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.deletion import delete
from rehearsal.kubernetes.rest.options import DeleteOptions, WriteOptions

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_FOLDER = Path(__file__).parent
_WORKLOADS = {"Deployment", "DaemonSet", "StatefulSet"}


class AddOns:
    """Add-ons of one cluster as the admin API sets them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._installed: dict[str, Obj] = {}

    def names(self) -> list[str]:
        """Installed add-ons."""
        return sorted(self._installed)

    def put(self, name: str, spec: Obj) -> Obj:
        """Install or change an add-on.

        :raises LookupError: when nothing is known of it; the message lists what is.
        """
        objects = self._objects(name, spec)
        self._installed[name] = clone(spec)
        for obj in objects:
            resource = self._resource(obj)
            options = WriteOptions(manager="eks", force=True, field_validation="Strict")
            self._cluster.registry.patch(resource, namespace_of(obj), name_of(obj), APPLY, obj, options)
        return self.describe(name)

    def describe(self, name: str) -> Obj:
        """Whether its workloads are ready, and what is in the way.

        :raises KeyError: when it is not installed.
        """
        spec = self._installed[name]
        issues = [issue for obj in self._objects(name, spec) if (issue := self._issue(obj))]
        issues += filter(None, [self._cluster.faults.add_on_issue(name)])
        return {"name": name, "version": spec.get("version", ""), "ready": not issues, "issues": issues}

    def delete(self, name: str) -> None:
        """Remove an add-on with its objects.

        :raises KeyError: when it is not installed.
        """
        spec = self._installed.pop(name)
        for obj in reversed(self._objects(name, spec)):
            if obj["kind"] == "Namespace":
                continue
            try:
                options = DeleteOptions(propagation="Background")
                delete(self._cluster.registry, self._resource(obj), namespace_of(obj), name_of(obj), options)
            except ApiError as error:
                if error.code != 404:
                    raise

    def _resource(self, obj: Obj) -> Resource:
        resource = self._cluster.catalog.by_kind(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise LookupError(f"{obj['apiVersion']} {obj['kind']}: the cluster serves no such kind")
        return resource

    def _objects(self, name: str, spec: Obj) -> list[Obj]:
        path = _FOLDER / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in _FOLDER.glob("*.yaml")))
            raise LookupError(f"add-on {name!r} is not known to the rehearsal; it knows {known}")
        version = str(spec.get("version", "")) or "latest"
        objects = list(yaml.safe_load_all(path.read_text().replace("{{version}}", version)))
        return [self._configured(obj, spec) for obj in objects if obj]

    def _configured(self, obj: Obj, spec: Obj) -> Obj:
        """Replicas and resources of ``configurationValues``, and the role on service accounts."""
        values = spec.get("configurationValues") or {}
        if obj["kind"] == "ServiceAccount" and spec.get("serviceAccountRoleArn"):
            annotation = {"eks.amazonaws.com/role-arn": spec["serviceAccountRoleArn"]}
            obj = dict(merge_patch(obj, {"metadata": {"annotations": annotation}}))
        if obj["kind"] == "Deployment":
            scope: Obj = values.get("controller") or values
            replicas = scope.get("replicaCount", values.get("replicaCount"))
            if isinstance(replicas, int):
                obj = dict(merge_patch(obj, {"spec": {"replicas": replicas}}))
            for field in ("nodeSelector", "tolerations"):
                if field in scope:
                    obj = dict(merge_patch(obj, {"spec": {"template": {"spec": {field: scope[field]}}}}))
        return obj

    def _issue(self, obj: Obj) -> str:
        if obj["kind"] not in _WORKLOADS:
            return ""
        live = self._cluster.store.get(self._resource(obj).id, namespace_of(obj), name_of(obj))
        label = f"{obj['kind']} {namespace_of(obj)}/{name_of(obj)}"
        if live is None:
            return f"{label} is missing"
        if obj["kind"] == "DaemonSet":
            wanted = dig(live, "status", "desiredNumberScheduled")
            ready = dig(live, "status", "numberReady", default=0)
            if wanted is None:
                return f"{label} has not been observed yet"
        else:
            wanted, ready = live["spec"]["replicas"], dig(live, "status", "readyReplicas", default=0)
        if ready >= wanted:
            return ""
        return f"{label} has {ready} of {wanted} pods ready{self._why(live)}"

    def _why(self, workload: Obj) -> str:
        selector = dig(workload, "spec", "selector", "matchLabels", default={})
        for pod in self._cluster.store.objects("pods", namespace_of(workload)):
            if selector.items() <= labels_of(pod).items() and not is_true(pod, "PodScheduled"):
                for entry in dig(pod, "status", "conditions", default=[]):
                    if entry["type"] == "PodScheduled" and entry.get("message"):
                        return f": {entry['message']}"
        return ""

    def dump(self) -> dict[str, Obj]:
        """For the snapshot."""
        return self._installed

    def load(self, saved: dict[str, Obj]) -> None:
        """Inverse of :meth:`dump`."""
        self._installed = saved
