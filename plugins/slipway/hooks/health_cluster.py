"""Facts about health that the Kubernetes API tells: a fixed number of lists, long ones by pages."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509

from slipway.decisions.quantities import parse_quantity
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError
from slipway.hooks.listing import Condition, Lister, Meta, Node, Pod
from slipway.hooks.pod_glance import glance, whole
from slipway.model.health import (
    ClaimFact,
    ExpiryFact,
    HealthFacts,
    JobFact,
    NodeFact,
    PodFact,
    PodTrouble,
    QuotaFact,
    ServiceFact,
    WorkloadFact,
)
from slipway.model.report import Missing

COMPONENT = "slipway.dev/component"
ROLE = "slipway.dev/role"
GROUP = "eks.amazonaws.com/nodegroup"
# Whatever happened, nobody reads more than this; the counts stay exact.
MOST_KEPT = 500
_EPOCH = datetime.fromtimestamp(0, UTC)


class _Template(msgspec.Struct, frozen=True, gc=False):
    metadata: dict[str, Any] = {}


class _WorkloadSpec(msgspec.Struct, frozen=True, gc=False):
    replicas: int = 1
    template: _Template = _Template()


class _WorkloadStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    ready_replicas: int = 0
    available_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    conditions: list[Condition] = []


class _Workload(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _WorkloadSpec = _WorkloadSpec()
    status: _WorkloadStatus = _WorkloadStatus()


class _JobStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    conditions: list[Condition] = []
    completion_time: datetime | None = None


class _Job(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    status: _JobStatus = _JobStatus()


class _Phase(msgspec.Struct, frozen=True, gc=False):
    phase: str = ""


class _Claim(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    status: _Phase = _Phase()


class _ServiceSpec(msgspec.Struct, frozen=True, gc=False):
    selector: dict[str, str] = {}


class _Service(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _ServiceSpec = _ServiceSpec()


class _EndpointConditions(msgspec.Struct, frozen=True, gc=False):
    ready: bool | None = None


class _Endpoint(msgspec.Struct, frozen=True, gc=False):
    conditions: _EndpointConditions = _EndpointConditions()


class _Slice(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    endpoints: list[_Endpoint] | None = None


class _QuotaStatus(msgspec.Struct, frozen=True, gc=False):
    hard: dict[str, str | int] = {}
    used: dict[str, str | int] = {}


class _Quota(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    status: _QuotaStatus = _QuotaStatus()


class _Certificate(msgspec.Struct, frozen=True, gc=False):
    """Of a TLS Secret the certificate alone; the key is never decoded."""

    chain: str = msgspec.field(default="", name="tls.crt")


class _TlsSecret(msgspec.Struct, frozen=True, gc=False):
    metadata: Meta
    data: _Certificate = _Certificate()


class ClusterFacts:
    """Gathers into :class:`HealthFacts`. Lists that are refused are noted as missing; the others stand."""

    def __init__(self, api: KubernetesApi, facts: HealthFacts) -> None:
        self.lister = Lister(api)
        self.facts = facts

    async def gather(self) -> None:
        """Read everything, at most sixteen requests at a time.

        :raises KubernetesApiError: the API does not answer, or knows us not.
        """
        # First alone: when the API is away, one call finds it out rather than eleven.
        await self._nodes()
        await asyncio.gather(
            self._part("pods", self._pods()),
            self._part("workloads and services", self._workloads_and_services()),
            self._part("jobs", self._jobs()),
            self._part("claims", self._claims()),
            self._part("quotas of namespaces", self._quotas()),
            self._part("certificates in Secrets", self._certificates()),
        )

    async def _part(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except KubernetesApiError as error:
            if error.status in {0, 401}:
                raise
            self.facts.missing.append(Missing(part=name, reason=str(error)))

    async def _nodes(self) -> None:
        found = []
        async for page in self.lister.pages("/api/v1/nodes", Node):
            found += [_node(node) for node in page]
        self.facts.nodes = found
        self.facts.counts["nodes"] = len(found)

    async def _pods(self) -> None:
        kept: list[PodFact] = []
        phases: Counter[str] = Counter()
        async for page in self.lister.pages("/api/v1/pods", msgspec.Raw):
            for raw in page:
                seen = glance(raw)
                phases[seen.status.phase] += 1
                if not seen.fine and len(kept) < MOST_KEPT and (found := _suspect(whole(raw))) is not None:
                    kept.append(found)
        self.facts.pods = kept
        self.facts.counts["pods"] = sum(phases.values())
        self.facts.counts |= {f"pods {phase.lower()}": count for phase, count in sorted(phases.items())}

    async def _workloads_and_services(self) -> None:
        apps = "/apis/apps/v1"
        deployments, sets, daemons = await asyncio.gather(
            *(
                self.lister.all(f"{apps}/{plural}", _Workload)
                for plural in ("deployments", "statefulsets", "daemonsets")
            )
        )
        services, slices = await asyncio.gather(
            self.lister.all("/api/v1/services", _Service),
            self.lister.all("/apis/discovery.k8s.io/v1/endpointslices", _Slice),
        )
        self.facts.workloads = [
            *(_deployment(one) for one in deployments),
            *(_stateful_set(one) for one in sets),
            *(_daemon_set(one) for one in daemons),
        ]
        self.facts.counts["workloads"] = len(self.facts.workloads)
        self.facts.counts["services"] = len(services)
        self.facts.services = _unanswered(services, slices, [*deployments, *sets, *daemons], self.facts.workloads)

    async def _jobs(self) -> None:
        jobs = await self.lister.all("/apis/batch/v1/jobs", _Job)
        succeeded: dict[tuple[str, str], datetime] = {}
        for job in jobs:
            if job.status.completion_time is not None:
                key = job.metadata.namespace, _group(job)
                succeeded[key] = max(succeeded.get(key, _EPOCH), job.status.completion_time)
        self.facts.counts["jobs"] = len(jobs)
        failed = [fact for job in jobs if (fact := _failed(job)) is not None]
        # What failed and then went well needs nobody.
        self.facts.jobs = [one for one in failed if succeeded.get((one.namespace, one.group), _EPOCH) < one.since][
            :MOST_KEPT
        ]

    async def _claims(self) -> None:
        claims = await self.lister.all("/api/v1/persistentvolumeclaims", _Claim)
        self.facts.counts["claims"] = len(claims)
        self.facts.claims = [
            ClaimFact(one.metadata.namespace, one.metadata.name, one.status.phase or "Pending", _created(one.metadata))
            for one in claims
            if one.status.phase != "Bound"
        ]

    async def _quotas(self) -> None:
        quotas = await self.lister.all("/api/v1/resourcequotas", _Quota)
        self.facts.quotas.extend(
            QuotaFact(
                one.metadata.namespace,
                resource,
                float(parse_quantity(limit)),
                float(parse_quantity(one.status.used.get(resource, 0))),
            )
            for one in quotas
            for resource, limit in one.status.hard.items()
        )

    async def _certificates(self) -> None:
        secrets = await self.lister.all("/api/v1/secrets", _TlsSecret, {"fieldSelector": "type=kubernetes.io/tls"})
        found = []
        for secret in secrets:
            name = f"{secret.metadata.namespace}/{secret.metadata.name}"
            try:
                chain = x509.load_pem_x509_certificates(base64.b64decode(secret.data.chain))
            except ValueError as error:
                self.facts.missing.append(Missing(part=f"certificate in Secret {name}", reason=str(error)))
                continue
            found.append(ExpiryFact("Secret", name, min(one.not_valid_after_utc for one in chain)))
        self.facts.expiries.extend(found)
        self.facts.counts["certificates"] = len(found)


def _created(meta: Meta) -> datetime:
    return meta.creation_timestamp or _EPOCH


def _condition(conditions: list[Condition], kind: str) -> Condition | None:
    return next((one for one in conditions if one.type == kind), None)


def _node(node: Node) -> NodeFact:
    ready = _condition(node.status.conditions, "Ready")
    is_ready = ready is not None and ready.status == "True"
    why = "" if is_ready or ready is None else f"{ready.reason}: {ready.message}".strip(": ")
    pressures = tuple(
        one.type
        for one in node.status.conditions
        if one.type.endswith(("Pressure", "Unavailable")) and one.status == "True"
    )
    since = ready.last_transition_time if ready else None
    return NodeFact(node.metadata.name, node.metadata.labels.get(GROUP, ""), is_ready, since, why, pressures)


def _suspect(pod: Pod) -> PodFact | None:
    """The pod, unless it is a check's, or on its way out."""
    if pod.metadata.labels.get(ROLE) == "check" or pod.metadata.deletion_timestamp is not None:
        return None
    return _trouble(pod)


def _trouble(pod: Pod) -> PodFact | None:
    """The pod, if anything about it may need somebody; how long is too long is not decided here."""
    status, name = pod.status, pod.metadata.name
    workload = pod.workload[1]
    if status.phase == "Failed" and status.reason == "Evicted":
        since = status.start_time or _created(pod.metadata)
        return PodFact(pod.metadata.namespace, name, workload, PodTrouble.EVICTED, since, status.message)
    for one in (*status.init_container_statuses, *status.container_statuses):
        if one.state.waiting is not None and one.state.waiting.reason == "CrashLoopBackOff":
            ready = pod.condition("Ready")
            since = (ready.last_transition_time if ready else None) or _created(pod.metadata)
            ended = one.last_state.terminated
            why = (
                f"container {one.name} ended with {ended.exit_code} ({ended.reason})"
                if ended
                else f"container {one.name}"
            )
            return PodFact(
                pod.metadata.namespace, name, workload, PodTrouble.CRASH_LOOP, since, why, restarts=one.restart_count
            )
    if status.phase == "Pending":
        since = _created(pod.metadata)
        return PodFact(pod.metadata.namespace, name, workload, PodTrouble.PENDING, since, _why_pending(pod))
    return None


def _why_pending(pod: Pod) -> str:
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return scheduled.message or scheduled.reason or "not scheduled"
    for one in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if one.state.waiting is not None:
            return f"{one.state.waiting.reason}: {one.state.waiting.message}".strip(": ")
    return "not scheduled yet" if not pod.spec.node_name else "starting"


def _deployment(one: _Workload) -> WorkloadFact:
    available = _condition(one.status.conditions, "Available")
    progressing = _condition(one.status.conditions, "Progressing")
    late = progressing is not None and progressing.reason == "ProgressDeadlineExceeded"
    stuck = f"its rollout does not go on: {progressing.message}" if progressing is not None and late else ""
    since = available.last_transition_time if available is not None and available.status != "True" else None
    return _fact("Deployment", one, one.spec.replicas, one.status.available_replicas, since, stuck)


def _stateful_set(one: _Workload) -> WorkloadFact:
    return _fact("StatefulSet", one, one.spec.replicas, one.status.ready_replicas, None, "")


def _daemon_set(one: _Workload) -> WorkloadFact:
    return _fact("DaemonSet", one, one.status.desired_number_scheduled, one.status.number_ready, None, "")


def _fact(kind: str, one: _Workload, wanted: int, ready: int, since: datetime | None, stuck: str) -> WorkloadFact:
    meta = one.metadata
    return WorkloadFact(kind, meta.namespace, meta.name, meta.labels.get(COMPONENT, ""), wanted, ready, since, stuck)


def _group(job: _Job) -> str:
    owner = job.metadata.controller
    return owner.name if owner else job.metadata.name


def _failed(job: _Job) -> JobFact | None:
    found = _condition(job.status.conditions, "Failed")
    if found is None or found.status != "True":
        return None
    since = found.last_transition_time or _created(job.metadata)
    return JobFact(job.metadata.namespace, job.metadata.name, _group(job), since, found.message or found.reason)


def _unanswered(
    services: list[_Service], slices: list[_Slice], workloads: list[_Workload], facts: Sequence[WorkloadFact]
) -> list[ServiceFact]:
    answered = {
        (one.metadata.namespace, one.metadata.labels.get("kubernetes.io/service-name", ""))
        for one in slices
        if any(endpoint.conditions.ready is not False for endpoint in one.endpoints or [])
    }
    return [
        ServiceFact(one.metadata.namespace, one.metadata.name, _created(one.metadata))
        for one in services
        if one.spec.selector
        and (one.metadata.namespace, one.metadata.name) not in answered
        and one.metadata.labels.get(ROLE) != "check"
        and not _explained(one, workloads, facts)
    ]


def _explained(service: _Service, workloads: list[_Workload], facts: Sequence[WorkloadFact]) -> bool:
    """Whether a workload that it selects has no ready pod, for which that one is blamed, or wants none."""
    return any(
        fact.ready == 0
        for one, fact in zip(workloads, facts, strict=True)
        if fact.namespace == service.metadata.namespace
        and service.spec.selector.items() <= dict(one.spec.template.metadata.get("labels") or {}).items()
    )
