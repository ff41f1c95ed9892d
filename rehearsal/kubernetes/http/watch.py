"""Watches: initial state, then one JSON line per event until the client or the deadline ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from rehearsal.kubernetes.errors import bad_request
from rehearsal.kubernetes.http.encoding import dumps, shaped
from rehearsal.kubernetes.http.requests import Call
from rehearsal.kubernetes.http.shutdown import Shutdown
from rehearsal.kubernetes.objects import Obj, namespace_of
from rehearsal.kubernetes.rest.registry import at_version
from rehearsal.kubernetes.store import Event, Store

BOOKMARK_SECONDS = 60.0
_DEFAULT_TIMEOUT = 1800.0
_INITIAL_END = "k8s.io/initial-events-end"


class Watch:
    """One watch on one resource.

    :param matches: the call's selectors.
    :raises ApiError: 410 when it starts before what is remembered.
    """

    def __init__(self, store: Store, call: Call, matches: Callable[[Obj], bool], shutdown: Shutdown) -> None:
        self._store = store
        self._call = call
        self._matches = matches
        self._shutdown = shutdown
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._revision = _revision(call.query.get("resourceVersion", ""))
        self._initial = self._revision == 0 or call.flag("sendInitialEvents")
        self._backlog = [] if self._initial else store.since(self._revision)

    async def lines(self) -> AsyncIterator[bytes]:
        """The chunks of the response body."""
        unsubscribe = self._store.subscribe(self._take)
        forget = self._shutdown.on(lambda: self._queue.put_nowait(None))
        try:
            for line in self._opening():
                yield line
            async for line in self._following():
                yield line
        finally:
            unsubscribe()
            forget()

    def _take(self, event: Event) -> None:
        if event.resource == self._call.resource.id:
            self._queue.put_nowait(event)

    def _opening(self) -> list[bytes]:
        chunks = []
        if self._initial:
            for obj in self._store.objects(self._call.resource.id, self._call.namespace):
                if self._matches(obj):
                    chunks.append(self._line("ADDED", obj))
            if self._call.flag("sendInitialEvents"):
                chunks.append(self._bookmark({_INITIAL_END: "true"}))
        for event in self._backlog:
            if event.resource == self._call.resource.id and (line := self._translate(event)):
                chunks.append(line)
        return [b"".join(chunks)] if chunks else []

    async def _following(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + float(self._call.query.get("timeoutSeconds") or _DEFAULT_TIMEOUT)
        while (left := end - loop.time()) > 0 and not self._shutdown.begun:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    event = await self._queue.get()
            except TimeoutError:
                if self._call.flag("allowWatchBookmarks"):
                    yield self._bookmark({})
                continue
            if event is not None and (line := self._translate(event)):
                yield line

    def _translate(self, event: Event) -> bytes:
        """An object that begins or ceases to match is added or deleted for this watcher."""
        call = self._call
        if call.namespace and namespace_of(event.obj) != call.namespace:
            return b""
        now = event.type != "DELETED" and self._matches(event.obj)
        before = event.old is not None and self._matches(event.old)
        if now:
            return self._line("MODIFIED" if before else "ADDED", event.obj)
        return self._line("DELETED", event.obj) if before else b""

    def _line(self, kind: str, obj: Obj) -> bytes:
        shown = shaped(self._call, at_version(self._call.resource, obj))
        return dumps({"type": kind, "object": shown}) + b"\n"

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        metadata: Obj = {"resourceVersion": str(self._store.revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._call.resource
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        return dumps({"type": "BOOKMARK", "object": obj}) + b"\n"


def _revision(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise bad_request(f'Invalid value: "{text}": resourceVersion must be a decimal number')
    return int(text)
