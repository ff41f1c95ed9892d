"""The Kubernetes side of the rehearsal, through its admin API.

EKS runs control planes; here another process does. This client asks it for a cluster, nodes and add-ons.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

_TIMEOUT_SECONDS = 30.0


class KubernetesUnavailableError(RuntimeError):
    """The admin API does not answer, or refused."""


class KubernetesAdmin:
    """A thin client of the admin API.

    :param url: where it listens, e.g. ``http://127.0.0.1:6440``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def put_cluster(self, cluster_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a cluster or change its version; returns its endpoint and certificate authority."""
        return self._call("PUT", f"/clusters/{quote(cluster_id)}", body)

    def delete_cluster(self, cluster_id: str) -> None:
        """Remove a cluster; it may be gone already."""
        self._call("DELETE", f"/clusters/{quote(cluster_id)}")

    def put_access(self, cluster_id: str, entries: list[dict[str, Any]]) -> None:
        """Replace the list of who may do what."""
        self._call("PUT", f"/clusters/{quote(cluster_id)}/access", {"entries": entries})

    def put_nodegroup(self, cluster_id: str, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Reconcile the nodes of a group; returns them."""
        return list(self._call("PUT", f"/clusters/{quote(cluster_id)}/nodegroups/{quote(name)}", body).get("nodes", []))

    def get_nodegroup(self, cluster_id: str, name: str) -> list[dict[str, Any]]:
        """The nodes of a group."""
        return list(self._call("GET", f"/clusters/{quote(cluster_id)}/nodegroups/{quote(name)}").get("nodes", []))

    def delete_nodegroup(self, cluster_id: str, name: str) -> None:
        """Drain and remove the nodes of a group; they may be gone already."""
        self._call("DELETE", f"/clusters/{quote(cluster_id)}/nodegroups/{quote(name)}")

    def put_addon(self, cluster_id: str, name: str, body: dict[str, Any]) -> None:
        """Install an add-on or change it."""
        self._call("PUT", f"/clusters/{quote(cluster_id)}/addons/{quote(name)}", body)

    def get_addon(self, cluster_id: str, name: str) -> dict[str, Any]:
        """Whether an add-on is ready, and what is wrong with it."""
        return self._call("GET", f"/clusters/{quote(cluster_id)}/addons/{quote(name)}")

    def delete_addon(self, cluster_id: str, name: str) -> None:
        """Remove an add-on's objects; they may be gone already."""
        self._call("DELETE", f"/clusters/{quote(cluster_id)}/addons/{quote(name)}")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = requests.request(method, self._url + path, json=body, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise KubernetesUnavailableError(
                f"the Kubernetes side of the rehearsal does not answer at {self._url} ({error}); "
                "start it with `python -m rehearsal.cloud up`, or point --kubernetes-admin at it"
            ) from error
        if method == "DELETE" and response.status_code == requests.codes.not_found:
            return {}
        if not response.ok:
            raise KubernetesUnavailableError(
                f"{method} {path} was answered {response.status_code}: {response.text[:500]}"
            )
        answer = response.json() if response.content else {}
        return answer if isinstance(answer, dict) else {}
