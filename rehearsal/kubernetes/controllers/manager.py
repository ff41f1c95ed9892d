"""Runs the controllers of a cluster: one queue, one worker, nothing to do when nothing changes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from rehearsal.kubernetes.controllers import ALL
from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.recorder import Recorder
from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import name_of, namespace_of
from rehearsal.kubernetes.store import Event

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_log = logging.getLogger(__name__)
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.2, 30.0

Item = tuple[Controller, str, str]


class Manager:
    """The work queue.

    :ivar recorder: where controllers record events.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.recorder = Recorder(cluster.store)
        self._controllers = [make(cluster) for make in ALL]
        self._routes: dict[str, list[Controller]] = {}
        for controller in self._controllers:
            for resource in {controller.resource, *controller.watches}:
                self._routes.setdefault(resource, []).append(controller)
        self._listeners = [c for c in self._controllers if type(c).listen is not Controller.listen]
        self._queue: deque[Item] = deque()
        self._queued: set[Item] = set()
        self._timers: dict[Item, asyncio.TimerHandle] = {}
        self._failures: dict[Item, int] = {}
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        cluster.store.subscribe(self._on_event)

    def start(self) -> None:
        """Begin to work, with everything there is."""
        for controller in self._controllers:
            for obj in self._cluster.store.objects(controller.resource):
                self._enqueue((controller, namespace_of(obj), name_of(obj)))
        self._worker = asyncio.create_task(self._work(), name=f"controllers of {self._cluster.id}")

    async def stop(self) -> None:
        """Stop working; what is queued is found again at the next start."""
        for timer in self._timers.values():
            timer.cancel()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def _on_event(self, event: Event) -> None:
        for controller in self._routes.get(event.resource, ()):
            for namespace, name in controller.affected(event):
                self._enqueue((controller, namespace, name))
        for controller in self._listeners:
            for namespace, name in controller.listen(event):
                self._enqueue((controller, namespace, name))

    def _enqueue(self, item: Item) -> None:
        if item not in self._queued:
            self._queued.add(item)
            self._queue.append(item)
            self._wake.set()

    async def _work(self) -> None:
        while True:
            while self._queue:
                item = self._queue.popleft()
                self._queued.discard(item)
                self._step(item)
                await asyncio.sleep(0)
            self._wake.clear()
            await self._wake.wait()

    def _step(self, item: Item) -> None:
        controller, namespace, name = item
        if (timer := self._timers.pop(item, None)) is not None:
            timer.cancel()
        try:
            again = controller.reconcile(namespace, name)
        except Exception as error:
            if not isinstance(error, ApiError):
                _log.exception("%s failed on %s/%s", type(controller).__name__, namespace, name)
            failures = self._failures[item] = self._failures.get(item, 0) + 1
            again = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures, 10))
        else:
            self._failures.pop(item, None)
        if again is not None:
            loop = asyncio.get_running_loop()
            self._timers[item] = loop.call_later(max(0.01, again), self._enqueue, item)
