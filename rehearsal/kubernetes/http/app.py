"""The API server of one cluster as an ASGI application."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from rehearsal.kubernetes.errors import ApiError, PageNotFound, no_such_path, unauthorized
from rehearsal.kubernetes.http import discovery
from rehearsal.kubernetes.http.encoding import error_response, json_response
from rehearsal.kubernetes.http.handlers import Handlers
from rehearsal.kubernetes.http.openapi import OpenApi
from rehearsal.kubernetes.http.requests import Call, parse
from rehearsal.kubernetes.http.shutdown import Shutdown
from rehearsal.kubernetes.identity import Identity
from rehearsal.kubernetes.objects import Obj

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_log = logging.getLogger(__name__)
_HEALTH = {"/healthz", "/livez", "/readyz"}
_ANONYMOUS = Identity("system:anonymous", frozenset({"system:unauthenticated"}))
_READING = {"get", "list", "watch"}


class Statistics:
    """Requests by verb and resource, mutating ones apart from reading and dry ones."""

    def __init__(self) -> None:
        self.mutating: Counter[str] = Counter()
        self.reading: Counter[str] = Counter()

    def count(self, call: Call) -> None:
        """Count one call; reviews and dry runs change nothing."""
        name = call.resource.id + (f"/{call.subresource}" if call.subresource else "")
        reads = call.verb in _READING or call.resource.virtual or call.query.get("dryRun") == "All"
        (self.reading if reads else self.mutating)[f"{call.verb} {name}"] += 1

    def body(self) -> Obj:
        """For the admin API."""
        return {"mutating": dict(self.mutating), "reading": dict(self.reading)}


class Application:
    """Routes requests, authenticates, authorizes, and turns errors into ``Status`` answers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.openapi = OpenApi(cluster.catalog)
        self.statistics = Statistics()
        self.shutdown = Shutdown()
        self._handlers = Handlers(cluster, self.shutdown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1011, "reason": "not supported in the rehearsal"})
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ApiError as error:
            response = error_response(error)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("%s %s failed", request.method, request.url.path)
            text = "Internal error occurred: the rehearsal's API server failed; its log has the traceback"
            response = error_response(ApiError(500, "InternalError", text))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        if path.rstrip("/") in _HEALTH or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return PlainTextResponse("ok")
        user = await self._authenticate(request)
        parts = [part for part in path.split("/") if part]
        depth = {"api": 2, "apis": 3}.get(parts[0], 0) if parts else 0
        if depth and len(parts) > depth:
            return await self._resource(request, user)
        if user is _ANONYMOUS and path != "/version":
            raise unauthorized()
        return self._document(request, parts)

    async def _authenticate(self, request: Request) -> Identity:
        header = request.headers.get("authorization", "")
        if not header:
            return _ANONYMOUS
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        return await self._cluster.authenticator.authenticate(token.strip())

    async def _resource(self, request: Request, user: Identity) -> Response:
        call = parse(self._cluster.catalog, request, user)
        if user is _ANONYMOUS:
            raise unauthorized()
        self._cluster.authorizer.require(call)
        self.statistics.count(call)
        return await self._handlers.handle(call, request)

    def _document(self, request: Request, parts: list[str]) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise no_such_path()
        match parts:
            case ["api" | "apis", *rest]:
                return self._discovery(request, parts[0], rest)
            case ["version"]:
                return json_response(self._cluster.version_info())
            case ["openapi", *rest]:
                return self._openapi(rest)
            case [".well-known", "openid-configuration"] | ["openid", "v1", "jwks"]:
                return json_response(self._cluster.tokens.discovery("jwks" in parts))
            case []:
                return json_response({"paths": ["/api", "/apis", "/openapi/v3", "/version", "/healthz", "/readyz"]})
            case _:
                raise PageNotFound

    def _discovery(self, request: Request, root: str, rest: list[str]) -> Response:
        catalog = self._cluster.catalog
        if not rest and discovery.wants_aggregated(request.headers.get("accept", "")):
            body = json_response(discovery.aggregated(catalog, root == "api")).body
            return Response(body, 200, {"Vary": "Accept"}, discovery.AGGREGATED)
        match root, rest:
            case "api", []:
                return json_response(discovery.api_versions(request.url.netloc))
            case "apis", []:
                return json_response(discovery.group_list(catalog))
            case "apis", [group] if group in catalog.group_versions():
                return json_response(discovery.api_group(catalog, group))
            case "api", [version]:
                return self._resource_list("", version)
            case "apis", [group, version]:
                return self._resource_list(group, version)
            case _:
                raise no_such_path()

    def _openapi(self, rest: list[str]) -> Response:
        match rest:
            case ["v2"]:
                return json_response(self.openapi.v2())
            case ["v3"]:
                return json_response(self.openapi.index())
            case ["v3", "api", version]:
                return json_response(self.openapi.document("", version))
            case ["v3", "apis", group, version]:
                return json_response(self.openapi.document(group, version))
            case _:
                raise no_such_path()

    def _resource_list(self, group: str, version: str) -> Response:
        if version not in self._cluster.catalog.group_versions().get(group, []):
            raise no_such_path()
        return json_response(discovery.resource_list(self._cluster.catalog, group, version))
