"""Waits for a component's objects to become ready, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Readiness, Verdict, judge
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.rollouts import observe

# Short rollouts are seen at once; long ones are asked about less often, and noticed at most a tenth late.
FIRST_POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 10.0
POLL_GROWTH = 1.1


class ComponentReadyTrigger(BaseTrigger):
    """Fires once, when every object is ready, one has failed, or the deadline has passed.

    The event has ``state`` (a :class:`~slipway.decisions.readiness.Readiness`) and ``reasons``.

    :param subject: who is waited for, for the log.
    :param endpoint: the cluster, as :meth:`ClusterEndpoint.as_dict` gives it.
    :param objects: inventory keys of the awaited objects.
    :param since: when the rollout began, ISO 8601.
    :param deadline: when waiting ends, ISO 8601.
    :param memory: what the task wants to know again when it resumes; comes back in the event, which every way of
        running a DAG hands over, unlike a deferral's own arguments.
    """

    def __init__(
        self,
        *,
        subject: str,
        endpoint: dict[str, str],
        objects: Sequence[str],
        since: str,
        deadline: str,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.subject = subject
        self.endpoint = endpoint
        self.objects = list(objects)
        self.since = since
        self.deadline = deadline
        self.memory = memory or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "subject": self.subject,
                "endpoint": self.endpoint,
                "objects": self.objects,
                "since": self.since,
                "deadline": self.deadline,
                "memory": self.memory,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is a verdict."""
        endpoint = ClusterEndpoint(**self.endpoint)
        async with connect(EksAccess.to(endpoint), endpoint) as api:
            verdict = await self._wait(api)
        payload = {"state": verdict.state.value, "reasons": list(verdict.reasons), "memory": self.memory}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait(self, api: KubernetesApi) -> Verdict:
        refs = [ObjectRef.parse(key) for key in self.objects]
        since, deadline = datetime.fromisoformat(self.since), datetime.fromisoformat(self.deadline)
        pause = FIRST_POLL_SECONDS
        said: tuple[str, ...] = ()
        while True:
            now = datetime.now(UTC)
            try:
                verdict = judge(await observe(api, refs), now, deadline, since)
            except KubernetesApiError as error:
                # The API may be away for a moment, as while its version is being updated. Only the deadline ends it.
                if error.status in {401, 403}:
                    raise
                state = Readiness.FAILED if now >= deadline else Readiness.PROGRESSING
                verdict = Verdict(state, (f"the Kubernetes API does not answer: {error}",))
            if verdict.state is not Readiness.PROGRESSING:
                return verdict
            if verdict.reasons != said:
                said = verdict.reasons
                self.log.info("%s is not ready yet: %s", self.subject, "; ".join(said))
            await asyncio.sleep(min(pause, max(0.1, (deadline - datetime.now(UTC)).total_seconds())))
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
