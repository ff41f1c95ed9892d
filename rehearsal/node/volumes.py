"""Disks of real nodes: folders of this machine, one for each volume, reached from the node that was chosen for it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from kubernetes import client

from rehearsal.controlplane.volumes import PROVISIONER, only

_NAME = re.compile(r"pvc-[0-9a-f-]{36}")
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


class Folders:
    """Volumes as folders.

    :param root: the folder they are in; nothing else is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, name: str, node: str, _zone: str) -> dict[str, Any]:
        """Make a volume's folder; says where it is, for its PersistentVolume.

        :raises ValueError: the name is not one that a claim's volume has.
        """
        path = self._path(name)
        path.mkdir(parents=True, exist_ok=True)
        # A disk fresh from EBS belongs to root as well; fsGroup gives it to the pod's group.
        path.chmod(0o755)
        return {"local": {"path": str(path)}, "nodeAffinity": only("kubernetes.io/hostname", node)}

    def collect(self, api: client.ApiClient) -> int:
        """Delete the volumes whose claim is gone and that are not to be retained; returns how many."""
        core = client.CoreV1Api(api)
        released = [one for one in core.list_persistent_volume().items if _is_done_with(one)]
        for volume in released:
            shutil.rmtree(self._path(volume.metadata.name), ignore_errors=True)
            core.delete_persistent_volume(volume.metadata.name)
        return len(released)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a volume's name (pvc-<uid>)")
        return self._root / name


def _is_done_with(volume: Any) -> bool:
    return (
        volume.status.phase == "Released"
        and volume.spec.persistent_volume_reclaim_policy == "Delete"
        and volume.metadata.deletion_timestamp is None
        and (volume.metadata.annotations or {}).get(_PROVISIONED_BY) == PROVISIONER
    )
