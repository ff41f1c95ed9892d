"""What is asked of Prometheus: one table of recorded series, from which the recording rules are generated.

Health, scale, cost and right-sizing read these series by plain selectors and nothing else. A query then costs what its
answer weighs, however many samples lie behind it, and what a number means is written in one place.

``python -m slipway.docs`` writes the rules into the Prometheus component.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

NOW, DAYS, BUDGETS = "slipway-now", "slipway-days", "slipway-budgets"
# How often each group is evaluated. A week's percentile does not move within a quarter of an hour.
INTERVALS = {NOW: "1m", DAYS: "15m", BUDGETS: "15m"}


class SeriesName(StrEnum):
    """Names of the recorded series."""

    NODE_POOL = "slipway:node_pool:info"
    POD_WORKLOAD = "slipway:pod_workload:info"
    NODE_CPU = "slipway:node_cpu:ratio"
    NODE_MEMORY = "slipway:node_memory:ratio"
    NODE_NETWORK = "slipway:node_network:bytes_rate"
    NODE_CPU_DAY = "slipway:node_cpu:ratio_p95_1d"
    NODE_MEMORY_DAY = "slipway:node_memory:ratio_p95_1d"
    NODE_NETWORK_DAY = "slipway:node_network:bytes_rate_p95_1d"
    NODE_CPU_WEEK = "slipway:node_cpu:ratio_p95_7d"
    NODE_MEMORY_WEEK = "slipway:node_memory:ratio_p95_7d"
    NODE_NETWORK_WEEK = "slipway:node_network:bytes_rate_p95_7d"
    WORKLOAD_CPU = "slipway:workload_cpu:cores"
    WORKLOAD_MEMORY = "slipway:workload_memory:bytes"
    WORKLOAD_CPU_REQUESTED = "slipway:workload_cpu_requested:cores"
    WORKLOAD_MEMORY_REQUESTED = "slipway:workload_memory_requested:bytes"
    WORKLOAD_CPU_WEEK = "slipway:workload_cpu:cores_p95_7d"
    WORKLOAD_MEMORY_WEEK = "slipway:workload_memory:bytes_p95_7d"
    POOL_CPU_USED = "slipway:pool_cpu_used:cores"
    POOL_MEMORY_USED = "slipway:pool_memory_used:bytes"
    POOL_CPU_REQUESTED = "slipway:pool_cpu_requested:cores"
    POOL_MEMORY_REQUESTED = "slipway:pool_memory_requested:bytes"
    POOL_PODS = "slipway:pool_pods:count"
    CLAIM_USED_RATIO = "slipway:claim_used:ratio"
    CLAIM_USED = "slipway:claim_used:bytes"
    CLAIM_GROWTH = "slipway:claim_growth:bytes_per_day"
    TARGETS_DOWN = "slipway:targets_down:count"
    COMPONENT_UP = "slipway:component_up:ratio"
    CONSUMER_LAG = "slipway:consumer_lag:messages"
    CONSUMER_LAG_GROWTH = "slipway:consumer_lag:growth_15m"
    ERROR_BUDGET = "slipway:error_budget:remaining_ratio"


@dataclass(frozen=True, slots=True)
class Series:
    """One recorded series.

    :param labels: exactly these, so that readers and rules agree.
    :param unit: of its values, as a person would say it.
    :param expression: PromQL that records it.
    """

    name: SeriesName
    labels: tuple[str, ...]
    unit: str
    meaning: str
    group: str
    expression: str


_RUNNING = 'on (namespace, pod) group_left() (kube_pod_status_phase{phase="Running"} == 1)'
_TO_WORKLOAD = "on (namespace, pod) group_left (workload) slipway:pod_workload:info"
_TO_POOL = "on (node) group_left (pool) slipway:node_pool:info"


def _requested(resource: str, by: str, join: str) -> str:
    asked = (
        f'sum by (namespace, pod, node) (kube_pod_container_resource_requests{{resource="{resource}"}} * {_RUNNING})'
    )
    return f"sum by ({by}) ({asked} * {join})"


def _per_workload(usage: str) -> str:
    return f"sum by (namespace, workload) (sum by (namespace, pod) ({usage}) * {_TO_WORKLOAD})"


_CPU = 'rate(container_cpu_usage_seconds_total{job="cadvisor"}[5m])'
_MEMORY = 'container_memory_working_set_bytes{job="cadvisor"}'
# A ReplicaSet's name is its Deployment's and a hash; a Job's of a CronJob is the CronJob's and a time.
_MADE_BY_ANOTHER = 'kube_pod_owner{owner_kind=~"ReplicaSet|Job"}'
_BY_ITSELF = 'kube_pod_owner{owner_kind!~"ReplicaSet|Job"}'
_SUFFIX = "(.+?)(?:-[bcdfghjklmnpqrstvwxz2456789]{8,10}|-[0-9]{8,})?"
_OWNERS = (
    f'label_replace({_MADE_BY_ANOTHER}, "workload", "$1", "owner_name", "{_SUFFIX}") '
    f'or label_replace({_BY_ITSELF}, "workload", "$1", "owner_name", "(.+)")'
)
_CLAIM = ("namespace", "persistentvolumeclaim")
_BY_CLAIM = "max by (namespace, persistentvolumeclaim)"
_WORKLOAD = ("namespace", "workload")
_NODE, _POOL, _GROUP = ("node",), ("pool",), ("consumergroup", "topic")


def _percentile(of: SeriesName, window: str) -> str:
    return f"quantile_over_time(0.95, {of}[{window}])"


_N = SeriesName
SERIES: tuple[Series, ...] = (
    Series(
        _N.NODE_POOL, ("node", "pool"), "1", "Which pool (label slipway.dev/workload) a node belongs to", NOW,
        'max by (node, pool) (label_replace(kube_node_labels, "pool", "$1", "label_slipway_dev_workload", "(.+)"))',
    ),
    Series(
        _N.POD_WORKLOAD, ("namespace", "pod", "workload"), "1", "Which workload a pod belongs to", NOW,
        f"max by (namespace, pod, workload) ({_OWNERS})",
    ),
    Series(
        _N.NODE_CPU, _NODE, "share of the node's cores", "CPU that is busy", NOW,
        "avg by (node) (node:cpu_utilisation:ratio_rate5m)",
    ),
    Series(
        _N.NODE_MEMORY, _NODE, "share of the node's memory", "Memory that cannot be reclaimed", NOW,
        "avg by (node) (node:memory_utilisation:ratio)",
    ),
    Series(
        _N.NODE_NETWORK, _NODE, "bytes per second", "Received and sent", NOW,
        "max by (node) (node:network_bytes:rate5m)",
    ),
    Series(_N.NODE_CPU_DAY, _NODE, "share", "95th percentile of a day", DAYS, _percentile(_N.NODE_CPU, "1d")),
    Series(_N.NODE_MEMORY_DAY, _NODE, "share", "95th percentile of a day", DAYS, _percentile(_N.NODE_MEMORY, "1d")),
    Series(
        _N.NODE_NETWORK_DAY, _NODE, "bytes per second", "95th percentile of a day", DAYS,
        _percentile(_N.NODE_NETWORK, "1d"),
    ),
    Series(_N.NODE_CPU_WEEK, _NODE, "share", "95th percentile of a week", DAYS, _percentile(_N.NODE_CPU, "7d")),
    Series(_N.NODE_MEMORY_WEEK, _NODE, "share", "95th percentile of a week", DAYS, _percentile(_N.NODE_MEMORY, "7d")),
    Series(
        _N.NODE_NETWORK_WEEK, _NODE, "bytes per second", "95th percentile of a week", DAYS,
        _percentile(_N.NODE_NETWORK, "7d"),
    ),
    Series(_N.WORKLOAD_CPU, _WORKLOAD, "cores", "CPU used by all pods of a workload", NOW, _per_workload(_CPU)),
    Series(_N.WORKLOAD_MEMORY, _WORKLOAD, "bytes", "Working set of all its pods", NOW, _per_workload(_MEMORY)),
    Series(
        _N.WORKLOAD_CPU_REQUESTED, _WORKLOAD, "cores", "CPU requested by its running pods", NOW,
        _requested("cpu", "namespace, workload", _TO_WORKLOAD),
    ),
    Series(
        _N.WORKLOAD_MEMORY_REQUESTED, _WORKLOAD, "bytes", "Memory requested by its running pods", NOW,
        _requested("memory", "namespace, workload", _TO_WORKLOAD),
    ),
    Series(
        _N.WORKLOAD_CPU_WEEK, _WORKLOAD, "cores", "95th percentile of a week", DAYS, _percentile(_N.WORKLOAD_CPU, "7d")
    ),
    Series(
        _N.WORKLOAD_MEMORY_WEEK, _WORKLOAD, "bytes", "95th percentile of a week", DAYS,
        _percentile(_N.WORKLOAD_MEMORY, "7d"),
    ),
    Series(
        _N.POOL_CPU_USED, _POOL, "cores", "CPU busy on the pool's nodes", NOW,
        f"sum by (pool) (sum by (node) ({_CPU}) * {_TO_POOL})",
    ),
    Series(
        _N.POOL_MEMORY_USED, _POOL, "bytes", "Working set on the pool's nodes", NOW,
        f"sum by (pool) (sum by (node) ({_MEMORY}) * {_TO_POOL})",
    ),
    Series(
        _N.POOL_CPU_REQUESTED, _POOL, "cores", "CPU requested on the pool's nodes", NOW,
        _requested("cpu", "pool", _TO_POOL),
    ),
    Series(
        _N.POOL_MEMORY_REQUESTED, _POOL, "bytes", "Memory requested on the pool's nodes", NOW,
        _requested("memory", "pool", _TO_POOL),
    ),
    Series(
        _N.POOL_PODS, _POOL, "pods", "Pods on the pool's nodes that have not ended", NOW,
        'sum by (pool) (count by (node) (kube_pod_info{node!=""} * '
        'on (namespace, pod) group_left() (sum by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"}) '
        f"== 1)) * {_TO_POOL})",
    ),
    Series(
        _N.CLAIM_USED_RATIO, _CLAIM, "share", "How full a volume is", NOW,
        f"{_BY_CLAIM} (kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes)",
    ),
    Series(_N.CLAIM_USED, _CLAIM, "bytes", "Used of a volume", NOW, f"{_BY_CLAIM} (kubelet_volume_stats_used_bytes)"),
    Series(
        _N.CLAIM_GROWTH, _CLAIM, "bytes per day", "How fast a volume fills, by its last six hours", NOW,
        f"86400 * {_BY_CLAIM} (deriv(kubelet_volume_stats_used_bytes[6h]))",
    ),
    Series(
        _N.TARGETS_DOWN, ("namespace", "job"), "targets", "Scrape targets that do not answer", NOW,
        "sum by (namespace, job) (1 - up)",
    ),
    Series(
        _N.COMPONENT_UP, ("component",), "share", "Scrape targets of a component that answer: its lightest check", NOW,
        'avg by (component) (up{component!=""})',
    ),
    Series(
        _N.CONSUMER_LAG, _GROUP, "messages", "How far a consumer group is behind", NOW,
        "sum by (consumergroup, topic) (kafka_consumergroup_lag)",
    ),
    Series(
        _N.CONSUMER_LAG_GROWTH, _GROUP, "messages", "How much further behind than a quarter of an hour ago", NOW,
        f"{_N.CONSUMER_LAG} - {_N.CONSUMER_LAG} offset 15m",
    ),
)  # fmt: skip

BY_NAME: Mapping[SeriesName, Series] = {one.name: one for one in SERIES}
# Generated per objective, see budget_expression().
ERROR_BUDGET_LABELS = ("component", "slo")

# What health reads, in one query.
HEALTH: tuple[SeriesName, ...] = (
    _N.CLAIM_USED_RATIO,
    _N.CLAIM_USED,
    _N.CLAIM_GROWTH,
    _N.TARGETS_DOWN,
    _N.COMPONENT_UP,
    _N.CONSUMER_LAG,
    _N.CONSUMER_LAG_GROWTH,
    _N.ERROR_BUDGET,
)


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level objective of a component.

    :param objective: per cent of good events.
    :param good: PromQL of good events, ``total`` of all; ``$window`` stands for the window.
    """

    component: str
    name: str
    objective: float
    window: str
    good: str
    total: str


def selector(names: Sequence[SeriesName], matchers: Mapping[str, str] | None = None) -> str:
    """A plain selector of some series: one query for all of them."""
    if len(names) == 1 and not matchers:
        return str(names[0])
    # Colons are the only characters of the names that a regular expression could be suspected of.
    inner = [f'__name__="{names[0]}"' if len(names) == 1 else f'__name__=~"{"|".join(names)}"']
    inner += [f"{label}={json.dumps(value)}" for label, value in sorted((matchers or {}).items())]
    return "{" + ",".join(inner) + "}"


def budget_expression(slo: Objective) -> str:
    """What is left of an objective's error budget: 1 when nothing failed, 0 when it is spent, negative beyond.

    Source: Google SRE workbook, "Implementing SLOs": budget spent = (1 - good / total) / (1 - objective).
    """
    good, total = (part.strip().replace("$window", slo.window) for part in (slo.good, slo.total))
    allowed = round(1 - slo.objective / 100, 9)
    return f"1 - (1 - ({good}) / ({total})) / {allowed}"


def rules() -> str:
    """The rule file of :data:`SERIES`, as YAML."""
    lines = [_HEAD.format("plugins/slipway/decisions/series.py"), "groups:"]
    for group in (NOW, DAYS):
        lines += _group(group)
        for one in (series for series in SERIES if series.group == group):
            lines += [f"      # {one.meaning}; {one.unit}.", f"      - record: {one.name}", *_folded(one.expression)]
    return "\n".join(lines) + "\n"


def budget_rules(objectives: Iterable[Objective]) -> str:
    """The rule file of error budgets, as YAML. JSON strings are YAML, so that names need no quoting rules."""
    lines = [_HEAD.format("the objectives (slos) in component.yaml"), "groups:", *_group(BUDGETS)]
    for slo in sorted(objectives, key=lambda one: (one.component, one.name)):
        lines += [
            f"      - record: {SeriesName.ERROR_BUDGET}",
            f"        labels: {{component: {json.dumps(slo.component)}, slo: {json.dumps(slo.name)}}}",
            *_folded(budget_expression(slo)),
        ]
    return "\n".join(lines) + "\n"


_HEAD = "# Generated by `make docs` from {}; edit that instead."


def _group(name: str) -> list[str]:
    return [f"  - name: {name}", f"    interval: {INTERVALS[name]}", "    rules:"]


def _folded(expression: str) -> list[str]:
    """An expression as a folded block; a line feed in PromQL is a space."""
    words, line, lines = expression.split(), "", []
    for word in words:
        if line and len(line) + len(word) > 100:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return ["        expr: >-", *(f"          {text}" for text in [*lines, line])]
