"""A pause without a worker, for what is looked at as a whole: an inventory is no single call to wait on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from slipway.triggers.polling import WAITING, PollTrigger


class PauseTrigger(PollTrigger):
    """Fires after some seconds, or at ``until`` if that is sooner.

    :param seconds: how long.
    """

    service = "none"

    def __init__(self, region: str, seconds: float, until: float = 0.0, memory: dict[str, Any] | None = None) -> None:
        super().__init__(region, until, memory)
        self.seconds = seconds

    def subject(self) -> dict[str, Any]:
        """How long."""
        return {"seconds": self.seconds}

    async def look(self, client: Any) -> str | None:
        """Nothing is looked at."""
        raise NotImplementedError

    async def _wait(self) -> dict[str, str]:
        await asyncio.sleep(max(0.0, min(self.seconds, self.until - time.time())))
        return {"status": WAITING}
