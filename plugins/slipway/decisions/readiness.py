"""Whether objects have become what was asked for: ready, on the way, or beyond waiting.

The rules are those of ``kubectl rollout status`` for workloads, and of the API conventions for the rest. A rollout is
given up before its deadline only for what waiting does not mend: an image that does not exist, a pod that a quota or
Pod Security refuses, a Job that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from slipway.decisions.inventory import ObjectRef
from slipway.decisions.kinds import AWAITED_KINDS

Live = Mapping[str, Any]

# A registry may take a moment to serve a tag that was just pushed; after that the tag does not exist.
IMAGE_GRACE = timedelta(seconds=90)
# A rolling update may free the quota that its new pods need.
REFUSAL_GRACE = timedelta(seconds=60)
REASONS_SHOWN = 8
_IMAGE_ERRORS = {"ErrImagePull", "ImagePullBackOff"}
_IMAGE_FINAL = ("not found", "manifest unknown", "does not exist", "no match for platform", "denied")
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}


class Readiness(StrEnum):
    """Where a rollout stands."""

    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A readiness and, unless ready, why."""

    state: Readiness
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a rollout.

    :param objects: every awaited object; ``None`` when the API does not have it.
    :param pods: pods of the workloads among them.
    :param events: warnings in their namespaces.
    """

    objects: Mapping[ObjectRef, Live | None]
    pods: Sequence[Live] = ()
    events: Sequence[Live] = ()


@dataclass(slots=True)
class _Findings:
    waiting: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def awaited(refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """The objects that take time to become ready."""
    return [ref for ref in refs if ref.kind in AWAITED_KINDS]


def judge(facts: Facts, now: datetime, deadline: datetime, since: datetime | None = None) -> Verdict:
    """Judge a rollout.

    :param deadline: when waiting ends; whatever is not ready by then has failed.
    :param since: when the rollout began; older events tell of what was mended since.
    """
    found = _Findings()
    unready: list[ObjectRef] = []
    claimed = {claim for pod in facts.pods for claim in _claims(pod)}
    for ref, live in facts.objects.items():
        if live is None:
            found.waiting.append(f"{ref} does not exist")
            continue
        if ref.kind == "PersistentVolumeClaim" and (ref.namespace, ref.name) not in claimed:
            # Most classes bind a claim when its first pod comes; without one there is nothing to wait for.
            continue
        reason = _RULES.get(ref.kind, _always)(live)
        if reason:
            unready.append(ref)
            (found.failed if isinstance(reason, _Final) else found.waiting).append(f"{ref}: {reason}")
    if any(ref.kind in _WORKLOADS for ref in unready):
        _explain_pods(facts, now, found)
        _explain_refusals(facts, unready, now, since, found)
    reasons = tuple(dict.fromkeys([*found.failed, *found.waiting]))[:REASONS_SHOWN]
    if found.failed:
        return Verdict(Readiness.FAILED, reasons)
    if not found.waiting:
        return Verdict(Readiness.READY)
    if now >= deadline:
        return Verdict(Readiness.FAILED, ("the deadline has passed", *reasons))
    return Verdict(Readiness.PROGRESSING, reasons)


class _Final(str):
    """A reason that waiting does not mend."""

    __slots__ = ()


def _always(_: Live) -> str | None:
    return None


def _status(live: Live) -> Mapping[str, Any]:
    return live.get("status") or {}


def _condition(live: Live, kind: str) -> Mapping[str, Any]:
    conditions: list[Mapping[str, Any]] = _status(live).get("conditions") or []
    return next((item for item in conditions if item.get("type") == kind), {})


def _unobserved(live: Live) -> bool:
    return int(_status(live).get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0)


def _deployment(live: Live) -> str | None:
    if _unobserved(live):
        return "its new version has not been seen by its controller"
    status = _status(live)
    wanted = int(live["spec"].get("replicas", 1))
    updated, total, available = (
        int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")
    )
    # kubectl gives up here; the controller does not, and the component's own timeout is the limit its author chose.
    late = _condition(live, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    tail = ", none of them for as long as its progressDeadlineSeconds" if late else ""
    if updated < wanted:
        return f"{updated} of {wanted} replicas updated{tail}"
    if total > updated:
        return f"{total - updated} old replicas are ending{tail}"
    if available < updated:
        return f"{available} of {updated} updated replicas available{tail}"
    return None


def _stateful_set(live: Live) -> str | None:
    strategy = live["spec"].get("updateStrategy") or {}
    if _unobserved(live):
        return "its new version has not been seen by its controller"
    status = _status(live)
    wanted = int(live["spec"].get("replicas", 1))
    ready, updated = int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0)
    if ready < wanted:
        return f"{ready} of {wanted} replicas ready"
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return None
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if partition:
        return f"{updated} of {wanted - partition} replicas updated" if updated < wanted - partition else None
    if status.get("updateRevision") != status.get("currentRevision"):
        return f"{updated} of {wanted} replicas updated"
    return None


def _daemon_set(live: Live) -> str | None:
    if _unobserved(live):
        return "its new version has not been seen by its controller"
    status = _status(live)
    wanted, updated, available = (
        int(status.get(key) or 0) for key in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    )
    rolling = (live["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if rolling and updated < wanted:
        return f"{updated} of {wanted} pods updated"
    return f"{available} of {wanted} pods available" if available < wanted else None


def _job(live: Live) -> str | None:
    failed = _condition(live, "Failed")
    if failed.get("status") == "True":
        return _Final(f"failed: {failed.get('message') or failed.get('reason') or 'no reason given'}")
    if live["spec"].get("suspend"):
        return None
    done = _condition(live, "Complete").get("status") == "True"
    return (
        None
        if done
        else f"{int(_status(live).get('succeeded') or 0)} of {live['spec'].get('completions', 1)} completed"
    )


def _claim(live: Live) -> str | None:
    phase = _status(live).get("phase", "Pending")
    if phase == "Lost":
        return _Final("its volume is gone")
    return None if phase == "Bound" else f"is {phase}"


def _service(live: Live) -> str | None:
    if live["spec"].get("type") != "LoadBalancer":
        return None
    return None if (_status(live).get("loadBalancer") or {}).get("ingress") else "its load balancer has no address yet"


def _namespace(live: Live) -> str | None:
    phase = _status(live).get("phase", "Active")
    return None if phase == "Active" else f"is {phase}"


def _definition(live: Live) -> str | None:
    names = _condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return _Final(f"its names were refused: {names.get('message', '')}")
    return None if _condition(live, "Established").get("status") == "True" else "is not served yet"


_RULES: dict[str, Callable[[Live], str | None]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "Service": _service,
    "Namespace": _namespace,
    "CustomResourceDefinition": _definition,
}


def _claims(pod: Live) -> Iterable[tuple[str, str]]:
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            yield pod["metadata"].get("namespace", ""), volume["persistentVolumeClaim"]["claimName"]


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if value else None


def _explain_pods(facts: Facts, now: datetime, found: _Findings) -> None:
    unscheduled: dict[str, list[str]] = {}
    for pod in facts.pods:
        name = f"Pod {pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
        scheduled = _condition(pod, "PodScheduled")
        if scheduled.get("status") == "False":
            why = f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}"
            unscheduled.setdefault(why, []).append(name)
            continue
        since = _time(scheduled.get("lastTransitionTime")) or _time(pod["metadata"].get("creationTimestamp")) or now
        status = _status(pod)
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            _explain_container(name, container, now - since, found)
    for why, names in unscheduled.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        found.waiting.append(f"{names[0]}{others}: {why}")


def _explain_container(name: str, container: Live, age: timedelta, found: _Findings) -> None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    image = container.get("image", "")
    if reason == "InvalidImageName":
        found.failed.append(f"{name}: {image} is not an image name; correct it in the manifests")
    elif reason in _IMAGE_ERRORS:
        text = f"{name}: {image} cannot be pulled: {message or reason}"
        final = age >= IMAGE_GRACE and any(sign in message.lower() for sign in _IMAGE_FINAL)
        (found.failed if final else found.waiting).append(text)
    elif reason == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        why = " ".join(str(last.get("message") or last.get("reason") or message).split())
        restarts = container.get("restartCount", 0)
        found.waiting.append(
            f"{name}: container {container.get('name')} keeps ending with exit code {last.get('exitCode', '?')} "
            f"({restarts} restarts): {why}"
        )
    elif reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
        found.waiting.append(f"{name}: {reason}: {message}")


def _explain_refusals(
    facts: Facts, unready: Sequence[ObjectRef], now: datetime, since: datetime | None, found: _Findings
) -> None:
    """Pods that were never made: their controller says why in an event."""
    for event in facts.events:
        source = event.get("involvedObject") or {}
        if event.get("reason") != "FailedCreate" or not _concerns(source, unready):
            continue
        message = event.get("message", "")
        text = f"{source.get('kind')} {source.get('namespace', '')}/{source.get('name')}: {message}"
        first = _time(event.get("firstTimestamp") or event.get("eventTime")) or now
        if since and (_time(event.get("lastTimestamp")) or first) < since.replace(microsecond=0):
            continue
        first = max(first, since) if since else first
        refused = "exceeded quota" in message or "violates PodSecurity" in message or "LimitRange" in message
        (found.failed if refused and now - first >= REFUSAL_GRACE else found.waiting).append(text)


def _concerns(source: Live, unready: Sequence[ObjectRef]) -> bool:
    """Whether an event is about an unready workload, or about a ReplicaSet that is named after one."""
    kind, name, namespace = source.get("kind"), str(source.get("name")), source.get("namespace", "")
    for ref in unready:
        if ref.namespace != namespace:
            continue
        if (ref.kind, ref.name) == (kind, name):
            return True
        if kind == "ReplicaSet" and ref.kind == "Deployment" and name.rpartition("-")[0] == ref.name:
            return True
    return False
