"""From facts to a verdict: what is wrong with a platform, how badly, and which runbook is about it.

A finding needs either a fact that is wrong by itself (a node that is not ready) or one that has lasted (a pod pending
for five minutes): what every rollout, scaling and restart does in passing is no finding. All times are compared with
the ``now`` that is given, which is AWS's clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from slipway.decisions.health_limits import DEFAULT, Thresholds, finding
from slipway.decisions.light_checks import failed_checks
from slipway.decisions.series import SeriesName
from slipway.model.health import (
    Before,
    Finding,
    FindingKind,
    HealthFacts,
    PodFact,
    PodTrouble,
    Verdict,
    WorkloadFact,
)


def judge(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds = DEFAULT) -> list[Finding]:
    """Everything that is wrong, worst first; nothing means healthy."""
    found: list[Finding] = []
    for rule in _RULES:
        found += rule(facts, now, before, limits)
    found += _clock(facts, limits)
    found += failed_checks(facts.checks, now)
    # One node that is gone need not be told twice, as a missing node and as its group being short.
    unique = {one.key: one for one in reversed(found)}
    return sorted(unique.values(), key=lambda one: (-one.severity.rank, one.kind.value, one.subject))


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of the findings."""
    return max((one.severity for one in findings), key=lambda one: one.rank, default=Verdict.HEALTHY)


def summary(findings: list[Finding]) -> str:
    """One sentence for a report or a message."""
    if not findings:
        return "Everything looked at is as it should be"
    kinds = Counter(one.kind.value for one in findings)
    listed = ", ".join(f"{count} x {kind}" if count > 1 else kind for kind, count in kinds.most_common(6))
    more = f" and {len(kinds) - 6} more kinds" if len(kinds) > 6 else ""
    return f"{len(findings)} finding{'s' if len(findings) != 1 else ''}: {listed}{more}"


def short_workloads(facts: HealthFacts, now: datetime, before: Before) -> dict[str, datetime]:
    """Since when each workload lacks pods: what it says itself, or when a run first saw it."""
    return {
        one.subject: one.since or before.short.get(one.subject) or now
        for one in facts.workloads
        if one.ready < one.wanted
    }


def _control_plane(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    subject = f"EKS cluster slipway-{facts.environment}"
    plane = facts.control_plane
    if plane is None:
        yield finding(FindingKind.CLUSTER_GONE, subject, "it was there and EKS does not know it any more", down=True)
        return
    if plane.status not in {"ACTIVE", "UPDATING"}:
        yield finding(FindingKind.CONTROL_PLANE, subject, f"is {plane.status}", down=True)
    for issue in plane.issues:
        yield finding(FindingKind.CONTROL_PLANE, subject, issue)
    if facts.api_error:
        yield finding(FindingKind.API_UNREACHABLE, subject, facts.api_error, down=True)
    ends = [
        ("standard", plane.end_of_standard_support, "then it costs six times as much, or is upgraded without asking"),
        ("extended", plane.end_of_extended_support, "then it is upgraded without asking"),
    ]
    for name, end, consequence in ends:
        if end is None or now >= end:
            continue
        left = end - now
        if left <= limits.version_support:
            what = f"{name} support of {plane.version} ends in {left.days} days, on {end:%Y-%m-%d}; {consequence}"
            yield finding(FindingKind.VERSION_SUPPORT, f"Kubernetes {plane.version}", what, since=None)
        return


def _node_groups(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    ready = Counter(node.group for node in facts.nodes if node.ready)
    present = Counter(node.group for node in facts.nodes)
    for group in facts.node_groups:
        subject = f"node group {group.name}"
        if group.status not in {"ACTIVE", "UPDATING", "CREATING"}:
            why = "; ".join(group.issues) or "EKS gives no reason"
            yield finding(
                FindingKind.NODE_GROUP, subject, f"is {group.status}: {why}", labels={"nodegroup": group.name}
            )
            continue
        if facts.api_error or group.status != "ACTIVE":
            continue
        lost = group.desired - present[group.name]
        steady = before.desired.get(group.name) == group.desired
        old = group.modified is None or now - group.modified >= limits.scaling
        # A group that just grew waits for its machines; one that has wanted as many for a while has lost some.
        if lost > 0 and (steady or (old and not before.desired)):
            what = f"{present[group.name]} of {group.desired} nodes are there"
            yield finding(FindingKind.NODE_GONE, subject, what, labels={"nodegroup": group.name})
    wanted = any(group.desired for group in facts.node_groups)
    if wanted and not facts.api_error and not sum(ready.values()):
        yield finding(FindingKind.NO_NODES, "all node groups", "no node is ready", down=True)


def _nodes(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for node in facts.nodes:
        if not node.ready:
            what = f"is not ready: {node.why or 'its kubelet is silent'}"
            yield finding(
                FindingKind.NODE_NOT_READY,
                f"Node {node.name}",
                what,
                since=node.since,
                labels={"node": node.name, "nodegroup": node.group},
            )
        if node.pressures:
            what = f"reports {', '.join(node.pressures)}"
            yield finding(FindingKind.NODE_PRESSURE, f"Node {node.name}", what, labels={"node": node.name})


def _addons(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for addon in facts.addons:
        if addon.status == "DEGRADED" or addon.status.endswith("_FAILED"):
            why = "; ".join(addon.issues) or "EKS gives no reason"
            yield finding(
                FindingKind.ADDON_DEGRADED,
                f"add-on {addon.name}",
                f"{addon.status}: {why}",
                labels={"addon": addon.name},
            )


def _pods(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    grouped: dict[tuple[PodTrouble, str, str], list[PodFact]] = defaultdict(list)
    for pod in facts.pods:
        if _lasts(pod, now, limits):
            grouped[pod.trouble, pod.namespace, pod.workload].append(pod)
    for (trouble, namespace, workload), pods in grouped.items():
        first = min(pods, key=lambda one: one.since)
        count = f"{len(pods)} pod{'s' if len(pods) != 1 else ''}"
        minutes = int((now - first.since).total_seconds() // 60)
        match trouble:
            case PodTrouble.PENDING:
                kind, what = FindingKind.POD_PENDING, f"{count} pending for {minutes} min: {first.why}"
            case PodTrouble.CRASH_LOOP:
                kind, what = (
                    FindingKind.CRASH_LOOP,
                    f"{count} crash again and again, {first.restarts} restarts: {first.why}",
                )
            case PodTrouble.EVICTED:
                kind, what = FindingKind.EVICTED_PODS, f"{count} evicted: {first.why}"
        labels = {"namespace": namespace, "workload": workload, "pod": first.name}
        yield finding(kind, f"{namespace}/{workload}", what, since=first.since, labels=labels)


def _lasts(pod: PodFact, now: datetime, limits: Thresholds) -> bool:
    match pod.trouble:
        case PodTrouble.PENDING:
            return now - pod.since >= limits.pending
        case PodTrouble.CRASH_LOOP:
            return pod.restarts >= limits.crash_restarts
        case PodTrouble.EVICTED:
            return now - pod.since <= limits.evicted


def _workloads(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    since = short_workloads(facts, now, before)
    for one in facts.workloads:
        if one.wanted == 0:
            continue
        labels = {"namespace": one.namespace, "workload": one.name, "kind": one.kind, "component": one.component}
        if one.stuck:
            yield finding(FindingKind.STUCK_ROLLOUT, one.subject, one.stuck, since=one.since, labels=labels)
        if one.ready >= one.wanted:
            continue
        lasted = now - since[one.subject]
        what = f"{one.ready} of {one.wanted} pods ready for {int(lasted.total_seconds() // 60)} min"
        at = since[one.subject]
        if one.ready == 0 and one.kind != "DaemonSet" and lasted >= limits.workload_down:
            # Only a component's own workload takes the platform down; what others put there does not.
            down = bool(one.component) and not one.stuck
            yield finding(FindingKind.WORKLOAD_DOWN, one.subject, what, down=down, since=at, labels=labels)
        elif lasted >= limits.workload_short and not _explained_by_nodes(one, facts):
            yield finding(FindingKind.WORKLOAD_SHORT, one.subject, what, since=at, labels=labels)


def _explained_by_nodes(one: WorkloadFact, facts: HealthFacts) -> bool:
    """A DaemonSet lacks a pod on each node that is not ready; the node is what is wrong."""
    return one.kind == "DaemonSet" and one.wanted - one.ready <= sum(not node.ready for node in facts.nodes)


def _jobs(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    groups = defaultdict(list)
    for job in facts.jobs:
        if now - job.since <= limits.failed_job:
            groups[job.namespace, job.group].append(job)
    for (namespace, group), jobs in groups.items():
        last = max(jobs, key=lambda one: one.since)
        what = f"{len(jobs)} failed within a day, the last one {last.name}: {last.why}"
        labels = {"namespace": namespace, "workload": group, "job": last.name}
        yield finding(FindingKind.FAILED_JOB, f"Job {namespace}/{group}", what, since=last.since, labels=labels)


def _storage(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    used = _by_claim(facts, SeriesName.CLAIM_USED)
    growth = _by_claim(facts, SeriesName.CLAIM_GROWTH)
    for key, ratio in _by_claim(facts, SeriesName.CLAIM_USED_RATIO).items():
        left = days_left(ratio, used.get(key, 0.0), growth.get(key, 0.0))
        if ratio >= limits.claim_full or (ratio >= limits.claim_filling and left <= limits.claim_days_left):
            tail = f", full in {left:.1f} days" if left < 1000 else ""
            namespace, name = key
            yield finding(
                FindingKind.CLAIM_FULL,
                f"claim {namespace}/{name}",
                f"{ratio:.0%} full{tail}",
                labels={"namespace": namespace, "claim": name},
            )
    for claim in facts.claims:
        if now - claim.since >= limits.claim_pending:
            what = f"is {claim.phase} since {int((now - claim.since).total_seconds() // 60)} min"
            subject = f"claim {claim.namespace}/{claim.name}"
            labels = {"namespace": claim.namespace, "claim": claim.name}
            yield finding(FindingKind.CLAIM_PENDING, subject, what, since=claim.since, labels=labels)


def days_left(ratio: float, used: float, growth: float) -> float:
    """Days until a volume is full, going on as in the last hours; infinite when it does not grow.

    :param ratio: used share; ``used`` in bytes; ``growth`` in bytes a day.
    """
    if growth <= 0 or ratio <= 0:
        return float("inf")
    return max(0.0, (used / ratio - used) / growth)


def _by_claim(facts: HealthFacts, name: SeriesName) -> dict[tuple[str, str], float]:
    return {
        (one.labels.get("namespace", ""), one.labels.get("persistentvolumeclaim", "")): one.value
        for one in facts.samples
        if one.name == name
    }


def _services(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for one in facts.services:
        if now - one.since >= limits.service_unanswered:
            labels = {"namespace": one.namespace, "service": one.name}
            what = "selects pods and none of them is ready"
            yield finding(FindingKind.NO_ENDPOINTS, f"Service {one.namespace}/{one.name}", what, labels=labels)


def _endings(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for one in facts.expiries:
        if one.expires - now <= limits.certificate:
            ended = one.expires <= now
            when = f"expired on {one.expires:%Y-%m-%d}" if ended else f"expires in {(one.expires - now).days} days"
            yield finding(FindingKind.CERTIFICATE, f"{one.kind} {one.name}", when, since=None)
    for rotation in facts.rotations:
        if now - rotation.due >= limits.rotation_overdue:
            what = f"its rotation was due on {rotation.due:%Y-%m-%d}"
            yield finding(FindingKind.SECRET_ROTATION, f"secret {rotation.name}", what)


def _limits(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for quota in facts.quotas:
        if quota.limit <= 0:
            continue
        share = quota.used / quota.limit
        of_aws = quota.scope == "AWS"
        if share >= (limits.aws_quota if of_aws else limits.namespace_quota):
            what = f"{quota.used:g} of {quota.limit:g} used ({share:.0%})"
            kind = FindingKind.AWS_QUOTA if of_aws else FindingKind.NAMESPACE_QUOTA
            yield finding(
                kind, f"{quota.scope}: {quota.name}", what, labels={"namespace": "" if of_aws else quota.scope}
            )
    for subnet in facts.subnets:
        if subnet.free < limits.subnet_addresses:
            what = f"{subnet.free} addresses are left; EKS wants {limits.subnet_addresses} for its own"
            yield finding(FindingKind.SUBNET_ADDRESSES, f"subnet {subnet.subnet} in {subnet.zone}", what)


def _measured(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    if facts.monitoring_error:
        yield finding(FindingKind.MONITORING, "Prometheus", facts.monitoring_error)
    growth = {_group(one.labels): one.value for one in facts.samples if one.name == SeriesName.CONSUMER_LAG_GROWTH}
    for one in facts.samples:
        labels = one.labels
        if one.name == SeriesName.TARGETS_DOWN and one.value >= 1:
            job, namespace = labels.get("job", ""), labels.get("namespace", "")
            what = f"{one.value:g} of its scrape targets do not answer"
            yield finding(
                FindingKind.TARGET_DOWN, f"job {namespace}/{job}", what, labels={"job": job, "namespace": namespace}
            )
        elif one.name == SeriesName.COMPONENT_UP and one.value <= 0:
            component = labels.get("component", "")
            yield finding(
                FindingKind.COMPONENT_SILENT,
                f"component {component}",
                "none of its targets answers",
                labels={"component": component},
            )
        elif one.name == SeriesName.ERROR_BUDGET and one.value <= limits.error_budget:
            component, slo = labels.get("component", ""), labels.get("slo", "")
            what = f"{one.value:.0%} of its error budget is left"
            yield finding(
                FindingKind.ERROR_BUDGET, f"objective {component}: {slo}", what, labels={"component": component}
            )
        elif one.name == SeriesName.CONSUMER_LAG and one.value >= limits.lag and growth.get(_group(labels), 0) > 0:
            group, topic = _group(labels)
            what = f"{one.value:,.0f} messages behind, {growth[group, topic]:,.0f} more than 15 min ago"
            yield finding(
                FindingKind.CONSUMER_LAG,
                f"consumer group {group} on {topic}",
                what,
                labels={"group": group, "topic": topic},
            )


def _group(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("consumergroup", ""), labels.get("topic", "")


def _alerts(facts: HealthFacts, now: datetime, before: Before, limits: Thresholds) -> Iterator[Finding]:
    for alert in facts.alerts:
        if alert.severity in {"none", "info"}:
            continue
        about = ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
        subject = f"alert {alert.name}" + (f" ({about})" if about else "")
        found = finding(FindingKind.ALERT_FIRING, subject, f"{alert.severity}: {alert.summary}", since=alert.since)
        yield found.model_copy(update={"runbook": f"docs/runbooks/{alert.name}.md"})


def _clock(facts: HealthFacts, limits: Thresholds) -> Iterator[Finding]:
    if abs(facts.skew_seconds) > limits.skew.total_seconds():
        what = f"this worker's clock is {facts.skew_seconds:+.0f} s from AWS's; tokens and signatures will be refused"
        yield finding(FindingKind.CLOCK_SKEW, "Airflow worker", what)


_RULES: tuple[Callable[[HealthFacts, datetime, Before, Thresholds], Iterator[Finding]], ...] = (
    _control_plane,
    _node_groups,
    _nodes,
    _addons,
    _workloads,
    _pods,
    _jobs,
    _storage,
    _services,
    _endings,
    _limits,
    _measured,
    _alerts,
)
