"""The admin API over real control planes, and the webhook that reviews their tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.controlplane import access as iam
from rehearsal.controlplane.addons import AddOnError
from rehearsal.controlplane.clusters import Clusters, UnknownError

log = logging.getLogger(__name__)
TEND_SECONDS = 1.0
Handler = Callable[[Request], Awaitable[Response]]


class Admin:
    """HTTP handlers over the clusters.

    :param sts_endpoint: where callers are verified.
    :param secrets: secret keys by access key id, to verify tokens' signatures where they are known.
    """

    def __init__(self, clusters: Clusters, sts_endpoint: str, secrets: Mapping[str, str]) -> None:
        self._clusters = clusters
        self._secrets = secrets
        self._sts = sts_endpoint.rstrip("/")
        # Starting and stopping planes must not interleave; everything else is quick.
        self._lock = asyncio.Lock()

    def app(self) -> Starlette:
        """The application."""
        base = "/clusters/{cluster}"
        routes: list[tuple[str, str, Handler]] = [
            ("/healthz", "GET", self.healthz),
            ("/stats", "GET", self.stats),
            ("/clusters", "GET", self.list_clusters),
            (base, "GET", self.get_cluster),
            (base, "PUT", self.put_cluster),
            (base, "DELETE", self.delete_cluster),
            (f"{base}/access", "PUT", self.put_access),
            (f"{base}/nodegroups/{{name}}", "GET", self.get_group),
            (f"{base}/nodegroups/{{name}}", "PUT", self.put_group),
            (f"{base}/nodegroups/{{name}}", "DELETE", self.delete_group),
            (f"{base}/addons/{{name}}", "GET", self.get_addon),
            (f"{base}/addons/{{name}}", "PUT", self.put_addon),
            (f"{base}/addons/{{name}}", "DELETE", self.delete_addon),
            (f"{base}/review", "POST", self.review),
            # For an API server that was configured before its cluster had a name.
            ("/review", "POST", self.review),
        ]
        return Starlette(
            routes=[Route(path, handler, methods=[method]) for path, method, handler in routes],
            exception_handlers={UnknownError: self._unknown, KeyError: self._unknown, AddOnError: self._refused},
        )

    async def healthz(self, _: Request) -> Response:
        """Alive."""
        return JSONResponse({"status": "ok"})

    async def stats(self, _: Request) -> Response:
        """What clients asked of each cluster."""
        return JSONResponse(await run_in_threadpool(self._clusters.stats))

    async def list_clusters(self, _: Request) -> Response:
        """All clusters."""
        return JSONResponse({"clusters": self._clusters.ids()})

    async def get_cluster(self, request: Request) -> Response:
        """How to reach one cluster."""
        cluster = self._clusters.get(request.path_params["cluster"])
        plane = cluster.plane
        found = {**cluster.spec, "endpoint": plane.endpoint, "certificateAuthority": plane.authority}
        return JSONResponse(found)

    async def put_cluster(self, request: Request) -> Response:
        """Have a cluster running."""
        return await self._locked(self._clusters.put, request.path_params["cluster"], await request.json())

    async def delete_cluster(self, request: Request) -> Response:
        """Stop and forget a cluster."""
        return await self._deleted(self._clusters.delete, request.path_params["cluster"])

    async def put_access(self, request: Request) -> Response:
        """Replace who may enter."""
        entries = (await request.json())["entries"]
        return await self._locked(self._clusters.put_access, request.path_params["cluster"], entries)

    async def get_group(self, request: Request) -> Response:
        """Nodes of a group."""
        nodes = await run_in_threadpool(self._clusters.nodes_of, *_cluster_and_name(request))
        return JSONResponse({"nodes": nodes})

    async def put_group(self, request: Request) -> Response:
        """Have a group's nodes."""
        async with self._lock:
            body = await request.json()
            nodes = await run_in_threadpool(self._clusters.put_group, *_cluster_and_name(request), body)
        return JSONResponse({"nodes": nodes})

    async def delete_group(self, request: Request) -> Response:
        """Remove a group's nodes."""
        return await self._deleted(self._clusters.delete_group, *_cluster_and_name(request))

    async def get_addon(self, request: Request) -> Response:
        """Whether an add-on is up."""
        cluster, name = _cluster_and_name(request)
        return JSONResponse(await run_in_threadpool(self._clusters.get(cluster).addons.status, name))

    async def put_addon(self, request: Request) -> Response:
        """Install an add-on."""
        return await self._locked(self._clusters.put_addon, *_cluster_and_name(request), await request.json())

    async def delete_addon(self, request: Request) -> Response:
        """Remove an add-on."""
        cluster, name = _cluster_and_name(request)
        return await self._deleted(self._clusters.get(cluster).addons.remove, name)

    async def review(self, request: Request) -> Response:
        """A kube-apiserver's TokenReview, of the cluster that is named or of the only one there is."""
        asked = await request.json()
        named = request.path_params.get("cluster") or next(iter(self._clusters.ids()), None)
        status: dict[str, Any] = {"authenticated": False}
        if named is not None:
            cluster = self._clusters.get(named)
            token = asked["spec"]["token"]
            status = await iam.review(token, cluster.spec["name"], cluster.access, self._sts, self._secrets)
        return JSONResponse({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})

    async def _locked(self, work: Callable[..., Any], *arguments: Any) -> Response:
        async with self._lock:
            answer = await run_in_threadpool(work, *arguments)
        return JSONResponse(answer or {})

    async def _deleted(self, work: Callable[..., None], *arguments: Any) -> Response:
        await self._locked(work, *arguments)
        return Response(status_code=204)

    async def _refused(self, _: Request, error: Exception) -> Response:
        return JSONResponse({"message": str(error)}, status_code=400)

    async def _unknown(self, _: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=404)

    async def tend(self) -> None:
        """Look after the clusters until cancelled."""
        while True:
            await asyncio.sleep(TEND_SECONDS)
            try:
                async with self._lock:
                    await run_in_threadpool(self._clusters.tend)
            except Exception:
                # A plane that is just starting or stopping; the next round looks again.
                log.debug("tending failed", exc_info=True)


def _cluster_and_name(request: Request) -> tuple[str, str]:
    return request.path_params["cluster"], request.path_params["name"]
