"""EKS add-ons on a real control plane: the same objects as on the emulated one, applied server-side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

_DATA = Path(__file__).parents[1] / "kubernetes" / "addons"
_MANAGER = "eks"
_NOT_FOUND = 404
_WORKLOADS = {"Deployment", "DaemonSet"}


class AddOns:
    """Add-ons of one cluster.

    :ivar installed: what each installed add-on was asked to be, by name.
    """

    def __init__(self, api: client.ApiClient, installed: dict[str, dict[str, Any]]) -> None:
        self._api = api
        self.installed = installed

    def install(self, name: str, spec: dict[str, Any]) -> None:
        """Apply an add-on's objects."""
        self.installed[name] = spec
        for manifest in _manifests(name):
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
        del self.installed[name]
        for manifest in reversed(_manifests(name)):
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
        _ = self.installed[name]
        issues = []
        for manifest in _manifests(name):
            if manifest["kind"] not in _WORKLOADS:
                continue
            live = self._resource(manifest).get(
                name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"]
            )
            if reason := _unready(live.to_dict()):
                issues.append(f"{manifest['kind']} {manifest['metadata']['name']}: {reason}")
        return {"ready": not issues, "issues": issues}

    def _resource(self, manifest: dict[str, Any]) -> Any:
        # Made anew each time: discovery is cheap on loopback and a kept client would miss new kinds.
        resources = dynamic.DynamicClient(self._api).resources
        return resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])


def _manifests(name: str) -> list[dict[str, Any]]:
    path = _DATA / f"{name}.yaml"
    if not path.is_file():
        return []
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _unready(live: dict[str, Any]) -> str:
    status = live.get("status", {})
    if live["kind"] == "DaemonSet":
        ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    else:
        ready, wanted = status.get("readyReplicas", 0), live["spec"].get("replicas", 1)
    return "" if ready >= wanted else f"{ready} of {wanted} pods are ready"
