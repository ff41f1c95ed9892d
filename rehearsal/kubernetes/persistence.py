"""Snapshots of clusters on disk: written a moment after a change, replaced atomically, read at start."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rehearsal.kubernetes.cluster import Cluster
from rehearsal.kubernetes.objects import Obj

FORMAT = 1
_DELAY = 1.0


class Snapshots:
    """Files of one state directory, readable by their owner only: they hold keys and Secrets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "kubernetes"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def saved(self) -> Iterator[Obj]:
        """Every snapshot that can be read.

        :raises ValueError: for a snapshot of another format; it is left as it is.
        """
        for path in sorted(self._directory.glob("*.json")):
            content: Any = msgspec.json.decode(path.read_bytes())
            if content.get("format") != FORMAT:
                raise ValueError(
                    f"{path}: snapshot format {content.get('format')!r}, this version reads {FORMAT}; "
                    "move the file away to start afresh"
                )
            yield content["cluster"]

    def watch(self, cluster: Cluster) -> None:
        """Keep the cluster's snapshot up to date from now on."""
        cluster.subscribe(lambda event: self.schedule(cluster))
        self.schedule(cluster)

    def schedule(self, cluster: Cluster) -> None:
        """Write soon; changes until then share one write."""
        if cluster.id not in self._timers:
            self._timers[cluster.id] = asyncio.get_running_loop().call_later(_DELAY, self.write, cluster)

    def write(self, cluster: Cluster) -> None:
        """Write now."""
        if (timer := self._timers.pop(cluster.id, None)) is not None:
            timer.cancel()
        path = self._path(cluster.id)
        temporary = path.with_suffix(".tmp")
        content = msgspec.json.encode({"format": FORMAT, "cluster": cluster.dump()})
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
        token = self._directory / f"{cluster.id}.admin-token"
        token.touch(mode=0o600)
        token.write_text(cluster.admin_token)

    def forget(self, cluster_id: str) -> None:
        """Remove what is kept of a deleted cluster."""
        if (timer := self._timers.pop(cluster_id, None)) is not None:
            timer.cancel()
        for path in (self._path(cluster_id), self._directory / f"{cluster_id}.admin-token"):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _path(self, cluster_id: str) -> Path:
        return self._directory / f"{cluster_id}.json"
