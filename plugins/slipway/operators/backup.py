"""Backs a platform's volumes up as EBS snapshots, and lets old ones go."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.decisions.backups import VOLUME_TAG, backup_tags, backups, expired, to_back_up
from slipway.decisions.sweep import BACKUP_TAG
from slipway.hooks.aws import TRANSIENT_ERRORS, OnceHook, explained, pairs_of
from slipway.hooks.failures import read
from slipway.hooks.removal import RemovalHook
from slipway.hooks.resources import ResourcesHook
from slipway.model.errors import Retry
from slipway.model.platform import Platform
from slipway.model.records import Action, Change
from slipway.model.resource import Inventory, Unread
from slipway.operators.base import FINAL_ERRORS
from slipway.operators.converge import Progress
from slipway.operators.drift import member_platform
from slipway.operators.teardown import TeardownOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

PARTS = ("VPCs", "EC2 instances", "EBS volumes", "EBS snapshots", "EKS")
# A first snapshot of a large volume takes hours; later ones hold only what changed.
LIMIT = timedelta(hours=8)
# A snapshot shows in lists this long after it was asked for at the latest; before, a lost answer says nothing.
SHOWS_WITHIN = timedelta(minutes=1)


def look(platform: Platform) -> Inventory:
    """Volumes and snapshots.

    :raises AirflowFailException: they could not be listed.
    """
    found = ResourcesHook(platform).inventory(PARTS)
    if found.unread:
        raise AirflowFailException("Not looked at: " + "; ".join(_told(one) for one in found.unread))
    return found


def _told(one: Unread) -> str:
    return f"{one.part}: {one.reason}"


class BackupOperator(TeardownOperator):
    """Snapshots every claim's disk, and waits until all are complete. One snapshot per disk and run.

    A snapshot is consistent as after a loss of power, which databases recover from; it is no export.

    :param only_if: parameter of the run that must be set; else the task is skipped.
    """

    ui_color = "#fde68a"

    def __init__(self, *, only_if: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.only_if = only_if

    def execute(self, context: Context) -> Any:
        """Back up, or skip."""
        if self.only_if and not context["params"].get(self.only_if):
            raise AirflowSkipException(f"The run does not ask for it: {self.only_if}")
        return super().execute(context)

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Ask for what is missing, wait for the rest."""
        run_id = context["dag_run"].run_id
        found = look(platform)
        mine = {
            one.tags.get(VOLUME_TAG): one for one in backups(found.resources) if one.tags[BACKUP_TAG] == run_id[:255]
        }
        pending = []
        for volume in to_back_up(found.resources):
            snapshot = mine.get(volume.id)
            if snapshot is None:
                if not self._start(platform, volume.id, backup_tags(volume, run_id, platform.tags), progress):
                    pending.append(volume.id)
                    continue
                claim = volume.tags["kubernetes.io/created-for/pvc/name"]
                progress.changes.append(
                    Change(action=Action.CREATE, resource=f"AWS::EC2::Snapshot of {volume.id}", note=f"claim {claim}")
                )
            elif snapshot.text("state") == "error":
                raise AirflowFailException(f"Snapshot {snapshot.id} of {volume.id} failed; delete it, clear this task")
            if snapshot is None or snapshot.text("state") != "completed":
                pending.append(volume.id)
        if pending:
            self.pause(platform, progress, LIMIT)
        return []

    def _start(self, platform: Platform, volume: str, tags: dict[str, str], progress: Progress) -> bool:
        """Ask for a snapshot; whether AWS said that it begins. If it did not say, the next look finds out."""
        asked = float(progress.done.get(f"asked for {volume}", "0"))
        if time.time() < asked + SHOWS_WITHIN.total_seconds():
            return False
        try:
            OnceHook("ec2", platform.region).conn.create_snapshot(
                VolumeId=volume,
                Description=f"Backup of {volume}",
                TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs_of(tags)}],
            )
        except TRANSIENT_ERRORS as error:
            kind = read(error).error_class
            if kind.rule.retry not in {Retry.NOW, Retry.LATER}:
                raise
            progress.done[f"asked for {volume}"] = str(time.time())
            self.log.warning("No snapshot of %s for now, looking again: %s", volume, error)
            return False
        return True


class FleetBackupOperator(BackupOperator):
    """The same for one platform of the fleet.

    :param member: ``environment`` and ``region``, as the fleet lists them.
    """

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> Any:
        """Back up without the lease: a snapshot disturbs nobody."""
        platform = member_platform(self.member)
        try:
            with explained():
                return self._finish(context, platform, Progress())
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Look again."""
        with self.failing_for_good(), explained():
            return self._finish(context, member_platform(self.member), Progress.load(event["memory"]))


class ExpireBackupsOperator(BaseOperator):
    """Deletes backups older than the run's ``keep_days``; the newest complete one of each claim always stays.

    :param member: the platform.
    """

    def __init__(self, *, member: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.member = member

    def execute(self, context: Context) -> list[str]:
        """Delete, and say which."""
        platform = member_platform(self.member)
        keep = timedelta(days=float(context["params"].get("keep_days") or 14))
        try:
            with explained():
                doomed = expired(backups(look(platform).resources), keep, datetime.now(UTC))
                for one in doomed:
                    RemovalHook(platform.region).remove(one)
                    self.log.info("deleted %s of %s", one.id, one.text("started"))
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        return [one.id for one in doomed]
