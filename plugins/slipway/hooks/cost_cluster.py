"""What runs in a cluster, as far as its cost is concerned: nodes, pods' requests, claims; and what was used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slipway.decisions.cost_allocation import ClaimFacts, ClusterFacts, NodeFacts, PodFacts, Used
from slipway.decisions.quantities import parse_quantity
from slipway.decisions.series import SeriesName
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, Object, connect
from slipway.hooks.prometheus import PrometheusError, PrometheusHook
from slipway.model.platform import Platform

COMPONENT = "slipway.dev/component"
TEAM = "slipway.dev/team"
_NAME = "app.kubernetes.io/name"
# A ReplicaSet's name is its Deployment's and a hash, a Job's of a CronJob the CronJob's and a time, as in the rules.
_SUFFIX = re.compile(r"-(?:[bcdfghjklmnpqrstvwxz2456789]{8,10}|[0-9]{8,})$")
_MADE_BY_ANOTHER = ("ReplicaSet", "Job")
_ENDED = ("Succeeded", "Failed")
_USAGE = (
    SeriesName.WORKLOAD_CPU,
    SeriesName.WORKLOAD_MEMORY,
    SeriesName.WORKLOAD_CPU_WEEK,
    SeriesName.WORKLOAD_MEMORY_WEEK,
)
Usage = Mapping[tuple[str, str], Used]


async def read_cluster(platform: Platform) -> tuple[ClusterFacts, Usage | None, Usage | None, str]:
    """What runs, what it uses now, what it used at the 95th percentile of a week, and why the latter is not known.

    :raises ClusterAbsent: there is no cluster.
    :raises KubernetesApiError: its API does not answer.
    """
    access = EksAccess.of(platform)
    async with connect(access, access.endpoint()) as api:
        facts = await _facts(api, platform.environment.tags.get("team", ""))
        try:
            samples = await PrometheusHook(api).now(_USAGE)
        except (KubernetesApiError, PrometheusError) as error:
            return facts, None, None, str(error)
    now = _used(samples, SeriesName.WORKLOAD_CPU, SeriesName.WORKLOAD_MEMORY)
    week = _used(samples, SeriesName.WORKLOAD_CPU_WEEK, SeriesName.WORKLOAD_MEMORY_WEEK)
    return facts, now or None, week or None, "" if now else "Prometheus has none of the recorded series of workloads"


async def _facts(api: KubernetesApi, team: str) -> ClusterFacts:
    namespaces = {
        one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in await api.items("/api/v1/namespaces")
    }
    nodes = [_node(one) for one in await api.items("/api/v1/nodes")]
    pods = [_pod(one, namespaces, team) for one in await api.items("/api/v1/pods") if _runs(one)]
    volumes = {
        one["metadata"]["name"]: ((one["spec"].get("csi") or {}).get("volumeHandle") or "")
        for one in await api.items("/api/v1/persistentvolumes")
    }
    owners = {(pod.namespace, claim): pod for pod in pods for claim in pod.claims}
    claims = [
        _claim(one, volumes, owners, namespaces, team) for one in await api.items("/api/v1/persistentvolumeclaims")
    ]
    return ClusterFacts(nodes, pods, [claim for claim in claims if claim.volume])


def _runs(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _ENDED


def _node(one: Object) -> NodeFacts:
    capacity = one["status"]["capacity"]
    return NodeFacts(
        name=one["metadata"]["name"],
        instance=str(one["spec"].get("providerID", "")).rpartition("/")[2],
        cpu=float(parse_quantity(capacity["cpu"])),
        memory=float(parse_quantity(capacity["memory"])),
    )


def _pod(one: Object, namespaces: Mapping[str, Mapping[str, str]], team: str) -> PodFacts:
    metadata, spec = one["metadata"], one["spec"]
    labels = metadata.get("labels") or {}
    namespace = metadata["namespace"]
    return PodFacts(
        namespace=namespace,
        name=metadata["name"],
        node=spec["nodeName"],
        # What EKS and its add-ons bring has no component of ours: its namespace says what it is for.
        component=labels.get(COMPONENT) or labels.get(_NAME) or labels.get("k8s-app") or namespace,
        team=labels.get(TEAM) or namespaces.get(namespace, {}).get(TEAM) or team,
        cpu=_requested(spec, "cpu"),
        memory=_requested(spec, "memory"),
        owner=_owner(metadata),
        claims=tuple(
            volume["persistentVolumeClaim"]["claimName"]
            for volume in spec.get("volumes") or []
            if volume.get("persistentVolumeClaim")
        ),
    )


def _requested(spec: Mapping[str, Any], resource: str) -> float:
    """A pod's request as the scheduler sees it: its containers' sum, or one init container's when that is larger."""

    def asked(container: Mapping[str, Any]) -> float:
        value = ((container.get("resources") or {}).get("requests") or {}).get(resource, 0)
        return float(parse_quantity(value))

    running = sum(asked(one) for one in spec.get("containers") or [])
    first = max((asked(one) for one in spec.get("initContainers") or []), default=0.0)
    overhead = float(parse_quantity((spec.get("overhead") or {}).get(resource, 0)))
    return max(running, first) + overhead


def _owner(metadata: Mapping[str, Any]) -> str:
    owners = metadata.get("ownerReferences") or []
    if not owners:
        return str(metadata["name"])
    name = str(owners[0]["name"])
    return _SUFFIX.sub("", name) if owners[0]["kind"] in _MADE_BY_ANOTHER else name


def _claim(
    one: Object,
    volumes: Mapping[str, str],
    owners: Mapping[tuple[str, str], PodFacts],
    namespaces: Mapping[str, Mapping[str, str]],
    team: str,
) -> ClaimFacts:
    metadata = one["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    labels = metadata.get("labels") or {}
    pod = owners.get((namespace, name))
    return ClaimFacts(
        namespace=namespace,
        name=name,
        volume=volumes.get(one["spec"].get("volumeName", ""), ""),
        component=pod.component if pod else labels.get(COMPONENT) or labels.get(_NAME) or namespace,
        team=pod.team if pod else labels.get(TEAM) or namespaces.get(namespace, {}).get(TEAM) or team,
    )


def _used(samples: Any, cpu: SeriesName, memory: SeriesName) -> dict[tuple[str, str], Used]:
    """By namespace and workload, where both series have it."""
    values: dict[str, dict[tuple[str, str], float]] = {str(cpu): {}, str(memory): {}}
    for one in samples:
        if one.name in values:
            values[one.name][one.labels.get("namespace", ""), one.labels.get("workload", "")] = one.value
    cores, sizes = values[str(cpu)], values[str(memory)]
    return {key: Used(cores[key], sizes[key]) for key in cores.keys() & sizes.keys()}
