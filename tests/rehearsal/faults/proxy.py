"""A proxy of our own: before Kubernetes' API, and behind microburst where JSON or XML of AWS has to be rewritten.

It does what microburst does not: answers of the Kubernetes API with their headers, single paths, watches that end, and
states that a resource of AWS does not leave.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from rehearsal.kubernetes.certificates import ServingCertificate

_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "keep-alive", "date", "server"}


@dataclass
class Rule:
    """What is done to which requests.

    :param method: HTTP method, empty for any.
    :param path: regular expression, searched in path and query.
    :param times: how many requests it hits; ``None`` for all.
    :param skip: how many it lets pass before.
    :param status: answer with this and do not forward; ``message``, ``reason`` and ``headers`` go with it.
    :param delay: seconds to wait before anything else.
    :param reset: end the connection without an answer, and without forwarding.
    :param hang: forward nothing and say nothing.
    :param cut: forward, then send this share of the answer and end the connection.
    :param rewrite: forward, then change the body of the answer.
    :param after: forward, then call this before the answer goes out; it may block.
    """

    method: str = ""
    path: str = ""
    times: int | None = None
    skip: int = 0
    status: int = 0
    message: str = ""
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    hang: bool = False
    cut: float | None = None
    rewrite: Callable[[bytes], bytes] | None = None
    after: Callable[[], None] | None = None
    body: str = ""
    fired: int = 0
    mutating: bool = False

    def hits(self, request: web.Request, body: bytes) -> bool:
        """Whether it applies to a request; counts."""
        if self.mutating and not is_mutating(request, body):
            return False
        if (self.method and request.method != self.method) or not re.search(self.path, request.path_qs):
            return False
        if self.body and not re.search(self.body, body.decode(errors="replace")):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.fired += 1
        return True


def is_mutating(request: web.Request, body: bytes) -> bool:
    """Whether a request of AWS changes something, by its verb or its action's name."""
    action = re.search(rb"(?:^|&)Action=([A-Za-z]+)", body)
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    name = action[1].decode() if action else target
    if name:
        return not name.startswith(("Describe", "List", "Get", "BatchGet", "Simulate", "Lookup"))
    return request.method not in {"GET", "HEAD"}


class Proxy:
    """Forwards to one upstream, except for what its rules say. Runs in a thread of its own.

    :param upstream: URL without a path.
    :param serve: TLS to serve with.
    :param trust: PEM that the upstream's certificate is checked with.
    """

    def __init__(self, upstream: str, serve: ServingCertificate | None = None, trust: str = "") -> None:
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.seen: list[tuple[str, str]] = []
        self._serve, self._trust = serve, trust
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._serve else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("the proxy does not start")

    def stop(self) -> None:
        """End its thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def set(self, *rules: Rule) -> None:
        """Replace the rules."""
        self.rules = list(rules)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve_until_stopped())
        self._loop.close()

    async def _serve_until_stopped(self) -> None:
        self._stopping = asyncio.Event()
        context = ssl.create_default_context(cadata=self._trust) if self._trust else None
        connector = aiohttp.TCPConnector(ssl=context if context else True, limit=100)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=300)
        ) as self._session:
            application = web.Application(client_max_size=2**26)
            application.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_server_context(self._serve))
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stopping.wait()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.path_qs))
        rule = next((one for one in self.rules if one.hits(request, body)), None) or Rule()
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.hang:
            await asyncio.sleep(300)
        if rule.reset:
            return await _abort(request)
        if rule.status:
            return _status(rule)
        async with self._session.request(
            request.method,
            self.upstream + request.raw_path,
            data=body or None,
            headers={key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP},
            allow_redirects=False,
        ) as answer:
            headers = [(key, value) for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP]
            if request.query.get("watch") in {"true", "1"} or request.query.get("follow") in {"true", "True"}:
                return await _stream(request, answer, headers, rule)
            content = await answer.read()
        if rule.after is not None:
            await asyncio.to_thread(rule.after)
        if rule.rewrite is not None:
            content = rule.rewrite(content)
        if rule.cut is not None:
            return await _cut(request, answer.status, headers, content, rule.cut)
        return web.Response(status=answer.status, body=content, headers=CIMultiDict(headers))


async def _abort(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(
    request: web.Request, status: int, headers: list[tuple[str, str]], content: bytes, share: float
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Length": str(len(content))})
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(content[: int(len(content) * share)])
    return await _abort(request)


async def _stream(
    request: web.Request, answer: aiohttp.ClientResponse, headers: list[tuple[str, str]], rule: Rule
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    for key, value in headers:
        response.headers[key] = value
    await response.prepare(request)
    with suppress(ConnectionError):
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
            if rule.cut is not None:
                return await _abort(request)
    return response


def _status(rule: Rule) -> web.Response:
    body = {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": rule.status,
        "message": rule.message, "reason": rule.reason,
    }  # fmt: skip
    return web.json_response(body, status=rule.status, headers=rule.headers)


def _server_context(certificate: ServingCertificate | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certificate.certificate + certificate.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A rewrite of a JSON body."""

    def rewrite(content: bytes) -> bytes:
        parsed = json.loads(content)
        change(parsed)
        return json.dumps(parsed).encode()

    return rewrite


def through(url: str, authority: str) -> Callable[[bytes], bytes]:
    """A rewrite of EKS' description of a cluster, after which its API is found at another address."""

    def change(parsed: dict[str, Any]) -> None:
        cluster = parsed.get("cluster") or {}
        if cluster.get("endpoint"):
            cluster["endpoint"] = url
            cluster["certificateAuthority"] = {"data": base64.b64encode(authority.encode()).decode()}

    return edited(change)
