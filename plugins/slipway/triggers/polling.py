"""Waiting for AWS without a worker: look, pause a little longer each time, look again."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipway.hooks.aws import TRANSIENT_ERRORS, AwsHook
from slipway.hooks.failures import read
from slipway.model.errors import Retry

# A pause is about a twentieth of what was waited so far, so that the end of a wait is noticed at most 5 % late, however
# long it was; ten minutes take some 80 looks. At 1.5 it took 35, and noticed a stack of 35 seconds after 49.
FIRST_PAUSE = 1.0
GROWTH = 1.05
LONGEST_PAUSE = 15.0
# Errors in a row before the wait gives up; botocore has retried each of them already.
TOLERATED_ERRORS = 6

SETTLED = "settled"
WAITING = "waiting"
FAILED = "failed"


class PollTrigger(BaseTrigger):
    """Looks at something in AWS until it settles.

    Its one event is ``{"status": "settled", "state": ...}``, ``{"status": "waiting"}`` when ``until`` passed first
    (the operator decides whether to wait on), or ``{"status": "failed", "message": ..., "class": ...}`` when AWS did
    not answer.
    Each also brings back ``memory``.

    :param until: Unix time at which it stops looking, so that a restarted triggerer does not start over.
    :param memory: what the task wants back with the event. It goes this way, and not as arguments of the resumed
        method, since ``dag.test()`` drops those.
    """

    service: ClassVar[str]

    def __init__(self, region: str, until: float = 0.0, memory: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.region = region
        self.until = until
        self.memory = memory or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"region": self.region, "until": self.until, "memory": self.memory, **self.subject()}

    @abstractmethod
    def subject(self) -> dict[str, Any]:
        """Arguments of the subclass: what it looks at."""

    @abstractmethod
    async def look(self, client: Any) -> str | None:
        """Return the state once it settled, ``None`` while it moves."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until it settles."""
        yield TriggerEvent({**await self._wait(), "memory": self.memory})  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, str]:
        pause, errors = FIRST_PAUSE, 0
        while True:
            try:
                # A new client after an error also gets new credentials.
                hook: Any = AwsHook(self.service, self.region)
                async with await hook.get_async_conn() as client:
                    while (state := await self.look(client)) is None:
                        errors = 0
                        if time.time() >= self.until:
                            return {"status": WAITING}
                        await asyncio.sleep(min(pause, max(0.0, self.until - time.time())))
                        pause = min(pause * GROWTH, LONGEST_PAUSE)
                    return {"status": SETTLED, "state": state}
            except TRANSIENT_ERRORS as error:
                errors += 1
                kind = read(error).error_class
                # No use asking on where a person has to act first.
                if errors >= TOLERATED_ERRORS or kind.rule.retry is Retry.NEVER:
                    return {"status": FAILED, "message": f"{type(error).__name__}: {error}", "class": kind.value}
                self.log.warning("Looking again in %.0f s after: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(pause * GROWTH, LONGEST_PAUSE)
