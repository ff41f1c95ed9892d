"""What the page shows, made of reports, records and the catalog. Every function reads, may block, and answers JSON.

Nothing here asks Airflow's database: runs that are going on are read by the browser from Airflow's own API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from slipway.catalog.components import load_components
from slipway.catalog.environments import environment_names, load_environment
from slipway.catalog.images import service_images, split_image
from slipway.hooks.health_state import HealthStateHook
from slipway.hooks.reports import ReportsHook
from slipway.hooks.runs import RunsHook
from slipway.model.component import Component, StageName
from slipway.model.errors import ConfigurationError
from slipway.model.health import Finding, HealthBody
from slipway.model.platform import Platform
from slipway.model.records import CheckResult
from slipway.model.report import AnyBody, Report

Json = dict[str, Any]

# After so long without a new one a report is stale: its schedule, and the time that a run may well take.
LATE: Mapping[str, timedelta] = {
    "health": timedelta(minutes=25),
    "cost": timedelta(hours=27),
    "scale": timedelta(hours=27),
    "drift": timedelta(hours=27),
}
DUE: Mapping[str, timedelta] = {
    "health": timedelta(minutes=10),
    "cost": timedelta(days=1),
    "scale": timedelta(days=1),
    "drift": timedelta(days=1),
}
# Of these every report of a day is told among the changes.
TOLD = ("drift", "runbook", "scale", "upgrade", "rollback", "teardown", "images")
RUNS_LOOKED_AT = 4
MOST_CHANGES = 60
MOST_FINDINGS = 200


def fleet() -> list[Json]:
    """Environments and their regions, from ``include/environments``."""
    found: list[Json] = []
    for name in environment_names():
        try:
            environment = load_environment(name)
        except ConfigurationError as error:
            found.append({"environment": name, "regions": [], "protected": True, "problem": str(error)})
            continue
        found.append(
            {
                "environment": name,
                "regions": environment.regions,
                "protected": environment.protected,
                "version": environment.cluster.version,
                "problem": "",
            }
        )
    return found


def header(report: Report[Any] | None, kind: str, now: datetime) -> Json:
    """What every part says of the report behind it: from when, whether late, what is missing."""
    if report is None:
        return {"kind": kind, "found": False, "stale": False, "missing": []}
    late = LATE.get(kind)
    return {
        "kind": kind,
        "found": True,
        "as_of": report.ended.isoformat(),
        "run_id": report.run_id,
        "verdict": report.verdict,
        "summary": report.summary,
        "stale": late is not None and now - report.ended > late,
        "missing_since": (report.started + DUE.get(kind, timedelta(0))).isoformat(),
        "missing": [one.model_dump(mode="json") for one in report.missing],
    }


def now_part(platform: Platform) -> Json:
    """Verdict, stages with components and their proofs, what changed within a day."""
    now = datetime.now(UTC)
    reports = ReportsHook(platform)
    with ThreadPoolExecutor(8) as pool:
        asked_report = pool.submit(reports.latest, "health", HealthBody)
        asked_state = pool.submit(lambda: HealthStateHook(platform).read().state)
        asked_runs = pool.submit(_runs, platform)
        asked_told = pool.submit(_told, reports, now)
        report, state = asked_report.result(), asked_state.result()
        runs, told = asked_runs.result(), asked_told.result()
    findings = report.body.findings if report else []
    return {
        "report": header(report, "health", now),
        "since": state.since.isoformat() if state.since else None,
        "counts": report.body.counts if report else {},
        "version": report.body.version if report else "",
        "findings": [one.model_dump(mode="json") for one in findings[:MOST_FINDINGS]],
        "more_findings": max(0, len(findings) - MOST_FINDINGS),
        "stages": _stages(platform, findings, runs),
        "changes": sorted([*told, *_proofs(runs, now)], key=lambda one: str(one["at"]), reverse=True)[:MOST_CHANGES],
    }


def _runs(platform: Platform) -> list[Json]:
    """The newest runs' checks and stages, until every component's checks were seen."""
    hook = RunsHook(platform)
    expected = {name for name, one in load_components().items() if one.spec.checks} - _disabled(platform)
    found: list[Json] = []
    for run_id in hook.run_ids()[:RUNS_LOOKED_AT]:
        checks, stages = hook.checks(run_id), hook.stages(run_id)
        found.append({"run_id": run_id, "checks": checks, "stages": stages})
        expected -= {one.component for one in checks}
        if not expected:
            break
    return found


def _stages(platform: Platform, findings: Iterable[Finding], runs: list[Json]) -> list[Json]:
    disabled = _disabled(platform)
    results: dict[tuple[str, str], tuple[CheckResult, str]] = {}
    for run in runs:
        for one in run["checks"]:
            results.setdefault((one.component, one.check), (one, run["run_id"]))
    troubles = _by_component(findings)
    stages = []
    for stage in StageName:
        record = next(((run["stages"][stage], run["run_id"]) for run in runs if stage in run["stages"]), None)
        components = [
            _component(one, one.name in disabled, results, troubles.get(one.name, []))
            for one in load_components().values()
            if one.stage is stage
        ]
        gate = None if record is None else {"green": record[0].get("green"), "at": record[0].get("at"),
                                            "unready": record[0].get("unready", []), "run_id": record[1]}  # fmt: skip
        stages.append({"name": stage.value, "gate": gate, "components": components})
    return stages


def _component(
    one: Component, disabled: bool, results: Mapping[tuple[str, str], tuple[CheckResult, str]], findings: list[Finding]
) -> Json:
    checks = []
    for check in one.spec.checks:
        result, run_id = results.get((one.name, check.name), (None, ""))
        told = result.model_dump(mode="json") if result else {"state": "unknown"}
        checks.append({**told, "check": check.name, "proves": check.proves, "run_id": run_id})
    return {
        "name": one.name,
        "description": one.spec.description,
        "namespace": one.spec.namespace,
        "stateful": one.spec.stateful,
        "disabled": disabled,
        "versions": _versions(one),
        "checks": checks,
        "findings": [{"severity": two.severity.value, "what": two.what, "subject": two.subject} for two in findings],
    }


def _by_component(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings by the component they are about: by its label, else by its name in the subject."""
    names = sorted(load_components(), key=len, reverse=True)
    found: dict[str, list[Finding]] = {}
    for one in findings:
        tail = one.subject.rsplit("/", 1)[-1]
        named = one.labels.get("component") or next(
            (name for name in names if tail == name or tail.startswith(f"{name}-")), None
        )
        if named:
            found.setdefault(named, []).append(one)
    return found


def _proofs(runs: list[Json], now: datetime) -> list[Json]:
    """Stage verdicts of the last day."""
    found = []
    for run in runs:
        for stage, record in run["stages"].items():
            at = str(record.get("at", ""))
            if not _within_a_day(at, now):
                continue
            numbers = ", ".join(f"{record.get(word, 0)} {word}" for word in ("passed", "skipped", "failed"))
            what = f"Stage {stage.value} {'proven' if record.get('green') else 'not proven'}: {numbers}"
            found.append({"at": at, "kind": "stage", "what": what, "run_id": run["run_id"]})
    return found


def _told(reports: ReportsHook, now: datetime) -> list[Json]:
    """Reports of the last day, but for the frequent ones."""

    def of(kind: str) -> list[Json]:
        found: Iterable[Report[AnyBody]] = reports.history(kind, now - timedelta(days=1), limit=5)
        return [
            {"at": one.ended.isoformat(), "kind": kind, "what": f"{one.verdict}: {one.summary}", "run_id": one.run_id}
            for one in found
        ]

    with ThreadPoolExecutor(len(TOLD)) as pool:
        return [one for found in pool.map(of, TOLD) for one in found]


def _within_a_day(at: str, now: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return False
    return moment.tzinfo is not None and now - moment < timedelta(days=1)


def _disabled(platform: Platform) -> set[str]:
    return set(platform.environment.components.disabled)


def _versions(one: Component) -> list[Json]:
    return [dict(found) for found in _images_of(one.name)]


@lru_cache(maxsize=256)
def _images_of(name: str) -> tuple[Mapping[str, str], ...]:
    """Images of a component; its files change with a new deployment of the project only."""
    split = (split_image(image) for image in service_images(load_components()[name]))
    return tuple({"image": image, "tag": tag} for image, tag, _ in split)


def open_part(platform: Platform) -> Json:
    """Every web interface and port, with the commands that open it."""
    disabled = _disabled(platform)
    context = f"{platform.cluster_name}.{platform.region}"
    found = []
    for one in load_components().values():
        for port in one.spec.endpoints:
            forward = f"kubectl --context {context} -n {one.spec.namespace} port-forward svc/{port.service} "
            found.append(
                {
                    "name": port.name,
                    "component": one.name,
                    "stage": one.stage.value,
                    "command": f"{forward}{port.local}:{port.port}",
                    "url": f"http://localhost:{port.local}{port.path}" if port.protocol == "http" else None,
                    "address": f"localhost:{port.local}",
                    "disabled": one.name in disabled,
                }
            )
    login = f"aws eks update-kubeconfig --region {platform.region} --name {platform.cluster_name} --alias {context}"
    return {"login": login, "interfaces": found}
