"""A cluster's REST API over one pool of kept-alive connections, for tasks and triggers alike.

Objects are plain dictionaries, as in the manifests: server-side apply works on those, and the typed models of the
official client take half a second to import in every task process.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
from asgiref.sync import sync_to_async
from yarl import URL

from slipway.decisions.failures import of_kubernetes
from slipway.decisions.inventory import ObjectRef
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.model.errors import ErrorClass, SlipwayError

Object = dict[str, Any]

IN_FLIGHT = 16
ATTEMPTS = 6
BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 60
UNAUTHORIZED_RETRIES = 3
PAGE = 500
EXPIRED_LISTS = 3
# Of a list the objects' metadata alone, made by the API server itself.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# How long a token is used before asking whether it is time for another; less than the margin it is renewed with.
TOKEN_CHECK_SECONDS = 60.0
_WARNING = re.compile(r'^\d{3} \S+ "?(.*?)"?$')
_TRANSIENT = {429, 500, 502, 503, 504}
_UNREACHABLE = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, asyncio.TimeoutError)


class KubernetesApiError(SlipwayError):
    """The API refused a request.

    :param status: HTTP status; 0 when the API could not be reached at all.
    :param causes: the API's own list of what is wrong, each with ``reason``, ``message`` and ``field``.
    """

    def __init__(self, method: str, path: str, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        # What a service behind the API's proxy answers says "error" where the API says "message".
        self.message = str(body.get("message") or body.get("error") or "") or f"HTTP {status}"
        self.causes: list[dict[str, str]] = list((body.get("details") or {}).get("causes") or [])
        kind = of_kubernetes(status, self.reason, self.message)
        self.error_class = ErrorClass.FOREIGN if self.field_conflicts else kind
        super().__init__(f"{method} {path}: {status} {self.reason}: {self.message}")

    @property
    def transient(self) -> bool:
        """Whether asking again may help. A manifest that does not fit its schema is a 500 to server-side apply."""
        return self.status in _TRANSIENT and "failed to create typed patch object" not in self.message

    @property
    def field_conflicts(self) -> list[dict[str, str]]:
        """Fields that another manager owns."""
        return [cause for cause in self.causes if cause.get("reason") == "FieldManagerConflict"]


@dataclass(frozen=True, slots=True)
class Resource:
    """How the API serves a kind: its plural and whether it lives in namespaces."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def collection(self) -> str:
        """URL path of all objects of the kind, in all namespaces."""
        return f"{_root(self.api_version)}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer; ``warnings`` are the API server's ``Warning`` headers."""

    status: int
    body: Object
    warnings: list[str] = field(default_factory=list)


class KubernetesApi:
    """A client of one cluster. Use as an asynchronous context manager.

    :param token: called before every request; must be cheap.
    :param forget_token: called when the API answers 401, before one more attempt.
    """

    def __init__(
        self,
        endpoint: ClusterEndpoint,
        token: Callable[[], Awaitable[str]],
        forget_token: Callable[[], None] = lambda: None,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self.endpoint = endpoint
        self._token = token
        self._forget_token = forget_token
        self._slots = asyncio.Semaphore(in_flight)
        self._in_flight = in_flight
        self._session: aiohttp.ClientSession | None = None
        self._resources: dict[str, asyncio.Task[dict[str, Resource]]] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._in_flight, ssl=tls_context(self.endpoint.authority))
        # Not trust_env: it looks for a proxy and a .netrc in threads, anew for every request.
        proxy, credentials = _proxy_for(self.endpoint.url)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS),
            proxy=proxy,
            proxy_auth=credentials,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._resources.values():
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        decode: Callable[[bytes], Any] = json.loads,
        accept: str = "application/json",
    ) -> Answer:
        """Send one request; throttling, server errors and lost connections are retried, with jitter.

        :param accept: which form of the answer; ``METADATA_ONLY`` spares what objects hold.
        :param decode: reads a successful answer; a typed decoder spares memory where few fields of many are wanted.
        :raises KubernetesApiError: refused, or still failing after the last attempt.
        """
        data = json.dumps(body).encode() if body is not None else None
        refused = 0
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                status, answer, headers = await self._send(method, path, params, data, content_type, decode, accept)
            except _UNREACHABLE as error:
                if last:
                    what = f"{self.endpoint.url} could not be reached: {error or type(error).__name__}"
                    raise KubernetesApiError(method, path, 0, {"reason": "Unreachable", "message": what}) from error
                await asyncio.sleep(_backoff(attempt, None))
                continue
            if status < 400:
                return Answer(status, answer, [_warning(text) for text in headers.getall("Warning", [])])
            if status == 401 and refused < UNAUTHORIZED_RETRIES:
                # The token may have been too old; and access that was just granted takes EKS a moment to know of.
                refused += 1
                self._forget_token()
                await asyncio.sleep(_backoff(refused, None))
                continue
            error_ = KubernetesApiError(method, path, status, answer)
            busy = status == 409 and method == "PATCH" and not error_.field_conflicts
            if last or not (error_.transient or busy):
                raise error_
            await asyncio.sleep(_backoff(attempt, headers.get("Retry-After")))
        raise AssertionError("unreachable")

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        content_type: str,
        decode: Callable[[bytes], Any],
        accept: str,
    ) -> tuple[int, Any, Any]:
        if self._session is None:
            raise RuntimeError("KubernetesApi is used outside of its context")
        headers = {"Authorization": f"Bearer {await self._token()}", "Accept": accept}
        if data is not None:
            headers["Content-Type"] = content_type
        async with (
            self._slots,
            self._session.request(
                method, self.endpoint.url + path, params=params, data=data, headers=headers
            ) as response,
        ):
            text = await response.read()
            try:
                parsed = (decode if response.status < 400 else json.loads)(text) if text else {}
            except ValueError:
                parsed = {"message": text.decode(errors="replace")[:500]}
            return response.status, parsed, response.headers

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object | None:
        """Read one object; ``None`` when the API says that it does not exist."""
        try:
            return (await self.request("GET", path, params=params)).body
        except KubernetesApiError as error:
            if error.status == 404:
                return None
            raise

    async def read(self, ref: ObjectRef) -> Object | None:
        """Read one object by reference; ``None`` when it, its kind or its namespace does not exist."""
        path = await self.path(ref)
        return await self.get(path) if path else None

    async def items(self, path: str, params: Mapping[str, str] | None = None) -> list[Object]:
        """List a collection, all pages of it; from the first again when a page took so long that the list expired."""
        found: list[Object] = []
        query = {"limit": str(PAGE), **(params or {})}
        expired = 0
        while True:
            try:
                body = (await self.request("GET", path, params=query)).body
            except KubernetesApiError as error:
                expired += 1
                if error.status != 410 or "continue" not in query or expired > EXPIRED_LISTS:
                    raise
                del query["continue"]
                found = []
                continue
            found += body.get("items") or []
            following = (body.get("metadata") or {}).get("continue")
            if not following:
                return found
            query["continue"] = following

    async def path(self, ref: ObjectRef) -> str | None:
        """URL path of an object; ``None`` when the cluster does not serve its kind."""
        resource = await self.resource(ref.api_version, ref.kind)
        if resource is None:
            return None
        scope = f"/namespaces/{ref.namespace}" if resource.namespaced else ""
        return f"{_root(ref.api_version)}{scope}/{resource.plural}/{ref.name}"

    async def resource(self, api_version: str, kind: str) -> Resource | None:
        """How the cluster serves a kind; asks discovery once per API version, unless the kind was not found."""
        known = self._resources.get(api_version)
        if known is None or (known.done() and (known.exception() or kind not in known.result())):
            known = self._resources[api_version] = asyncio.create_task(self._discover(api_version))
        return (await asyncio.shield(known)).get(kind)

    async def _discover(self, api_version: str) -> dict[str, Resource]:
        body = await self.get(_root(api_version)) or {}
        return {
            entry["kind"]: Resource(api_version, entry["kind"], entry["name"], bool(entry["namespaced"]))
            for entry in body.get("resources") or []
            if "/" not in entry["name"]
        }


def tls_context(authority: str) -> ssl.SSLContext:
    """TLS that trusts the cluster's own authority and nothing else."""
    context = ssl.create_default_context(cadata=authority)
    # EKS authorities have no key identifier, which Python 3.13 would insist on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@asynccontextmanager
async def connect(access: EksAccess, endpoint: ClusterEndpoint) -> AsyncIterator[KubernetesApi]:
    """Open a client for a cluster with renewed tokens."""
    token, asked = "", -TOKEN_CHECK_SECONDS

    async def current() -> str:
        nonlocal token, asked
        now = asyncio.get_running_loop().time()
        if now - asked >= TOKEN_CHECK_SECONDS:
            # asgiref's thread, not asyncio's: a triggerer fetches Airflow connections by way of its event loop.
            token, asked = await sync_to_async(access.token)(), now
        return token

    def forget() -> None:
        nonlocal asked
        asked = -TOKEN_CHECK_SECONDS
        access.forget_token()

    async with KubernetesApi(endpoint, current, forget) as api:
        yield api


def _proxy_for(url: str) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """Proxy for an address, as ``HTTPS_PROXY`` and ``NO_PROXY`` have it, with its credentials."""
    target = URL(url)
    found = getproxies().get(target.scheme)
    if not found or proxy_bypass(target.host or ""):
        return None, None
    proxy = URL(found)
    credentials = aiohttp.BasicAuth(proxy.user, proxy.password or "") if proxy.user else None
    return proxy.with_user(None), credentials


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _warning(header: str) -> str:
    """Text of a ``Warning`` header, which is ``299 - "text"`` with escaped quotes."""
    return _WARNING.sub(r"\1", header).replace('\\"', '"')


def _backoff(attempt: int, retry_after: str | None) -> float:
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), LONGEST_BACKOFF_SECONDS) + random.uniform(0, BACKOFF_SECONDS)  # noqa: S311
    return random.uniform(0, min(BACKOFF_SECONDS * 2**attempt, LONGEST_BACKOFF_SECONDS))  # noqa: S311
