"""CronJobs: a Job at each time of the schedule, by the real clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter  # type: ignore[import-untyped]

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.objects import (
    Obj,
    clone,
    dig,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    parse_time,
    timestamp,
    uid_of,
)

_JOBS = "jobs.batch"
_LATEST_CHECK = 3600.0


class CronJobs(Controller):
    """Starts jobs on time and forgets old ones."""

    resource = "cronjobs.batch"
    watches = (_JOBS,)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Start what is due; the result is the time until the next one."""
        owner = self.store.get(self.resource, namespace, name)
        if owner is None or is_deleting(owner):
            return None
        jobs = self.store.owned(_JOBS, owner)
        active = [job for job in jobs if not is_true(job, "Complete") and not is_true(job, "Failed")]
        self._forget(owner, [job for job in jobs if job not in active])
        status: Obj = {**(owner.get("status") or {}), "active": [_reference(job) for job in active]}
        if dig(owner, "spec", "suspend"):
            self._write(owner, status)
            return None
        zone = _zone(dig(owner, "spec", "timeZone", default="Etc/UTC"))
        last = parse_time(status.get("lastScheduleTime") or owner["metadata"]["creationTimestamp"])
        now = datetime.now(zone)
        due = croniter(owner["spec"]["schedule"], now).get_prev(datetime)
        if due > last and due <= now:
            self._start(owner, active, due, status)
        self._write(owner, status)
        upcoming = croniter(owner["spec"]["schedule"], now).get_next(datetime)
        return float(min(_LATEST_CHECK, max(0.1, (upcoming - now).total_seconds())))

    def _write(self, owner: Obj, status: Obj) -> None:
        self.set_status(owner, {key: value for key, value in status.items() if value})

    def _start(self, owner: Obj, active: list[Obj], due: datetime, status: Obj) -> None:
        policy = owner["spec"]["concurrencyPolicy"]
        if active and policy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.record(owner, "Normal", "JobAlreadyActive", text)
            return
        if policy == "Replace":
            for job in active:
                self.delete(_JOBS, job)
        template = owner["spec"]["jobTemplate"]
        name = f"{name_of(owner)}-{int(due.timestamp()) // 60}"
        status["lastScheduleTime"] = timestamp(due.astimezone(UTC))
        if self.store.get(_JOBS, namespace_of(owner), name) is not None:
            return
        metadata = {
            "name": name,
            "namespace": namespace_of(owner),
            "labels": dict(labels_of(template)),
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": status["lastScheduleTime"]},
            "ownerReferences": [owner_reference(owner)],
        }
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": clone(template["spec"])}
        status["active"].append(_reference(self.create(_JOBS, job)))
        self.record(owner, "Normal", "SuccessfulCreate", f"Created job {name}")

    def _forget(self, owner: Obj, ended: list[Obj]) -> None:
        for kind, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            jobs = sorted((j for j in ended if is_true(j, kind)), key=lambda j: str(j["status"].get("startTime", "")))
            for job in jobs[: max(0, len(jobs) - owner["spec"][field])]:
                self.delete(_JOBS, job)


def _reference(job: Obj) -> Obj:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": name_of(job),
        "namespace": namespace_of(job),
        "uid": uid_of(job),
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return ZoneInfo("UTC")
