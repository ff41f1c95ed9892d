"""The admin API, which the rehearsal's AWS side calls: clusters, access, node groups, add-ons.

Loopback only and without authentication; no product code knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.kubernetes import machines
from rehearsal.kubernetes.cluster import Cluster
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.faults.inject import FaultError, heal, inject, settled
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.server import Supervisor

_NODE_GROUP_FIELDS = ("desired", "instanceType", "capacity")


class Refused(Exception):
    """A request that cannot be served, with its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Admin:
    """Handlers over the supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def application(self) -> Starlette:
        """The routes."""
        cluster = "/clusters/{id}"
        return Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/stats", self._stats),
                Route("/clusters", self._list),
                Route(cluster, self._cluster, methods=["GET", "PUT", "DELETE"]),
                Route(cluster + "/access", self._access, methods=["GET", "PUT"]),
                Route(cluster + "/nodegroups", self._groups),
                Route(cluster + "/nodegroups/{name}", self._group, methods=["GET", "PUT", "DELETE"]),
                Route(cluster + "/faults", self._faults, methods=["GET", "POST"]),
                Route(cluster + "/faults/{fault}", self._heal, methods=["DELETE"]),
                Route(cluster + "/addons", self._add_ons),
                Route(cluster + "/addons/{name}", self._add_on, methods=["GET", "PUT", "DELETE"]),
            ],
            exception_handlers={Refused: _refused},
        )

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _stats(self, request: Request) -> Response:
        clusters = self._supervisor.clusters
        return JSONResponse({id_: cluster.application.statistics.body() for id_, cluster in clusters.items()})

    async def _list(self, request: Request) -> Response:
        return JSONResponse({"clusters": [cluster.info() for cluster in self._supervisor.clusters.values()]})

    async def _cluster(self, request: Request) -> Response:
        cluster_id = request.path_params["id"]
        if request.method == "PUT":
            spec = await _body(request)
            if cluster_id not in self._supervisor.clusters:
                _require(spec, "name", "region", "version")
            try:
                cluster = await self._supervisor.put(cluster_id, spec)
            except ValueError as error:
                raise Refused(400, str(error)) from error
            return JSONResponse(cluster.info())
        cluster = self._find(request)
        if request.method == "DELETE":
            await self._supervisor.delete(cluster_id)
            return Response(status_code=204)
        return JSONResponse(cluster.info())

    def _find(self, request: Request) -> Cluster:
        cluster_id = request.path_params["id"]
        cluster = self._supervisor.clusters.get(cluster_id)
        if cluster is None:
            raise Refused(404, f"cluster {cluster_id!r} does not exist")
        return cluster

    async def _access(self, request: Request) -> Response:
        cluster = self._find(request)
        if request.method == "PUT":
            entries = (await _body(request)).get("entries")
            if not isinstance(entries, list) or any("principalArn" not in entry for entry in entries):
                raise Refused(400, "entries: a list of objects with principalArn is required")
            cluster.access.entries = entries
            self._supervisor.saved(cluster)
        return JSONResponse({"entries": cluster.access.entries})

    async def _faults(self, request: Request) -> Response:
        """``POST {"kind": "node-gone", ...}`` lets a fault happen; ``GET`` lists those that last."""
        cluster = self._find(request)
        if request.method == "GET":
            return JSONResponse({"faults": [fault.describe() for fault in cluster.faults.all()]})
        spec = await _body(request)
        _require(spec, "kind")
        try:
            fault = inject(cluster, spec.pop("kind"), spec)
            await settled(cluster, fault)
        except (FaultError, ApiError, TimeoutError) as error:
            raise Refused(400, str(error) or "the fault does not show") from error
        return JSONResponse(fault.describe(), 201)

    async def _heal(self, request: Request) -> Response:
        try:
            heal(self._find(request), request.path_params["fault"])
        except KeyError as error:
            raise Refused(404, f"{error.args[0]!r} does not exist") from error
        return Response(status_code=204)

    async def _groups(self, request: Request) -> Response:
        groups = self._find(request).node_groups
        return JSONResponse({"nodegroups": [groups.describe(name) for name in groups.names()]})

    async def _group(self, request: Request) -> Response:
        groups = self._find(request).node_groups

        def put(name: str, spec: Obj) -> Obj:
            if (found := machines.problem(spec)) is not None:
                raise Refused(400, found)
            return groups.put(name, spec)

        return await self._named(request, put, groups.describe, groups.delete, _NODE_GROUP_FIELDS)

    async def _add_ons(self, request: Request) -> Response:
        add_ons = self._find(request).add_ons
        return JSONResponse({"addons": [add_ons.describe(name) for name in add_ons.names()]})

    async def _add_on(self, request: Request) -> Response:
        add_ons = self._find(request).add_ons
        return await self._named(request, add_ons.put, add_ons.describe, add_ons.delete, ())

    async def _named(
        self,
        request: Request,
        put: Callable[[str, Obj], Obj],
        describe: Callable[[str], Obj],
        delete: Callable[[str], None],
        required: tuple[str, ...],
    ) -> Response:
        """The three methods of something with a name below a cluster."""
        name = request.path_params["name"]
        try:
            if request.method == "PUT":
                spec = await _body(request)
                _require(spec, *required)
                return JSONResponse(put(name, spec))
            if request.method == "DELETE":
                delete(name)
                return Response(status_code=204)
            return JSONResponse(describe(name))
        except KeyError as error:
            raise Refused(404, f"{error.args[0]!r} does not exist") from error
        except LookupError as error:
            raise Refused(400, str(error)) from error
        finally:
            self._supervisor.saved(self._find(request))


async def _body(request: Request) -> Obj:
    try:
        body: Any = await request.json()
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "the body is not a JSON object")
    return body


def _require(spec: Obj, *fields: str) -> None:
    missing = [field for field in fields if field not in spec]
    if missing:
        raise Refused(400, f"missing: {', '.join(missing)}")


async def _refused(request: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, Refused) else 500
    return JSONResponse({"message": str(error)}, code)
