"""Waits for a check's pod with the provider's trigger, on our way into the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.triggers.base import TriggerEvent

from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.pods import AsyncEksKubernetesHook


class CheckPodTrigger(KubernetesPodTrigger):
    """``KubernetesPodTrigger`` for a pod in an EKS cluster.

    :param endpoint: the cluster, as :meth:`ClusterEndpoint.as_dict` gives it.
    """

    def __init__(self, *, endpoint: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        _, kwargs = super().serialize()
        return f"{type(self).__module__}.{type(self).__qualname__}", {**kwargs, "endpoint": self.endpoint}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait as the provider does, then give the connections back."""
        try:
            async for event in super().run():
                yield event
        finally:
            await self.hook.close()

    @cached_property
    def hook(self) -> AsyncEksKubernetesHook:
        """Our hook in place of the provider's."""
        endpoint = ClusterEndpoint(**self.endpoint)
        return AsyncEksKubernetesHook(EksAccess.to(endpoint), endpoint)
