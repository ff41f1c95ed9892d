"""Restores components from the snapshots that backups took of their disks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.catalog.render import render
from slipway.decisions.backups import backups
from slipway.decisions.restore import Choice, Claim, Source, body, choose, claims_of, zone_for
from slipway.hooks.aws import explained
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, Object, connect
from slipway.hooks.reports import ReportsHook
from slipway.hooks.restore import ClaimsHook, DisksHook, volume_name
from slipway.model.component import Component
from slipway.model.platform import Platform
from slipway.model.records import Action, Change, CheckState
from slipway.model.report import Report
from slipway.model.restore import RestoreBody, Restored
from slipway.operators.backup import look
from slipway.operators.base import FINAL_ERRORS, platform_of
from slipway.operators.converge import Progress
from slipway.operators.proving import Cluster, ProvingOperator, Subject
from slipway.operators.report import started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

SURVEY = "survey"
DEFAULT_COMPONENTS = ("mongodb", "postgresql", "hdfs", "mysql")
# Copies between regions carry everything; disks of snapshots load their blocks later.
DISKS_LIMIT = timedelta(hours=8)


def source_of(context: Context, platform: Platform) -> Platform:
    """The platform whose backups are restored: the run's own, unless it names another.

    :raises ConfigurationError: it names one that there is not.
    """
    params = context["params"]
    if not params.get("source"):
        return platform
    return load_platform(params["source"], params.get("source_region") or None)


def wanted_components(names: Sequence[str] | None, platform: Platform) -> list[Component]:
    """Components to restore, in deploy order: the named ones, or the databases and HDFS.

    :raises AirflowFailException: a name that is none.
    """
    known = load_components()
    chosen = list(names or [name for name in DEFAULT_COMPONENTS if name in known])
    if unknown := sorted(set(chosen) - set(known)):
        raise AirflowFailException(f"Unknown components {', '.join(unknown)}; there are {', '.join(known)}")
    disabled = set(platform.environment.components.disabled)
    return [one for one in known.values() if one.name in chosen and one.name not in disabled]


class SurveyRestoreOperator(BaseOperator):
    """Chooses a backup for every component asked for, and shows what is lost by going back to it. Changes nothing."""

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """Choose.

        :raises AirflowFailException: nothing can be restored.
        """
        params = context["params"]
        now = datetime.now(UTC)
        try:
            platform = platform_of(context)
            source = source_of(context, platform)
            with explained():
                found = backups(look(source).resources)
            choices, refused = [], {}
            for one in wanted_components(params.get("components"), platform):
                claims = claims_of(render(one, platform))
                if not claims:
                    refused[one.name] = "it has no claims"
                    continue
                try:
                    choices.append(choose(one, claims, found, params.get("backup") or None))
                except LookupError as why:
                    refused[one.name] = str(why)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        text = body(choices, refused, f"{platform.name} in {platform.region}", now)
        self.log.info("%s", text)
        if not choices:
            raise AirflowFailException(f"Nothing to restore:\n{text}")
        return {
            "choices": [one.model_dump(mode="json") for one in choices],
            "refused": refused,
            "oldest": min(one.at for one in choices).isoformat(),
            "body": text,
        }


class RestoreOperator(ProvingOperator):
    """Puts the claims of components on disks made from their backups.

    Snapshots of another region are copied first, all disks are made before anything is stopped. Then the StatefulSets
    stop, claims are made anew on the new disks, and the StatefulSets start again. Disks that claims were on are kept.
    Components that are not deployed yet get their claims, which the deploy then finds. Every step is found done when
    the task is tried again.
    """

    ui_color = "#bbf7d0"

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Take the next step."""
        surveyed = context["ti"].xcom_pull(SURVEY)
        if not surveyed:
            raise AirflowSkipException("The survey chose nothing")
        choices = [Choice.model_validate(one) for one in surveyed["choices"]]
        known = load_components()
        manifests = {one.component: render(known[one.component], platform) for one in choices}
        claims = {claim.key: claim for some in manifests.values() for claim in claims_of(some)}
        sources = {one.claim: one for choice in choices for one in choice.sources if one.claim in claims}
        access = EksAccess.of(platform)
        cluster: Cluster = (access, access.endpoint())
        run = context["dag_run"].run_id
        disks = self._disks(platform, cluster, run, known, choices, claims, sources, progress)
        running = asyncio.run(self._put(cluster, DisksHook(platform, run), claims, sources, disks, progress))
        if waiting := progress.done.pop("waiting", ""):
            self.log.info("Waiting: %s", waiting)
            self.pause(platform, progress, DISKS_LIMIT)
        subjects = [Subject(known[name], manifests[name]) for name in manifests if name in running]
        begun = float(progress.done.setdefault("started", str(time.time())))
        unready = self.settle(platform, cluster, subjects, begun, progress)
        checks = [] if unready else self.prove(platform, cluster, subjects, run, progress)
        report = RestoreBody(
            source=f"{source_of(context, platform).name}",
            restored=[
                Restored(
                    component=choice.component,
                    claim=one.claim,
                    snapshot=one.snapshot,
                    at=one.started,
                    gib=int(disks[one.claim]["Size"]),
                    disk=disks[one.claim]["VolumeId"],
                )
                for choice in choices
                for one in choice.sources
                if one.claim in disks
            ],
            empty=[claim for choice in choices for claim in choice.empty],
            left=dict(surveyed.get("refused") or {}),
            unready=unready,
            checks=checks,
        )
        self._tell(context, platform, report, deployed=bool(running))
        return []

    def _disks(
        self,
        platform: Platform,
        cluster: Cluster,
        run: str,
        known: Mapping[str, Component],
        choices: Sequence[Choice],
        claims: Mapping[str, Claim],
        sources: Mapping[str, Source],
        progress: Progress,
    ) -> dict[str, Object]:
        """Copies, then disks; waits until all can be used. Nothing is stopped before."""
        hook = DisksHook(platform, run)
        snapshots = self._copies(platform, hook, sources, progress)
        found = hook.disks()
        lacking = [key for key in sources if key not in found]
        if lacking:
            workloads = {one.claim: known[choice.component] for choice in choices for one in choice.sources}
            zones = asyncio.run(_zones(cluster, [claims[key] for key in lacking], workloads))
            for key in lacking:
                disk = hook.make(claims[key], sources[key], snapshots[key], zones[key])
                note = f"of {snapshots[key]}, for claim {key}"
                progress.changes.append(Change(action=Action.CREATE, resource=f"AWS::EC2::Volume {disk}", note=note))
        if lacking or any(one["State"] == "creating" for one in found.values()):
            self.pause(platform, progress, DISKS_LIMIT)
        if broken := sorted(str(one["VolumeId"]) for one in found.values() if one["State"] == "error"):
            raise AirflowFailException(f"Disks {', '.join(broken)} could not be made; delete them and clear this task")
        return {key: found[key] for key in sources}

    def _copies(
        self, platform: Platform, hook: DisksHook, sources: Mapping[str, Source], progress: Progress
    ) -> dict[str, str]:
        """Snapshot in this region for each claim."""
        far = {key: one for key, one in sources.items() if one.region != platform.region}
        if not far:
            return {key: one.snapshot for key, one in sources.items()}
        copies = hook.copies()
        for one in far.values():
            if one.snapshot not in copies:
                copies[one.snapshot] = (hook.copy(one), "pending")
                note = f"copy of {one.snapshot} in {one.region}"
                progress.changes.append(
                    Change(action=Action.CREATE, resource=f"AWS::EC2::Snapshot {copies[one.snapshot][0]}", note=note)
                )
        states = {one.snapshot: copies[one.snapshot][1] for one in far.values()}
        if broken := sorted(copies[name][0] for name, state in states.items() if state == "error"):
            raise AirflowFailException(f"Copies {', '.join(broken)} failed; delete them and clear this task")
        if any(state != "completed" for state in states.values()):
            self.pause(platform, progress, DISKS_LIMIT)
        return {
            key: copies[one.snapshot][0] if one.region != platform.region else one.snapshot
            for key, one in sources.items()
        }

    async def _put(
        self,
        cluster: Cluster,
        account: DisksHook,
        claims: Mapping[str, Claim],
        sources: Mapping[str, Source],
        disks: Mapping[str, Object],
        progress: Progress,
    ) -> set[str]:
        """Stop, exchange, start; components that run. What is waited for is left in ``progress``."""
        run = account.run
        async with connect(*cluster) as api:
            hook = ClaimsHook(api)
            waiting = []
            todo = [key for key in sources if not await hook.is_on(claims[key], volume_name(run, claims[key]))]
            sets = {(one.namespace, one.workload): one.replicas for one in claims.values() if one.workload}
            stopping = {(claims[key].namespace, claims[key].workload) for key in todo if claims[key].workload}
            for namespace, workload in sorted(stopping):
                if await hook.scale(namespace, workload, 0):
                    self.log.info("StatefulSet %s/%s is stopped", namespace, workload)
            for key in todo:
                waiting += await self._exchange(hook, account, claims[key], disks[key], progress)
            if waiting:
                progress.done["waiting"] = "; ".join(sorted(set(waiting)))
                return set()
            running = set()
            for (namespace, workload), replicas in sets.items():
                if await hook.scale(namespace, workload, replicas):
                    running |= await _owners(api, namespace, workload)
            return running

    async def _exchange(
        self, hook: ClaimsHook, account: DisksHook, claim: Claim, disk: Object, progress: Progress
    ) -> list[str]:
        """Put one claim on its new disk, as far as that goes now; what is in the way."""
        volume = volume_name(account.run, claim)
        if users := await hook.users(claim):
            return [f"{', '.join(users)} still use {claim.key}"]
        if old := await hook.disk(claim, but=volume):
            account.retire(old)
        if still := await hook.let_go(claim, volume):
            return [still]
        await hook.put_on(claim, volume, disk)
        if claim.key not in progress.done:
            progress.done[claim.key] = "put"
            progress.changes.append(
                Change(
                    action=Action.REPLACE, resource=f"PersistentVolumeClaim {claim.key}", note=f"on {disk['VolumeId']}"
                )
            )
        return [] if await hook.is_on(claim, volume) else [f"claim {claim.key} is being bound"]

    def _tell(self, context: Context, platform: Platform, found: RestoreBody, *, deployed: bool) -> None:
        failed = [one for one in found.checks if one.state is CheckState.FAILED]
        sound = not found.unready and not failed
        oldest = min(one.at for one in found.restored)
        outcome = "proven" if found.checks else "ready" if deployed else "not deployed yet"
        summary = f"{len(found.restored)} claims restored to {oldest:%F %T} UTC; {outcome if sound else 'NOT sound'}"
        markdown = found.markdown(summary)
        self.log.info("%s", markdown)
        report = Report[RestoreBody](
            kind="restore",
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started_at(context),
            ended=datetime.now(UTC),
            verdict="restored" if sound else "unsound",
            summary=summary,
            body=found,
        )
        reference = ReportsHook(platform).write(report, markdown)
        context["ti"].xcom_push(key="report", value=reference.as_xcom())
        if not sound:
            raise AirflowFailException(
                f"{markdown}\nThe disks from before are still there, not in use. Mend what the lines above name and "
                "clear this task, or restore another backup"
            )


async def _zones(cluster: Cluster, claims: Sequence[Claim], components: Mapping[str, Component]) -> dict[str, str]:
    """Zone of each claim's new disk: where its disk is now, or where its pods may run."""
    async with connect(*cluster) as api:
        hook = ClaimsHook(api)
        return {
            claim.key: await hook.zone(claim) or zone_for(claim, await hook.zones(components[claim.key].spec.workload))
            for claim in claims
        }


async def _owners(api: KubernetesApi, namespace: str, workload: str) -> set[str]:
    """The component that a StatefulSet is of, by its label."""
    live = await api.get(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{workload}")
    name = ((live or {}).get("metadata", {}).get("labels") or {}).get("slipway.dev/component")
    return {str(name)} if name else set()
