"""Jobs: pods that run to completion, retried up to a limit."""

from __future__ import annotations

from datetime import UTC, datetime

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.pods import create_pod, from_template, is_active, is_ready
from rehearsal.kubernetes.objects import (
    Obj,
    dig,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    parse_time,
    timestamp,
    with_condition,
)

_FIRST_BACKOFF = 10.0
_INDEX = "batch.kubernetes.io/job-completion-index"


class Jobs(Controller):
    """Runs pods until enough succeed or too many fail."""

    resource = "jobs.batch"
    watches = ("pods",)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Start pods, count results, finish, expire."""
        job = self.store.get(self.resource, namespace, name)
        if job is None or is_deleting(job):
            return None
        if is_true(job, "Complete") or is_true(job, "Failed"):
            return self._expire(job)
        pods = self.store.owned("pods", job)
        status = self._count(job, pods)
        again: float | None = None
        failure = self._failure(job, pods, status)
        if dig(job, "spec", "suspend"):
            self._suspend(job, pods, status)
        elif failure:
            self._fail(job, pods, status, failure)
        elif status.get("succeeded", 0) >= self._wanted(job):
            self._complete(job, status)
        else:
            again = self._start(job, pods, status)
        self.set_status(job, {key: value for key, value in status.items() if value != 0})
        return again

    def _wanted(self, job: Obj) -> int:
        return int(dig(job, "spec", "completions") or dig(job, "spec", "parallelism", default=1))

    def _count(self, job: Obj, pods: list[Obj]) -> Obj:
        phases = [dig(pod, "status", "phase") for pod in pods]
        active = [pod for pod in pods if is_active(pod)]
        status = {
            **(job.get("status") or {}),
            "active": len(active),
            "ready": sum(map(is_ready, active)),
            "succeeded": phases.count("Succeeded"),
            "failed": phases.count("Failed"),
            "terminating": sum(map(is_deleting, pods)),
            "uncountedTerminatedPods": {},
        }
        status.setdefault("startTime", timestamp())
        return status

    def _failure(self, job: Obj, pods: list[Obj], status: Obj) -> tuple[str, str] | None:
        restarts = sum(
            s.get("restartCount", 0)
            for pod in pods
            if is_active(pod)
            for s in dig(pod, "status", "containerStatuses", default=[])
        )
        if status["failed"] + restarts > dig(job, "spec", "backoffLimit", default=6):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = dig(job, "spec", "activeDeadlineSeconds")
        if deadline is not None and _age(status["startTime"]) >= deadline:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        return None

    def _start(self, job: Obj, pods: list[Obj], status: Obj) -> float | None:
        remaining = self._wanted(job) - status["succeeded"]
        missing = min(dig(job, "spec", "parallelism", default=1), remaining) - status["active"] - status["terminating"]
        wait = self._backoff(pods, status["failed"])
        if missing > 0 and wait > 0:
            return wait
        taken = {labels_of(pod).get(_INDEX) for pod in pods if dig(pod, "status", "phase") != "Failed"}
        for _ in range(missing):
            if not self._create(job, taken):
                return 2.0
            status["active"] += 1
        deadline = dig(job, "spec", "activeDeadlineSeconds")
        return max(0.05, deadline - _age(status["startTime"])) if deadline is not None else None

    def _create(self, job: Obj, taken: set[str | None]) -> bool:
        labels: dict[str, str] = {}
        prefix = f"{name_of(job)}-"
        if dig(job, "spec", "completionMode") == "Indexed":
            index = next(str(i) for i in range(self._wanted(job)) if str(i) not in taken)
            taken.add(index)
            labels, prefix = {_INDEX: index}, f"{name_of(job)}-{index}-"
        pod = from_template(job, job["spec"]["template"], labels, generateName=prefix)
        if labels:
            pod["metadata"].setdefault("annotations", {})[_INDEX] = labels[_INDEX]
        return create_pod(self, job, pod)

    def _backoff(self, pods: list[Obj], failed: int) -> float:
        """Real seconds until the next attempt: doubling from 10 simulated seconds, at most 6 minutes."""
        if not failed:
            return 0.0
        ends = [
            parse_time(end)
            for pod in pods
            for s in dig(pod, "status", "containerStatuses", default=[])
            if (end := dig(s, "state", "terminated", "finishedAt"))
        ]
        if not ends:
            return 0.0
        delay = self.cluster.settings.seconds(min(360.0, _FIRST_BACKOFF * 2 ** (failed - 1)))
        return delay - (datetime.now(UTC) - max(ends)).total_seconds()

    def _suspend(self, job: Obj, pods: list[Obj], status: Obj) -> None:
        for pod in filter(is_active, pods):
            self.delete("pods", pod)
        status.pop("startTime", None)
        status["conditions"] = with_condition(
            status.get("conditions") or [], "Suspended", "True", "JobSuspended", "Job suspended"
        )

    def _fail(self, job: Obj, pods: list[Obj], status: Obj, failure: tuple[str, str]) -> None:
        for pod in filter(is_active, pods):
            self.delete("pods", pod)
        status["active"] = status["ready"] = 0
        conditions = with_condition(status.get("conditions") or [], "FailureTarget", "True", *failure)
        status["conditions"] = with_condition(conditions, "Failed", "True", *failure)
        self.record(job, "Warning", *failure)

    def _complete(self, job: Obj, status: Obj) -> None:
        reason, text = "CompletionsReached", "Reached expected number of succeeded pods"
        conditions = with_condition(status.get("conditions") or [], "SuccessCriteriaMet", "True", reason, text)
        status["conditions"] = with_condition(conditions, "Complete", "True", reason, text)
        status["completionTime"] = timestamp()
        self.record(job, "Normal", "Completed", "Job completed")

    def _expire(self, job: Obj) -> float | None:
        ttl = dig(job, "spec", "ttlSecondsAfterFinished")
        if ttl is None:
            return None
        ended = next(
            c["lastTransitionTime"]
            for c in dig(job, "status", "conditions", default=[])
            if c["type"] in ("Complete", "Failed") and c["status"] == "True"
        )
        left = float(ttl) - _age(ended)
        if left > 0:
            return left
        self.delete(self.resource, job)
        return None


def _age(since: str) -> float:
    return (datetime.now(UTC) - parse_time(since)).total_seconds()
