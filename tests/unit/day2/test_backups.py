"""Backups: which disks, with which marks, and how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slipway.decisions.backups import CLAIM_TAG, RELEASED_TAG, backup_tags, backups, expired, to_back_up
from slipway.decisions.sweep import BACKUP_TAG
from slipway.model.resource import Kind, Resource

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def snapshot(name: str, days: int, claim: str = "data-0", state: str = "completed") -> Resource:
    started = (NOW - timedelta(days=days)).isoformat()
    tags = {BACKUP_TAG: "run", CLAIM_TAG: claim}
    attributes = {"started": started, "state": state}
    return Resource(kind=Kind.SNAPSHOT, id=name, region="r", tags=tags, attributes=attributes, ours=True)


def test_only_disks_of_claims_of_ours_are_backed_up() -> None:
    mine = Resource(kind=Kind.VOLUME, id="v1", region="r", tags={CLAIM_TAG: "data-0"}, ours=True)
    node = Resource(kind=Kind.VOLUME, id="v2", region="r", ours=True)
    theirs = Resource(kind=Kind.VOLUME, id="v3", region="r", tags={CLAIM_TAG: "data-0"})
    # It would pass for the claim's disk in the next restore.
    retired = mine.model_copy(update={"id": "v4", "tags": {**mine.tags, RELEASED_TAG: "restore"}})
    assert [one.id for one in to_back_up([mine, node, theirs, retired])] == ["v1"]
    tags = backup_tags(mine, "run", {"slipway:platform": "slipway-dev"})
    assert tags[CLAIM_TAG] == "data-0"
    assert tags[BACKUP_TAG] == "run"


def test_old_backups_go_but_the_newest_of_each_claim_stays() -> None:
    found = backups([snapshot("old", 30), snapshot("new", 20), snapshot("only", 90, claim="data-1")])
    assert [one.id for one in found] == ["new", "old", "only"]
    assert [one.id for one in expired(found, timedelta(days=14), NOW)] == ["old"]


def test_a_backup_that_is_not_complete_protects_no_claim() -> None:
    found = backups([snapshot("pending", 0, state="pending"), snapshot("last good", 40)])
    assert expired(found, timedelta(days=14), NOW) == []
