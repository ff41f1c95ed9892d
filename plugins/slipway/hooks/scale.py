"""All facts about one platform's size: AWS, Kubernetes, and the last month in Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from slipway.decisions.series import SeriesName as N
from slipway.hooks.account import QUOTAS
from slipway.hooks.aws import client, code_of, message_of
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, connect
from slipway.hooks.listing import Lister
from slipway.hooks.price_list import PriceListHook
from slipway.hooks.prometheus import History, PrometheusError, PrometheusHook
from slipway.hooks.scale_cluster import ClusterSums
from slipway.model.facts import InstanceType
from slipway.model.platform import Platform
from slipway.model.report import Missing
from slipway.model.scale import DailyHistory, GroupFact, ScaleFacts, Usage, WorkloadUsage

HISTORY = timedelta(days=35)
STEP = timedelta(hours=1)
_NODES: Mapping[str, N] = {
    "cpu_day": N.NODE_CPU_DAY,
    "cpu_week": N.NODE_CPU_WEEK,
    "memory_day": N.NODE_MEMORY_DAY,
    "memory_week": N.NODE_MEMORY_WEEK,
    "network_day": N.NODE_NETWORK_DAY,
    "network_week": N.NODE_NETWORK_WEEK,
}
_WORKLOADS: Mapping[str, N] = {
    "cpu": N.WORKLOAD_CPU_WEEK,
    "memory": N.WORKLOAD_MEMORY_WEEK,
    "cpu_requested": N.WORKLOAD_CPU_REQUESTED,
    "memory_requested": N.WORKLOAD_MEMORY_REQUESTED,
}
# What is forecast per pool, and in which unit it is stored and shown.
_POOLS: Mapping[str, tuple[N, float]] = {
    "cpu requests": (N.POOL_CPU_REQUESTED, 1.0),
    "memory requests": (N.POOL_MEMORY_REQUESTED, 1024.0**3),
    "pods": (N.POOL_PODS, 1.0),
}
_GIB = 1024.0**3


class ScaleHook:
    """Gathers the facts of one platform; ``calls`` counts what that took, by API."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.calls: Counter[str] = Counter()

    def gather(self, now: datetime) -> ScaleFacts:
        """Read everything. What cannot be read is named in ``missing``.

        :raises ClusterAbsent: there is no cluster.
        :raises KubernetesApiError: its API cannot be asked, without which there is nothing to judge.
        """
        facts = ScaleFacts(self.platform.environment.name, self.platform.region)
        access = EksAccess.of(self.platform)
        endpoint = access.endpoint()

        async def inside() -> None:
            of_aws = asyncio.create_task(asyncio.to_thread(self._account, facts))
            async with connect(access, endpoint) as api:
                lister = Lister(api)
                await ClusterSums(lister, facts).gather()
                self.calls["kubernetes"] += sum(lister.calls.values())
                await self._metrics(api, facts, now)
            await of_aws

        asyncio.run(inside())
        return facts

    def _account(self, facts: ScaleFacts) -> None:
        parts: dict[str, Callable[[ScaleFacts], None]] = {
            "node groups": self._groups,
            "instance types": self._instances,
            "subnets": self._subnets,
            "quota of instances": self._quota,
        }
        for name, read in parts.items():
            try:
                read(facts)
            except ClientError as error:
                facts.missing.append(Missing(part=name, reason=f"{code_of(error)}: {message_of(error)}"))
            except BotoCoreError as error:
                facts.missing.append(Missing(part=name, reason=str(error)))

    def _groups(self, facts: ScaleFacts) -> None:
        hook, name = EksHook.of(self.platform.region), self.platform.cluster_name
        found = []
        for group in hook.nodegroup_names(name):
            live = hook.find_nodegroup(name, group)
            self.calls["aws"] += 1
            if live is None:
                continue
            sizes = live["scalingConfig"]
            found.append(
                GroupFact(
                    group,
                    (live.get("labels") or {}).get("slipway.dev/workload", ""),
                    (live.get("instanceTypes") or [""])[0],
                    int(sizes["minSize"]),
                    int(sizes["desiredSize"]),
                    int(sizes["maxSize"]),
                    live["status"],
                    self.platform.is_ours(live.get("tags") or {}),
                    len(live.get("subnets") or [""]),
                )
            )
        self.calls["aws"] += 1
        facts.groups = found
        addon = hook.find_addon(name, "vpc-cni")
        self.calls["aws"] += 1
        values = str((addon or {}).get("configurationValues") or "").replace('\\"', '"')
        facts.prefix_delegation = '"ENABLE_PREFIX_DELEGATION":"true"' in values.replace(" ", "")

    def _instances(self, facts: ScaleFacts) -> None:
        """Types with a price are candidates; today's are there in any case."""
        table = PriceListHook(self.platform).table()
        facts.prices = dict(table.instances)
        if table.region != self.platform.region:
            reason = f"the price table is of {table.region} ({table.gathered}); compare fleets, do not add them up"
            facts.missing.append(Missing(part="prices of this region", reason=reason))
        wanted = sorted({*table.instances, *(group.instance_type for group in facts.groups if group.instance_type)})
        pages = (
            client("ec2", self.platform.region)
            .get_paginator("describe_instance_types")
            .paginate(Filters=[{"Name": "instance-type", "Values": wanted}])
        )
        types, network = {}, {}
        for page in pages:
            self.calls["aws"] += 1
            for one in page["InstanceTypes"]:
                types[one["InstanceType"]] = _instance(one)
                if (gigabits := _baseline(one)) is not None:
                    network[one["InstanceType"]] = gigabits * 1e9 / 8
        facts.instances, facts.network = types, network
        unknown = sorted({group.instance_type for group in facts.groups} - set(network))
        if unknown:
            reason = f"EC2 names no baseline bandwidth of {', '.join(unknown)}"
            facts.missing.append(Missing(part="network share", reason=reason))

    def _subnets(self, facts: ScaleFacts) -> None:
        cluster = EksHook.of(self.platform.region).find_cluster(self.platform.cluster_name)
        ids = (cluster or {}).get("resourcesVpcConfig", {}).get("subnetIds") or []
        if ids:
            subnets = client("ec2", self.platform.region).describe_subnets(SubnetIds=ids)["Subnets"]
            facts.free_addresses = sum(int(one["AvailableIpAddressCount"]) for one in subnets)
        self.calls["aws"] += 2

    def _quota(self, facts: ScaleFacts) -> None:
        service, code, _ = QUOTAS["nodes"]
        quotas = client("service-quotas", self.platform.region)
        facts.vcpu_quota = float(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
        self.calls["aws"] += 1

    async def _metrics(self, api: KubernetesApi, facts: ScaleFacts, now: datetime) -> None:
        prometheus = PrometheusHook(api)
        try:
            facts.usage = await _usage(prometheus)
            facts.workloads = await _workloads(prometheus)
            facts.histories = await self._histories(prometheus, facts, now)
        except (KubernetesApiError, PrometheusError) as error:
            facts.missing.append(Missing(part="utilisation over a day and a week, forecasts", reason=str(error)))
            await self._metrics_server(api, facts)
        finally:
            self.calls["prometheus"] += sum(prometheus.calls.values())

    async def _metrics_server(self, api: KubernetesApi, facts: ScaleFacts) -> None:
        """What nodes use right now stands in for a day; there is no week."""
        from slipway.decisions.quantities import mebibytes, millicores

        self.calls["kubernetes"] += 1
        offers = {node.name: node for node in facts.nodes}
        try:
            entries = await api.items("/apis/metrics.k8s.io/v1beta1/nodes")
        except KubernetesApiError as error:
            facts.missing.append(Missing(part="metrics-server in place of Prometheus", reason=str(error)))
            return
        facts.usage = {
            name: Usage(
                cpu_day=millicores(entry["usage"]["cpu"]) / max(1, offers[name].cpu),
                memory_day=mebibytes(entry["usage"]["memory"]) / max(1, offers[name].memory),
            )
            for entry in entries
            if (name := entry["metadata"]["name"]) in offers
        }
        facts.momentary = True

    async def _histories(self, prometheus: PrometheusHook, facts: ScaleFacts, now: datetime) -> list[DailyHistory]:
        start = (now - HISTORY).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found: list[DailyHistory] = []
        pods: dict[str, list[float]] = {}
        for what, (name, unit) in _POOLS.items():
            for one in await prometheus.history(name, start, now, STEP):
                values = daily(one, unit)
                found.append(DailyHistory(what, f"pool {one.labels.get('pool', '')}", values))
                if what == "pods":
                    pods[one.labels.get("pool", "")] = values
        # Pods of all pools together use up addresses and the account's quota.
        if pods:
            longest = max(len(values) for values in pods.values())
            total = [
                sum(values[-back] for values in pods.values() if len(values) >= back) for back in range(longest, 0, -1)
            ]
            found += [DailyHistory(what, "all pods", total) for what in ("subnet addresses", "vCPU quota")]
        claims, sizes = {}, {}
        for one in await prometheus.history(N.CLAIM_USED, start, now, timedelta(hours=6)):
            key = f"{one.labels.get('namespace', '')}/{one.labels.get('persistentvolumeclaim', '')}"
            claims[key] = daily(one, _GIB)
            found.append(DailyHistory("volume", f"claim {key}", claims[key]))
        for sample in await prometheus.now([N.CLAIM_USED_RATIO]):
            key = f"{sample.labels.get('namespace', '')}/{sample.labels.get('persistentvolumeclaim', '')}"
            if sample.value > 0 and claims.get(key):
                sizes[key] = claims[key][-1] * _GIB / sample.value
        facts.claims = sizes
        return found


def daily(one: History, unit: float = 1.0) -> list[float]:
    """The highest value of each day; a day without data keeps the value of the day before."""
    days: dict[Any, float] = {}
    for at, value in one.points:
        day = at.astimezone(UTC).date()
        days[day] = max(days.get(day, value), value)
    if not days:
        return []
    values: list[float] = []
    day = min(days)
    while day <= max(days):
        values.append(days[day] / unit if day in days else values[-1])
        day += timedelta(days=1)
    return values


async def _usage(prometheus: PrometheusHook) -> dict[str, Usage]:
    fields: dict[str, dict[str, float]] = defaultdict(dict)
    by_name = {str(name): field for field, name in _NODES.items()}
    for sample in await prometheus.now(list(_NODES.values())):
        fields[sample.labels.get("node", "")][by_name[sample.name]] = sample.value
    return {node: Usage(**values) for node, values in fields.items()}


async def _workloads(prometheus: PrometheusHook) -> dict[tuple[str, str], WorkloadUsage]:
    fields: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    by_name = {str(name): field for field, name in _WORKLOADS.items()}
    for sample in await prometheus.now(list(_WORKLOADS.values())):
        key = sample.labels.get("namespace", ""), sample.labels.get("workload", "")
        fields[key][by_name[sample.name]] = sample.value
    return {key: WorkloadUsage(**values) for key, values in fields.items()}


def _instance(one: Mapping[str, Any]) -> InstanceType:
    return InstanceType(
        name=one["InstanceType"],
        vcpus=one["VCpuInfo"]["DefaultVCpus"],
        memory_mib=one["MemoryInfo"]["SizeInMiB"],
        network_interfaces=one["NetworkInfo"]["MaximumNetworkInterfaces"],
        addresses_per_interface=one["NetworkInfo"]["Ipv4AddressesPerInterface"],
        architecture="arm64" if "arm64" in one["ProcessorInfo"]["SupportedArchitectures"] else "x86_64",
    )


def _baseline(one: Mapping[str, Any]) -> float | None:
    """Gbit/s that an instance keeps up, not what it bursts to."""
    cards = one["NetworkInfo"].get("NetworkCards") or []
    rates = [card["BaselineBandwidthInGbps"] for card in cards if card.get("BaselineBandwidthInGbps")]
    return float(sum(rates)) if rates else None
