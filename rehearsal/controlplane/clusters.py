"""All clusters of the process: planes, who may enter, node groups, add-ons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.controlplane import access as iam
from rehearsal.controlplane import nodes, volumes
from rehearsal.controlplane.addons import AddOns
from rehearsal.controlplane.binaries import Binaries
from rehearsal.controlplane.plane import Plane
from rehearsal.controlplane.processes import is_free
from rehearsal.kubernetes.auth.authentication import Access

MakePlane = Callable[[str, Path, int, str, Binaries], Plane]
EBS_DRIVER = "aws-ebs-csi-driver"


class UnknownError(LookupError):
    """No such cluster, node group or add-on."""


@dataclass
class Cluster:
    """One cluster, and what it was told; the latter is kept as JSON beside its data."""

    spec: dict[str, Any]
    plane: Plane
    addons: AddOns
    access: Access
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    bound: bool = True


class Clusters:
    """Clusters by id, ``<region>.<name>``.

    :param folder: everything they keep.
    :param first_port: port of the first cluster's API server.
    :param review_url: makes the URL that reviews a cluster's tokens.
    :param make_plane: from name, folder, port, webhook and binaries.
    """

    def __init__(
        self,
        folder: Path,
        first_port: int,
        review_url: Callable[[str], str],
        binaries: Binaries,
        make_plane: MakePlane = Plane,
    ) -> None:
        self._make_plane = make_plane
        self._folder = folder
        self._first_port = first_port
        self._review_url = review_url
        self._binaries = binaries
        self._clusters: dict[str, Cluster] = {}

    def restore(self) -> None:
        """Start what an earlier process kept."""
        for kept in sorted(self._folder.glob("*/told.json")):
            self._open(kept.parent.name, json.loads(kept.read_text()))

    def put(self, cluster_id: str, spec: dict[str, Any]) -> dict[str, str]:
        """Have a cluster running; returns how to reach it."""
        if cluster_id not in self._clusters:
            told = {"spec": spec, "port": self._next_port(), "access": [], "groups": {}, "addons": {}}
            self._open(cluster_id, told)
            volumes.bring_class(self.get(cluster_id).plane.api())
        cluster = self.get(cluster_id)
        cluster.spec |= spec
        cluster.access.creator = spec.get("creatorArn", cluster.access.creator)
        self._keep(cluster_id)
        return {"endpoint": cluster.plane.endpoint, "certificateAuthority": cluster.plane.authority}

    def get(self, cluster_id: str) -> Cluster:
        """A cluster.

        :raises UnknownError: there is none of this id.
        """
        try:
            return self._clusters[cluster_id]
        except KeyError:
            raise UnknownError(f"no cluster {cluster_id}") from None

    def ids(self) -> list[str]:
        """Ids of all clusters."""
        return sorted(self._clusters)

    def delete(self, cluster_id: str) -> None:
        """Stop a cluster and forget all it kept."""
        self.get(cluster_id).plane.discard()
        del self._clusters[cluster_id]
        shutil.rmtree(self._folder / cluster_id, ignore_errors=True)

    def put_access(self, cluster_id: str, entries: list[dict[str, Any]]) -> None:
        """Replace the access entries."""
        cluster = self.get(cluster_id)
        cluster.access.entries = entries
        cluster.bound = iam.bind(cluster.plane.api(), cluster.access)
        self._keep(cluster_id)

    def put_group(self, cluster_id: str, group: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
        """Have the nodes of a group; returns them."""
        cluster = self.get(cluster_id)
        cluster.plane.put_group(cluster.spec["region"], group, spec)
        cluster.groups[group] = spec
        self._keep(cluster_id)
        return nodes.listed(cluster.plane.api(), group)

    def nodes_of(self, cluster_id: str, group: str) -> list[dict[str, Any]]:
        """Nodes of a group.

        :raises UnknownError: there is no such group.
        """
        cluster = self.get(cluster_id)
        if group not in cluster.groups:
            raise UnknownError(f"no node group {group}")
        return nodes.listed(cluster.plane.api(), group)

    def delete_group(self, cluster_id: str, group: str) -> None:
        """Remove a group's nodes."""
        cluster = self.get(cluster_id)
        if cluster.groups.pop(group, None) is None:
            raise UnknownError(f"no node group {group}")
        cluster.plane.delete_group(group)
        self._keep(cluster_id)

    def put_addon(self, cluster_id: str, name: str, spec: dict[str, Any]) -> None:
        """Install an add-on."""
        self.get(cluster_id).addons.install(name, spec)
        self._keep(cluster_id)

    def tend(self) -> None:
        """What has to be looked after now and then: volumes for claims, bindings whose namespace was missing."""
        for cluster in self._clusters.values():
            cluster.plane.tend(disks=EBS_DRIVER in cluster.addons.installed)
            if not cluster.bound:
                cluster.bound = iam.bind(cluster.plane.api(), cluster.access)

    def stats(self) -> dict[str, dict[str, dict[str, int]]]:
        """What clients asked of each cluster since this process started."""
        return {cluster_id: cluster.plane.audit.counts() for cluster_id, cluster in self._clusters.items()}

    def stop(self) -> None:
        """Stop all clusters, side by side; what they keep stays."""
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(cluster.plane.stop) for cluster in self._clusters.values()]:
                done.result()

    def _open(self, cluster_id: str, told: dict[str, Any]) -> None:
        plane = self._make_plane(
            told["spec"]["name"],
            self._folder / cluster_id,
            told["port"],
            self._review_url(cluster_id),
            self._binaries,
        )
        plane.start()
        spec = told["spec"]
        access = Access(spec.get("creatorArn", ""), spec.get("bootstrapCreatorAdmin", True), told["access"])
        addons = AddOns(plane.api(), told["addons"], plane.addon_folders)
        self._clusters[cluster_id] = Cluster(spec, plane, addons, access, told["groups"], bound=False)
        plane.resume(spec["region"], told["groups"])
        for name, asked in told["addons"].items():
            addons.install(name, asked)

    def _keep(self, cluster_id: str) -> None:
        cluster = self.get(cluster_id)
        told = {
            "spec": cluster.spec,
            "port": cluster.plane.port,
            "access": cluster.access.entries,
            "groups": cluster.groups,
            "addons": cluster.addons.installed,
        }
        path = self._folder / cluster_id / "told.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(told))
        partial.rename(path)

    def _next_port(self) -> int:
        taken = {cluster.plane.port for cluster in self._clusters.values()}
        first = self._first_port
        # The first one was asked for; its being used is for the API server to say.
        free = (port for port in range(first, first + 1000) if port not in taken and (port == first or is_free(port)))
        return next(free)
