"""Which volumes a backup takes, and which old backups may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from slipway.decisions.sweep import BACKUP_TAG
from slipway.model.resource import Kind, Resource

# As the EBS CSI driver marks its disks.
CLAIM_TAG = "kubernetes.io/created-for/pvc/name"
NAMESPACE_TAG = "kubernetes.io/created-for/pvc/namespace"
VOLUME_TAG = "slipway:backup-of"
# On a disk that a restore took out of use: it has its claim's name still, and none of its data.
RELEASED_TAG = "slipway:released"


def to_back_up(resources: Iterable[Resource]) -> list[Resource]:
    """Disks of the platform's claims; those of nodes hold nothing that a new node would not have."""
    return [
        one
        for one in resources
        if one.ours and one.kind == Kind.VOLUME and CLAIM_TAG in one.tags and RELEASED_TAG not in one.tags
    ]


def backup_tags(volume: Resource, run_id: str, platform_tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a snapshot: whose it is, which backup it belongs to, and of which claim."""
    kept = {key: volume.tags[key] for key in (CLAIM_TAG, NAMESPACE_TAG) if key in volume.tags}
    return {**platform_tags, **kept, BACKUP_TAG: run_id[:255], VOLUME_TAG: volume.id}


def backups(resources: Iterable[Resource]) -> list[Resource]:
    """Snapshots that a backup made, newest first."""
    found = [one for one in resources if one.ours and one.kind == Kind.SNAPSHOT and BACKUP_TAG in one.tags]
    return sorted(found, key=lambda one: one.text("started"), reverse=True)


def expired(found: Sequence[Resource], keep: timedelta, now: datetime) -> list[Resource]:
    """Backups older than ``keep``, but never the newest complete one of a claim.

    :param found: as :func:`backups` gives them.
    """
    safe: set[tuple[str, str]] = set()
    old = []
    for one in found:
        claim = (one.tags.get(NAMESPACE_TAG, ""), one.tags.get(CLAIM_TAG, ""))
        if claim not in safe:
            if one.text("state") == "completed":
                safe.add(claim)
            continue
        if now - datetime.fromisoformat(one.text("started")) > keep:
            old.append(one)
    return old
