"""Takes a cluster's contents down while its controllers still run, so that they take their AWS resources with them.

None of this is needed for the platform to end: what a controller did not get to delete is taken by tag and name once
the cluster is gone. So an API that does not answer, or an object that does not go, is reported and passed over.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from slipway.catalog.render import render
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.kinds import wave_of
from slipway.hooks.kubernetes import ClusterAbsent, ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.kubernetes_removal import (
    claims,
    component_claims,
    delete,
    edge,
    has_ready_node,
    still_there,
    volumes,
)
from slipway.hooks.releases import Releases
from slipway.model.component import Component
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change
from slipway.operators.converge import Progress
from slipway.operators.teardown_aws import EksTeardownOperator
from slipway.triggers.vanish import ObjectsGoneTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

EDGE_LIMIT = timedelta(minutes=10)
VOLUMES_LIMIT = timedelta(minutes=10)
# These go with the cluster, and other components or the controllers still need them until then.
LEFT_TO_THE_CLUSTER = frozenset(
    {"Namespace", "CustomResourceDefinition", "StorageClass", "CSIDriver", "PriorityClass", "PersistentVolume"}
)
Step = list[ObjectRef]


class InClusterOperator(EksTeardownOperator):
    """Deletes objects in steps, each gone before the next begins."""

    limit: ClassVar[timedelta]

    @abstractmethod
    async def steps(self, api: KubernetesApi, platform: Platform) -> list[Step]:
        """Objects that are there, in the order in which they go."""

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Delete what the next step has, and wait for it."""
        cluster, why = self.own_cluster(platform)
        if cluster is None:
            return self.nothing(platform, why)
        if cluster["status"] in {"CREATING", "DELETING", "FAILED"}:
            return self.nothing(platform, f"the cluster is {cluster['status']}: its contents go with it")
        access = EksAccess.of(platform)
        try:
            endpoint = access.endpoint()
            left = asyncio.run(self._advance(access, endpoint, platform, progress))
        except ClusterAbsent as absent:
            return self.nothing(platform, str(absent))
        except (KubernetesApiError, ssl.SSLError) as error:
            return self.nothing(platform, f"its API cannot be used, so its contents go with it: {error}")
        waits = not progress.done.get("no nodes") and self.patient(progress, self.limit)
        if left and waits:
            trigger = ObjectsGoneTrigger(platform.region, endpoint.as_dict(), [ref.key for ref in left])
            self.wait_for(progress, f"another look of {self.task_id}", trigger, self.limit)
        if not left:
            return [] if progress.changes else self.nothing(platform, "nothing of it is there")
        why = "no node runs its controllers" if progress.done.get("no nodes") else "did not go in time"
        return [
            Change(action=Action.KEEP, resource=str(ref), note=f"{why}, goes with the cluster: {keeper}")
            for ref, keeper in left.items()
        ]

    async def _advance(
        self, access: EksAccess, endpoint: ClusterEndpoint, platform: Platform, progress: Progress
    ) -> dict[ObjectRef, str]:
        """Delete the objects of the first step that has any; those, with what keeps each."""
        async with connect(access, endpoint) as api:
            if not await has_ready_node(api):
                progress.done["no nodes"] = "yes"
            for step in await self.steps(api, platform):
                if not step:
                    continue
                for ref in await delete(api, step):
                    if ref.key not in progress.done:
                        progress.done[ref.key] = "deleted"
                        progress.changes.append(Change(action=Action.DELETE, resource=str(ref)))
                if left := await still_there(api, step):
                    return left
        return {}


class RemoveLoadBalancersOperator(InClusterOperator):
    """Services of type LoadBalancer, Ingresses and Gateways of all namespaces, users' own included."""

    limit = EDGE_LIMIT

    async def steps(self, api: KubernetesApi, platform: Platform) -> list[Step]:
        """All at once."""
        return [await edge(api)]


class RemoveVolumesOperator(InClusterOperator):
    """All remaining claims, and the volumes behind them: users' own, and what a component no longer knows of."""

    limit = VOLUMES_LIMIT

    async def steps(self, api: KubernetesApi, platform: Platform) -> list[Step]:
        """Claims, then the volumes that go with them."""
        return [await claims(api), await volumes(api)]


class RemoveComponentOperator(InClusterOperator):
    """One component: its workloads and services first, then its claims.

    :param component: which one.
    """

    ui_color = "#fee2e2"

    def __init__(self, *, component: Component, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.component = component

    @property
    def limit(self) -> timedelta:  # type: ignore[override]
        """As long as it had to come up."""
        return self.component.spec.timeout

    async def steps(self, api: KubernetesApi, platform: Platform) -> list[Step]:
        """Its objects wave by wave, the last applied first."""
        name, namespace = self.component.name, self.component.spec.namespace
        manifests = self._manifests(platform)
        refs = {ref.key: ref for ref in map(ObjectRef.of, manifests)}
        for release in await Releases(api).list_releases(name):
            refs.update({key: ObjectRef.parse(key) for key in release.objects})
        going = [ref for ref in refs.values() if ref.kind not in LEFT_TO_THE_CLUSTER]
        claimed = [ref for ref in going if ref.kind == "PersistentVolumeClaim"]
        rest = [ref for ref in going if ref.kind != "PersistentVolumeClaim"]
        waves = sorted({wave_of(ref.kind) for ref in rest}, reverse=True)
        steps = [[ref for ref in rest if wave_of(ref.kind) == wave] for wave in waves]
        prefixes = [
            f"{template['metadata']['name']}-{item['metadata']['name']}-"
            for item in manifests
            if item["kind"] == "StatefulSet"
            for template in item["spec"].get("volumeClaimTemplates", [])
        ]
        found = await component_claims(api, name, namespace, prefixes) if namespace else []
        workloads = len([wave for wave in waves if wave >= wave_of("StatefulSet")])
        steps.insert(workloads, list({*claimed, *found}))
        return [await self._there(api, step) for step in steps]

    def _manifests(self, platform: Platform) -> list[dict[str, Any]]:
        """What Git says it has; its release records say the rest, when Git cannot be rendered any more."""
        try:
            return render(self.component, platform)
        except ConfigurationError as error:
            self.log.warning("Going by the release records alone: %s", error)
            return []

    @staticmethod
    async def _there(api: KubernetesApi, step: Step) -> Step:
        return list(await still_there(api, step))
