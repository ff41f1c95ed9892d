"""Runbooks as code: from a finding and its evidence to what is the matter and what would mend it.

A mend is one small change that Kubernetes or EKS undoes by itself when it was wrong: a pod that its controller makes
anew, a Job that has failed for good. Whatever else helps is advice to a person. How often a mend is tried is bounded;
then a person is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from slipway.model.health import Finding, FindingKind
from slipway.model.policies import Policy
from slipway.model.records import Record

WINDOW = timedelta(hours=24)
_RECENT_RELEASE = timedelta(hours=2)


class MendKind(StrEnum):
    """What Slipway can do by itself."""

    RESTART_POD = "restart-pod"
    DELETE_FAILED_PODS = "delete-failed-pods"
    DELETE_FAILED_JOBS = "delete-failed-jobs"
    RESTART_WORKLOAD = "restart-workload"
    CORDON_NODE = "cordon-node"
    UPDATE_ADDON = "update-addon"
    GROW_NODE_GROUP = "grow-node-group"


class Mend(Record):
    """One change.

    :param target: what is changed, by name.
    :param says: the change as a person would make it: a command.
    :param undo: how to take it back.
    """

    kind: MendKind
    target: dict[str, str]
    says: str
    undo: str


class Evidence(Record):
    """What was gathered about a finding.

    :param events: newest last, one line each.
    :param log: last lines of the container that ended, before it ended.
    :param releases: releases of the component, newest first, as ``number at time by run``.
    :param released: when the newest of them was applied.
    :param details: further facts by name.
    """

    events: list[str] = []
    log: list[str] = []
    releases: list[str] = []
    released: AwareDatetime | None = None
    details: dict[str, str] = {}
    missing: list[str] = []


class Outcome(StrEnum):
    """What became of a mend."""

    ADVICE = "advice"
    SUGGESTED = "suggested"
    APPLIED = "applied"
    MENDED = "mended"
    UNMENDED = "unmended"
    EXHAUSTED = "exhausted"
    REFUSED = "refused"


class Diagnosis(Record):
    """What a runbook found.

    :param cause: one sentence; says so when it is a guess.
    :param advice: what a person should do, whether or not a mend is there.
    """

    finding: Finding
    cause: str
    advice: list[str] = []
    mend: Mend | None = None
    evidence: Evidence = Evidence()
    outcome: Outcome = Outcome.ADVICE
    tries: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a mend is made now.

    :param call: a person must be called.
    """

    outcome: Outcome
    apply: bool = False
    call: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Sense:
    """A cause and its mend."""

    cause: str
    advice: Sequence[str] = ()
    mend: Mend | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def decide(
    diagnosis: Diagnosis, policy: Policy, tries: Sequence[datetime], limit: int, called: datetime | None, now: datetime
) -> Decision:
    """May the mend be made? Tries count for a day, over all runs.

    :param called: when a person was called for this finding last.
    """
    recent = [at for at in tries if now - at < WINDOW]
    if diagnosis.mend is None:
        return Decision(Outcome.ADVICE, tries=len(recent))
    if policy is not Policy.AUTO:
        return Decision(Outcome.SUGGESTED, tries=len(recent))
    if len(recent) >= limit:
        again = called is None or now - called >= WINDOW
        return Decision(Outcome.EXHAUSTED, call=again, tries=len(recent))
    return Decision(Outcome.APPLIED, apply=True, tries=len(recent) + 1)


def diagnose(finding: Finding, evidence: Evidence, now: datetime) -> Diagnosis:
    """What is the matter, as far as the evidence tells."""
    sense = _RUNBOOKS[finding.kind](finding, evidence, now)
    return Diagnosis(finding=finding, cause=sense.cause, advice=list(sense.advice), mend=sense.mend, evidence=evidence)


def has_runbook(finding: Finding) -> bool:
    """Whether there is a runbook as code for a finding."""
    return finding.kind in _RUNBOOKS


def _pending(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    why = finding.what
    if "Insufficient" in why or "Too many pods" in why:
        short = "CPU" if "Insufficient cpu" in why else "memory" if "Insufficient memory" in why else "places for pods"
        group = evidence.details.get("grow", "")
        advice = [f"no node has the {short} it asks for; see what the requests of {finding.subject} should be"]
        if not group:
            return Sense(f"the cluster lacks {short}", [*advice, "all node groups are at their maximum: raise max"])
        if evidence.details.get("autoscaler") == "yes":
            return Sense(
                f"the cluster lacks {short}", [*advice, "Cluster Autoscaler is there and has not helped: read its log"]
            )
        sizes = evidence.details.get("sizes", "")
        return Sense(
            f"the cluster lacks {short}",
            advice,
            Mend(
                kind=MendKind.GROW_NODE_GROUP,
                target={"nodegroup": group},
                says=f"raise desiredSize of node group {group} by one ({sizes})",
                undo="set desiredSize back",
            ),
        )
    if "affinity" in why or "selector" in why or "taint" in why:
        return Sense(
            "no node has the labels or accepts the taints that it asks for",
            ["compare its nodeSelector with the node groups' labels"],
        )
    if "PersistentVolumeClaim" in why or "volume" in why:
        return Sense(
            "its volume is not there, or in another zone", ["see the claim's events; a volume stays in its zone"]
        )
    if "ImagePull" in why or "ErrImage" in why:
        return Sense(
            "its image cannot be pulled",
            ["correct the image, or the registry's credentials", *_release_hint(evidence, now)],
        )
    return Sense(f"it waits: {why}", ["read the pod's events"])


def _crash_loop(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    last = next((line for line in reversed(evidence.log) if line.strip()), "")
    text = f"its last words: {last}" if last else "it left no log"
    reason = evidence.details.get("reason", "")
    if reason == "OOMKilled":
        return Sense("it needs more memory than its limit allows", ["raise the memory limit, or find the leak"])
    if _released_lately(evidence, now):
        return Sense(
            f"it crashes since the release of {evidence.releases[0]}; {text}",
            ["go back to the release before: run platform_rollback"],
        )
    name, namespace = finding.labels.get("pod", ""), finding.labels.get("namespace", "")
    return Sense(
        f"it crashes without a recent release: something that it depends on, or its own state; {text}",
        ["look at what it connects to"],
        Mend(
            kind=MendKind.RESTART_POD,
            target={"namespace": namespace, "pod": name},
            says=f"kubectl -n {namespace} delete pod {name}",
            undo="none needed: its controller makes it anew, on the same volume",
        ),
    )


def _node_not_ready(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    node = finding.labels.get("node", "")
    return Sense(
        f"its kubelet does not answer; {evidence.details.get('instance', 'the instance was not looked at')}",
        [
            "pods that may move are moved by Kubernetes after five minutes; volumes follow within the zone",
            "node auto repair, or terminating the instance, replaces it",
        ],
        Mend(
            kind=MendKind.CORDON_NODE,
            target={"node": node},
            says=f"kubectl cordon {node}",
            undo=f"kubectl uncordon {node}",
        ),
    )


def _claim_full(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    claim = f"{finding.labels.get('namespace')}/{finding.labels.get('claim')}"
    return Sense(
        f"{claim} fills up",
        [
            "raise the claim's size in the component's manifest and deploy: gp3 volumes grow while in use",
            "or delete what is not needed: retention of topics, old backups",
        ],
    )


def _stuck_rollout(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    why = next((line for line in reversed(evidence.events) if "Failed" in line or "BackOff" in line), "")
    image = "pull" in why.lower()
    cause = f"its new pods do not become ready: {why or finding.what}"
    advice = ["the old version serves on as far as the rollout left it", *_release_hint(evidence, now)]
    if image:
        return Sense(f"{cause}", ["correct the image and deploy", *advice])
    namespace, name = finding.labels.get("namespace", ""), finding.labels.get("workload", "")
    return Sense(
        cause,
        advice,
        Mend(
            kind=MendKind.RESTART_WORKLOAD,
            target={"namespace": namespace, "kind": finding.labels.get("kind", "Deployment"), "name": name},
            says=f"kubectl -n {namespace} rollout restart {finding.labels.get('kind', 'Deployment').lower()}/{name}",
            undo=f"kubectl -n {namespace} rollout undo {finding.labels.get('kind', 'Deployment').lower()}/{name}",
        ),
    )


def _failed_job(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    namespace, group = finding.labels.get("namespace", ""), finding.labels.get("workload", "")
    of_cron = evidence.details.get("cronjob") == "yes"
    last = next((line for line in reversed(evidence.log) if line.strip()), "")
    cause = f"its work is not done; last words: {last}" if last else "its work is not done"
    if not of_cron:
        return Sense(cause, ["mend what it says, then run it again: deploy its component"])
    return Sense(
        cause,
        ["its CronJob tries again at its next time; failed Jobs only pile up"],
        Mend(
            kind=MendKind.DELETE_FAILED_JOBS,
            target={"namespace": namespace, "group": group},
            says=f"kubectl -n {namespace} delete the failed jobs of {group} but the last",
            undo="none: the last failed one is kept for its log",
        ),
    )


def _addon(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    name = finding.labels.get("addon", "")
    if "InsufficientNumberOfReplicas" in finding.what or "pods ready" in finding.what:
        return Sense("its pods are not ready", ["see why its pods wait: nodes, addresses, or their own log"])
    return Sense(
        "EKS could not bring it to what was asked",
        ["a field changed by hand is a conflict: deploying with OVERWRITE takes it back"],
        Mend(
            kind=MendKind.UPDATE_ADDON,
            target={"addon": name},
            says=f"aws eks update-addon --addon-name {name} --resolve-conflicts OVERWRITE",
            undo="none needed: it is what the environment describes",
        ),
    )


def _lag(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    group = finding.labels.get("group", "")
    return Sense(
        f"consumer group {group} reads slower than is written",
        [
            "more consumers help up to the number of partitions; then more partitions",
            "see whether the consumer waits for a database",
            *_release_hint(evidence, now),
        ],
    )


def _evicted(finding: Finding, evidence: Evidence, now: datetime) -> Sense:
    namespace, workload = finding.labels.get("namespace", ""), finding.labels.get("workload", "")
    return Sense(
        "the kubelet ran short and took pods whose use was furthest above their requests",
        ["raise the requests of what was evicted to what it uses: platform_nightly_scale says how much"],
        Mend(
            kind=MendKind.DELETE_FAILED_PODS,
            target={"namespace": namespace, "workload": workload},
            says=f"kubectl -n {namespace} delete pods --field-selector status.phase=Failed (of {workload}, evicted)",
            undo="none needed: they have ended",
        ),
    )


def _released_lately(evidence: Evidence, now: datetime) -> bool:
    return evidence.released is not None and now - evidence.released <= _RECENT_RELEASE and bool(evidence.releases)


def _release_hint(evidence: Evidence, now: datetime) -> list[str]:
    if not _released_lately(evidence, now):
        return []
    return [f"release {evidence.releases[0]} is recent: platform_rollback goes back to the one before"]


_Runbook = Callable[[Finding, Evidence, datetime], Sense]
_RUNBOOKS: Mapping[FindingKind, _Runbook] = {
    FindingKind.POD_PENDING: _pending,
    FindingKind.CRASH_LOOP: _crash_loop,
    FindingKind.NODE_NOT_READY: _node_not_ready,
    FindingKind.CLAIM_FULL: _claim_full,
    FindingKind.STUCK_ROLLOUT: _stuck_rollout,
    FindingKind.FAILED_JOB: _failed_job,
    FindingKind.ADDON_DEGRADED: _addon,
    FindingKind.CONSUMER_LAG: _lag,
    FindingKind.EVICTED_PODS: _evicted,
}
