"""The process: clusters, each behind TLS on a port of its own, and the admin API."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from rehearsal.kubernetes.certificates import ServingCertificate
from rehearsal.kubernetes.cluster import Cluster
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.persistence import Snapshots
from rehearsal.kubernetes.settings import Settings


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Listener:
    """An ASGI application on a port."""

    def __init__(self, app: ASGIApp, host: str, port: int, certificate: ServingCertificate | None = None) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
        )
        config.load()
        if certificate is not None:
            config.ssl = _context(certificate)
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen.

        :raises OSError: when the port is taken.
        """
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"nothing listens on port {self._server.config.port}")
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as error:
            raise OSError(f"cannot listen on port {self._server.config.port}") from error

    async def stop(self) -> None:
        """Finish requests, then stop."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _context(certificate: ServingCertificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        key.touch(mode=0o600)
        chain.write_text(certificate.certificate)
        key.write_text(certificate.key)
        context.load_cert_chain(chain, key)
    return context


class Supervisor:
    """All clusters of the process.

    :raises ValueError: from :meth:`start` when a snapshot cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clusters: dict[str, Cluster] = {}
        self._listeners: dict[str, Listener] = {}
        self._snapshots = Snapshots(settings.state) if settings.state else None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Bring back what was saved."""
        if self._snapshots is None:
            return
        for saved in self._snapshots.saved():
            await self._open(Cluster(saved["id"], saved["spec"], saved["port"], self.settings, saved))

    async def stop(self) -> None:
        """Stop everything, saving what is to be kept."""
        for cluster_id in list(self.clusters):
            await self._close(cluster_id)

    async def put(self, cluster_id: str, spec: Obj) -> Cluster:
        """Create a cluster, or upgrade it when its version is newer.

        :raises ValueError: when there is no schema for the version.
        """
        async with self._lock:
            cluster = self.clusters.get(cluster_id)
            if cluster is None:
                cluster = Cluster(cluster_id, spec, self._free_port(), self.settings)
                await self._open(cluster)
            elif spec.get("version"):
                cluster.upgrade(spec["version"])
            self.saved(cluster)
            return cluster

    async def delete(self, cluster_id: str) -> None:
        """Delete a cluster.

        :raises KeyError: when there is none of that id.
        """
        async with self._lock:
            if cluster_id not in self.clusters:
                raise KeyError(cluster_id)
            await self._close(cluster_id, keep=False)

    def saved(self, cluster: Cluster) -> None:
        """Save soon what changed outside the store."""
        if self._snapshots is not None:
            self._snapshots.schedule(cluster)

    def _free_port(self) -> int:
        taken = {cluster.port for cluster in self.clusters.values()}
        first = port = self.settings.first_port
        # The first one was asked for, so finding it taken is an error; of the others nobody has heard yet.
        while port in taken or port == self.settings.admin_port or (port > first and self._is_used(port)):
            port += 1
        return port

    def _is_used(self, port: int) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.settings.host, port))
            except OSError:
                return True
        return False

    async def _open(self, cluster: Cluster) -> None:
        listener = Listener(cluster.application, self.settings.host, cluster.port, cluster.certificate)
        await listener.start()
        self.clusters[cluster.id] = cluster
        self._listeners[cluster.id] = listener
        cluster.manager.start()
        cluster.outside.start()
        if self._snapshots is not None:
            self._snapshots.watch(cluster)

    async def _close(self, cluster_id: str, keep: bool = True) -> None:
        cluster, listener = self.clusters.pop(cluster_id), self._listeners.pop(cluster_id)
        cluster.application.shutdown.begin()
        await cluster.manager.stop()
        await cluster.outside.stop()
        await listener.stop()
        if self._snapshots is None:
            return
        if keep:
            self._snapshots.write(cluster)
        else:
            self._snapshots.forget(cluster_id)
