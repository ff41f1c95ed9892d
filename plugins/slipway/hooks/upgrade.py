"""Fetches what an upgrade's readiness is judged by."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Readiness, awaited, judge
from slipway.decisions.upgrade import UpgradeFacts
from slipway.hooks.aws import client
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes import ClusterAbsent, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.kubernetes_removal import listed
from slipway.hooks.releases import Releases
from slipway.hooks.rollouts import observe
from slipway.model.facts import VersionFacts
from slipway.model.platform import Platform


class UpgradeHook:
    """Readiness facts and version updates of one platform's cluster."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.eks = EksHook.of(platform.region)
        self.name = platform.cluster_name

    def facts(
        self, cluster: dict[str, Any], target: str, components: Sequence[str], in_git: Sequence[dict[str, Any]]
    ) -> UpgradeFacts:
        """Read everything; a part of the cluster that cannot be read is unread, which blocks."""
        inside: dict[str, Any] = {"unread": {}}
        try:
            inside |= asyncio.run(self._inside(components))
        except (ClusterAbsent, KubernetesApiError, ssl.SSLError) as error:
            inside["unread"] = {"Kubernetes API": str(error)}
        names = self.eks.nodegroup_names(self.name)
        groups = [group for name in names if (group := self.eks.find_nodegroup(self.name, name))]
        return UpgradeFacts(
            cluster=cluster,
            offered=self.versions(),
            insights=self._insights(target),
            addons=self.facts_of_addons(target),
            nodegroups=groups,
            in_git=in_git,
            subnets=self._subnets(cluster["resourcesVpcConfig"]["subnetIds"]),
            **inside,
        )

    def versions(self) -> dict[str, VersionFacts]:
        """Versions that EKS offers."""
        pages = self.eks.conn.get_paginator("describe_cluster_versions").paginate(includeAll=True)
        return {
            one["clusterVersion"]: VersionFacts(
                version=one["clusterVersion"],
                end_of_standard_support=one["endOfStandardSupportDate"],
                end_of_extended_support=one["endOfExtendedSupportDate"],
            )
            for page in pages
            for one in page["clusterVersions"]
        }

    def _insights(self, target: str) -> list[dict[str, Any]]:
        wanted = {"categories": ["UPGRADE_READINESS"], "kubernetesVersions": [target]}
        pages = self.eks.conn.get_paginator("list_insights").paginate(clusterName=self.name, filter=wanted)
        ids = [one["id"] for page in pages for one in page["insights"]]
        return [self.eks.conn.describe_insight(clusterName=self.name, id=one)["insight"] for one in ids]

    def facts_of_addons(self, target: str) -> dict[str, tuple[str, list[str]]]:
        """By name, the version that runs and those that EKS offers for ``target``."""
        found = {}
        for page in self.eks.conn.get_paginator("list_addons").paginate(clusterName=self.name):
            for name in page["addons"]:
                live = self.eks.find_addon(self.name, name)
                if live is not None:
                    offered = [str(one["addonVersion"]) for one in self.eks.addon_versions(name, target)]
                    found[name] = (str(live["addonVersion"]), offered)
        return found

    def _subnets(self, ids: Sequence[str]) -> dict[str, int]:
        found = client("ec2", self.platform.region).describe_subnets(SubnetIds=list(ids))["Subnets"]
        return {one["SubnetId"]: int(one["AvailableIpAddressCount"]) for one in found}

    async def _inside(self, components: Sequence[str]) -> dict[str, Any]:
        access = EksAccess.of(self.platform)
        endpoint = access.endpoint()
        async with connect(access, endpoint) as api:
            nodes = await listed(api, "v1", "Node")
            live, unready = await _components(api, components)
            return {
                "budgets": await listed(api, "policy/v1", "PodDisruptionBudget"),
                "kubelets": {one["metadata"]["name"]: one["status"]["nodeInfo"]["kubeletVersion"] for one in nodes},
                "live": live,
                "unready": unready,
            }

    def last_upgrade(self, target: str) -> dict[str, Any] | None:
        """The newest version update to ``target``, described."""
        for update in self.eks.conn.list_updates(name=self.name)["updateIds"]:
            described: dict[str, Any] = self.eks.update(self.name, update)
            params = {entry["type"]: entry["value"] for entry in described.get("params", [])}
            if described["type"] in {"VersionUpdate", "VersionRollback"} and params.get("Version") == target:
                return described
        return None

    def start_version(self, version: str) -> str:
        """Start going to a version, forward or back; id of the update."""
        answer = self.eks.conn.update_cluster_version(name=self.name, version=version)
        return str(answer["update"]["id"])

    def start_nodegroup(self, group: str, version: str) -> str:
        """Start rolling a node group to a version; id of the update."""
        answer = self.eks.conn.update_nodegroup_version(clusterName=self.name, nodegroupName=group, version=version)
        return str(answer["update"]["id"])


async def _components(api: KubernetesApi, names: Iterable[str]) -> tuple[list[ObjectRef], dict[str, str]]:
    """What is applied, by its last records, and which components are not ready."""
    applied: list[ObjectRef] = []
    unready: dict[str, str] = {}
    now = datetime.now(UTC)
    for name in names:
        releases = await Releases(api).list_releases(name)
        if not releases:
            continue
        refs = [ObjectRef.parse(key) for key in releases[-1].objects]
        applied += refs
        verdict = judge(await observe(api, awaited(refs)), now, now + timedelta(minutes=1), now)
        if verdict.state is not Readiness.READY:
            unready[name] = "; ".join(verdict.reasons) or verdict.state.value
    return applied, unready
