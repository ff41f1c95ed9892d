"""Waits for the pods of a run's light checks to end, all of them in one list a look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect

FIRST_PAUSE = 1.0
GROWTH = 1.5
LONGEST_PAUSE = 15.0
_ENDED = frozenset({"Succeeded", "Failed"})


class PodsEndedTrigger(BaseTrigger):
    """Fires once, when every pod that is selected has ended, or at the deadline.

    The event has ``looks``, how often the API was asked, and ``memory``.

    :param endpoint: the cluster, as :meth:`ClusterEndpoint.as_dict` gives it.
    :param selector: label selector of the pods, which are there when the wait begins.
    :param deadline: when waiting ends, ISO 8601.
    :param memory: what the task wants back.
    """

    def __init__(self, *, endpoint: dict[str, str], selector: str, deadline: str, memory: dict[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.endpoint = endpoint
        self.selector = selector
        self.deadline = deadline
        self.memory = memory

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "endpoint": self.endpoint,
                "selector": self.selector,
                "deadline": self.deadline,
                "memory": self.memory,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until all have ended."""
        endpoint = ClusterEndpoint(**self.endpoint)
        async with connect(EksAccess.to(endpoint), endpoint) as api:
            looks = await self._wait(api)
        yield TriggerEvent({"looks": looks, "memory": self.memory})  # type: ignore[no-untyped-call]

    async def _wait(self, api: KubernetesApi) -> int:
        deadline, pause, looks = datetime.fromisoformat(self.deadline), FIRST_PAUSE, 0
        while True:
            looks += 1
            try:
                pods = await api.items("/api/v1/pods", {"labelSelector": self.selector})
                if all((pod.get("status") or {}).get("phase") in _ENDED for pod in pods):
                    return looks
            except KubernetesApiError as error:
                # It may be away for a moment; the deadline ends that as well.
                self.log.warning("Looking again in %.0f s after: %s", pause, error)
            left = (deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                return looks
            await asyncio.sleep(min(pause, left))
            pause = min(pause * GROWTH, LONGEST_PAUSE)
