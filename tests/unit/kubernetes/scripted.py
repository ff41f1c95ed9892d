"""An HTTP server that answers with what a test scripted, and remembers what it was asked."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from slipway.hooks.kubernetes import ClusterEndpoint
from slipway.hooks.kubernetes_async import KubernetesApi

NAMESPACED = {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Pod": "pods"}
CORE = {
    "resources": [{"name": plural, "kind": kind, "namespaced": True} for kind, plural in NAMESPACED.items()]
    + [{"name": "namespaces", "kind": "Namespace", "namespaced": False}]
}
BATCH = {"resources": [{"name": "jobs", "kind": "Job", "namespaced": True}, {"name": "jobs/status", "kind": "Job"}]}


@dataclass
class Scripted:
    """Answers by method and path; the last answer of a path repeats."""

    answers: dict[tuple[str, str], deque[tuple[int, Any, Mapping[str, str]]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def on(self, method: str, path: str, status: int, body: Any = None, **headers: str) -> Scripted:
        """Script one more answer."""
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[method, path].append((status, {} if body is None else body, renamed))
        return self

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.read()
        self.asked.append((request.method, request.path, dict(request.query), json.loads(text) if text else None))
        self.tokens.append(request.headers.get("Authorization", ""))
        script = self.answers.get((request.method, request.path))
        if not script:
            return web.json_response({"reason": "NotFound", "message": f"nothing at {request.path}"}, status=404)
        status, body, headers = script.popleft() if len(script) > 1 else script[0]
        return web.json_response(body, status=status, headers=headers)

    def sent(self, method: str) -> list[tuple[str, dict[str, str], Any]]:
        """Path, query and body of the requests of one method."""
        return [(path, query, body) for verb, path, query, body in self.asked if verb == method]


@asynccontextmanager
async def api_for(script: Scripted) -> AsyncIterator[KubernetesApi]:
    """A client of the scripted server."""
    script.on("GET", "/api/v1", 200, CORE).on("GET", "/apis/batch/v1", 200, BATCH)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", script.handle)
    made = 0

    async def token() -> str:
        return f"token-{made}"

    def forget() -> None:
        nonlocal made
        made += 1

    async with TestServer(app) as server:
        endpoint = ClusterEndpoint("test", "us-east-1", str(server.make_url("")).rstrip("/"), "")
        async with KubernetesApi(endpoint, token, forget) as api:
            yield api
