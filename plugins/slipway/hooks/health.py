"""All facts about one platform's health: AWS, Kubernetes and Prometheus side by side, in a bounded number of calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from slipway.decisions.series import HEALTH
from slipway.hooks.health_account import AccountFacts
from slipway.hooks.health_cluster import ClusterFacts
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.prometheus import NAMESPACE, SERVICE, PrometheusError, PrometheusHook
from slipway.model.health import HealthFacts
from slipway.model.platform import Platform
from slipway.model.report import Missing

# A cluster that has not told its facts by then is as good as unreachable, and its worker is wanted elsewhere.
LIMIT = timedelta(minutes=3)


class HealthHook:
    """Gathers the facts of one platform.

    :ivar calls: calls made, by API.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.calls: Counter[str] = Counter()

    def gather(self) -> HealthFacts:
        """Read everything. What cannot be read is named in ``missing``, or is what is wrong.

        :raises ClientError: EKS does not let the cluster be described; without that there are no facts.
        """
        facts = HealthFacts(self.platform.environment.name, self.platform.region)
        account = AccountFacts(self.platform, facts)
        try:
            endpoint = account.cluster()
            if facts.control_plane is not None:
                asyncio.run(self._both(account, endpoint, facts))
        finally:
            self.calls["aws"] += sum(account.calls.values())
        return facts

    async def _both(self, account: AccountFacts, endpoint: ClusterEndpoint | None, facts: HealthFacts) -> None:
        of_aws = asyncio.create_task(asyncio.to_thread(account.gather))
        if endpoint is None:
            facts.api_error = "the cluster has no API endpoint"
        else:
            try:
                async with asyncio.timeout(LIMIT.total_seconds()):
                    await self._inside(endpoint, facts)
            except KubernetesApiError as error:
                facts.api_error = str(error)
            except TimeoutError:
                facts.api_error = f"its API did not tell within {LIMIT.total_seconds():.0f} s"
        await of_aws

    async def _inside(self, endpoint: ClusterEndpoint, facts: HealthFacts) -> None:
        async with connect(EksAccess.to(endpoint), endpoint) as api:
            cluster = ClusterFacts(api, facts)
            try:
                await cluster.gather()
            finally:
                self.calls["kubernetes"] += sum(cluster.lister.calls.values())
            await self._measure(api, facts)

    async def _measure(self, api: KubernetesApi, facts: HealthFacts) -> None:
        deployed = any((one.namespace, one.name) == (NAMESPACE, SERVICE) for one in facts.workloads)
        if not deployed:
            reason = f"StatefulSet {NAMESPACE}/{SERVICE} is not deployed"
            facts.missing.append(Missing(part="metrics and alerts", reason=reason))
            return
        prometheus = PrometheusHook(api)
        try:
            facts.samples = await prometheus.now(HEALTH)
            facts.alerts = await prometheus.alerts()
        except (KubernetesApiError, PrometheusError) as error:
            facts.monitoring_error = f"cannot be asked: {error}"
            facts.missing.append(Missing(part="metrics and alerts", reason=str(error)))
        finally:
            self.calls["prometheus"] += sum(prometheus.calls.values())
