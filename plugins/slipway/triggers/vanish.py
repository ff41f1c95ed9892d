"""Waits until objects of a cluster are gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApiError, connect
from slipway.hooks.kubernetes_removal import still_there
from slipway.triggers.polling import FIRST_PAUSE, GROWTH, LONGEST_PAUSE, SETTLED, TOLERATED_ERRORS, WAITING, PollTrigger


class ObjectsGoneTrigger(PollTrigger):
    """Fires when all are gone, or at ``until``. What is still there, the task asks by itself.

    :param endpoint: the cluster, as :meth:`ClusterEndpoint.as_dict` gives it.
    :param objects: inventory keys.
    """

    service = "none"

    def __init__(
        self,
        region: str,
        endpoint: dict[str, str],
        objects: Sequence[str],
        until: float = 0.0,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(region, until, memory)
        self.endpoint = endpoint
        self.objects = list(objects)

    def subject(self) -> dict[str, Any]:
        """Where, and which."""
        return {"endpoint": self.endpoint, "objects": self.objects}

    async def look(self, client: Any) -> str | None:
        """AWS has no part in this."""
        raise NotImplementedError

    async def _wait(self) -> dict[str, str]:
        endpoint = ClusterEndpoint(**self.endpoint)
        left = [ObjectRef.parse(key) for key in self.objects]
        pause, errors = FIRST_PAUSE, 0
        async with connect(EksAccess.to(endpoint), endpoint) as api:
            while left and time.time() < self.until:
                try:
                    left = list(await still_there(api, left))
                    errors = 0
                except KubernetesApiError as error:
                    errors += 1
                    if errors >= TOLERATED_ERRORS:
                        return {"status": WAITING}
                    self.log.warning("Looking again in %.0f s after: %s", pause, error)
                if left:
                    await asyncio.sleep(max(0.0, min(pause, self.until - time.time())))
                    pause = min(pause * GROWTH, LONGEST_PAUSE)
        return {"status": WAITING if left else SETTLED, "state": f"{len(left)} left"}
