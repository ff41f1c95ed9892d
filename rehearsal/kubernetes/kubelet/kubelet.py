"""One kubelet for all nodes: a task per pod that has something left to happen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.kubelet.lifecycle import PodLifecycle
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, is_true, name_of, namespace_of, parse_time, uid_of
from rehearsal.kubernetes.store import Event

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_log = logging.getLogger(__name__)
_STOPPING = 2.0
_ENDED = ("Succeeded", "Failed")


class Kubelet(Controller):
    """Starts, stops and forgets pods."""

    resource = "pods"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._images: set[tuple[str, str]] = set()

    @property
    def component(self) -> str:
        """As events name it."""
        return "kubelet"

    def affected(self, event: Event) -> Iterable[Name]:
        """Pods that were bound, deleted or are gone."""
        pod = event.obj
        if event.type == "DELETED":
            self._forget(uid_of(pod))
            return []
        bound = event.old is None or not dig(event.old, "spec", "nodeName")
        marked = event.old is None or not is_deleting(event.old)
        if (dig(pod, "spec", "nodeName") and bound) or (is_deleting(pod) and marked):
            return [(namespace_of(pod), name_of(pod))]
        return []

    def _forget(self, uid: str) -> None:
        self._cancel(uid)
        self.cluster.logs.forget(uid)

    def _cancel(self, uid: str) -> None:
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Begin or end the life of one pod."""
        pod = self.store.get("pods", namespace, name)
        if pod is None or not dig(pod, "spec", "nodeName"):
            return None
        uid = uid_of(pod)
        if is_deleting(pod):
            return self._stop(pod)
        settled = dig(pod, "status", "phase") in _ENDED or is_true(pod, "Ready")
        if uid not in self._tasks and not settled:
            lifecycle = PodLifecycle(self.cluster, pod, self._images)
            task = asyncio.create_task(lifecycle.run(), name=f"pod {namespace}/{name}")
            task.add_done_callback(lambda done: self._done(uid, done))
            self._tasks[uid] = task
        return None

    def _done(self, uid: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(uid) is task:
            del self._tasks[uid]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a pod's life failed", exc_info=error)

    def _stop(self, pod: Obj) -> float | None:
        """Containers stop within two simulated seconds of the signal, or at the grace period's end."""
        uid = uid_of(pod)
        grace = dig(pod, "metadata", "deletionGracePeriodSeconds", default=0)
        marked = parse_time(pod["metadata"]["deletionTimestamp"]).timestamp() - grace
        wait = self.cluster.settings.seconds(min(_STOPPING, grace))
        left: float = marked + wait - datetime.now(UTC).timestamp()
        if self._tasks.get(uid) is not None or dig(pod, "status", "phase") not in _ENDED:
            self._cancel(uid)
        if left > 0:
            self._kill_event(pod)
            return left
        current = self.store.get("pods", namespace_of(pod), name_of(pod))
        if current is not None and uid_of(current) == uid:
            self.registry.edit("pods", current, deletionGracePeriodSeconds=None)
        return None

    def _kill_event(self, pod: Obj) -> None:
        for container in pod["spec"]["containers"]:
            path = f"spec.containers{{{container['name']}}}"
            self.cluster.manager.recorder.record(
                pod, "Normal", "Killing", f"Stopping container {container['name']}", "kubelet",
                dig(pod, "spec", "nodeName", default=""), path,
            )  # fmt: skip
