"""EKS add-ons on a real control plane: the same objects as on the emulated one, applied server-side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

from rehearsal.kubernetes.apply.patches import merge_patch

EMULATED_ADDONS = Path(__file__).parents[1] / "kubernetes" / "addons"
_MANAGER = "eks"
_NOT_FOUND = 404
_WORKLOADS = {"Deployment", "DaemonSet", "StatefulSet"}


class AddOnError(ValueError):
    """An add-on that cannot be installed here; the message lists those that can."""


class AddOns:
    """Add-ons of one cluster.

    :param folders: where their objects are, ``<name>.yaml``; the first that has it counts.
    :ivar installed: what each installed add-on was asked to be, by name.
    """

    def __init__(
        self, api: client.ApiClient, installed: dict[str, dict[str, Any]], folders: Sequence[Path] = (EMULATED_ADDONS,)
    ) -> None:
        self._api = api
        self._folders = folders
        self.installed = installed

    def install(self, name: str, spec: dict[str, Any]) -> None:
        """Apply an add-on's objects.

        :raises AddOnError: nothing is known of it.
        """
        manifests = self._manifests(name, spec)
        self.installed[name] = spec
        for manifest in manifests:
            self._resource(manifest).server_side_apply(
                body=manifest,
                name=manifest["metadata"]["name"],
                namespace=manifest["metadata"].get("namespace"),
                field_manager=_MANAGER,
                force_conflicts=True,
            )

    def remove(self, name: str) -> None:
        """Delete an add-on's objects.

        :raises KeyError: it is not installed.
        """
        spec = self.installed.pop(name)
        for manifest in reversed(self._manifests(name, spec)):
            if manifest["kind"] == "Namespace":
                continue
            try:
                self._resource(manifest).delete(
                    name=manifest["metadata"]["name"], namespace=manifest["metadata"].get("namespace")
                )
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise

    def status(self, name: str) -> dict[str, Any]:
        """Whether an add-on's workloads are up, and which are not.

        :raises KeyError: it is not installed.
        """
        spec = self.installed[name]
        issues = []
        for manifest in self._manifests(name, spec):
            if manifest["kind"] not in _WORKLOADS:
                continue
            if reason := self._unready(manifest):
                issues.append(f"{manifest['kind']} {manifest['metadata']['name']}: {reason}")
        return {"ready": not issues, "issues": issues}

    def _manifests(self, name: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
        path = next((one for folder in self._folders if (one := folder / f"{name}.yaml").is_file()), None)
        if path is None:
            known = ", ".join(sorted({one.stem for folder in self._folders for one in folder.glob("*.yaml")}))
            raise AddOnError(f"add-on {name!r} is not known to the rehearsal; it knows {known}")
        text = path.read_text().replace("{{version}}", str(spec.get("version", "")) or "latest")
        return [_configured(document, spec) for document in yaml.safe_load_all(text) if document]

    def _unready(self, manifest: dict[str, Any]) -> str:
        try:
            live = self._resource(manifest).get(
                name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"]
            )
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise
            return "it is missing"
        return _unready(live.to_dict())

    def _resource(self, manifest: dict[str, Any]) -> Any:
        # Made anew each time: discovery is cheap on loopback and a kept client would miss new kinds.
        resources = dynamic.DynamicClient(self._api).resources
        return resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])


def _configured(manifest: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """The role on service accounts; replicas and placement of Deployments from ``configurationValues``."""
    if manifest["kind"] == "ServiceAccount" and spec.get("serviceAccountRoleArn"):
        annotation = {"eks.amazonaws.com/role-arn": spec["serviceAccountRoleArn"]}
        return dict(merge_patch(manifest, {"metadata": {"annotations": annotation}}))
    if manifest["kind"] != "Deployment":
        return manifest
    values = spec.get("configurationValues") or {}
    scope = values.get("controller") or values
    replicas = scope.get("replicaCount", values.get("replicaCount"))
    change: dict[str, Any] = {"replicas": replicas} if isinstance(replicas, int) else {}
    placement = {field: scope[field] for field in ("nodeSelector", "tolerations") if field in scope}
    if placement:
        change["template"] = {"spec": placement}
    return dict(merge_patch(manifest, {"spec": change}))


def _unready(live: dict[str, Any]) -> str:
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "it has not been observed yet"
    if live["kind"] == "DaemonSet":
        ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    else:
        ready, wanted = status.get("readyReplicas", 0), live["spec"].get("replicas", 1)
    return "" if ready >= wanted else f"{ready} of {wanted} pods are ready"
