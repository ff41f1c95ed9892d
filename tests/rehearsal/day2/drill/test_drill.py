"""Backups are restored in place, and elsewhere by a drill that leaves nothing. The tests follow each other."""

from __future__ import annotations

import json

import pytest
from slipway.catalog.environments import load_platform
from slipway.hooks.aws import client
from slipway.hooks.reports import ReportsHook
from slipway.model.resource import Kind
from slipway.model.restore import DrillBody, RestoreBody

from tests.rehearsal.day2.drill.conftest import ELSEWHERE, Drill, Place
from tests.rehearsal.day2.thorough import thorough

pytestmark = [
    thorough,
    pytest.mark.timeout(850),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]
CLAIMS = ("data-keeper-0", "data-keeper-1")


def test_nothing_is_restored_without_a_backup(place: Place) -> None:
    run = place.run("platform_deploy", environment="dev")
    assert run.state == "success", run.failed()
    refused = place.run("platform_restore", environment="dev", components=["keeper"], unattended=True)
    assert refused.states["survey"] == "failed"
    assert refused.states["restore"] == "upstream_failed"
    drill = Drill(place)
    drill.whole()
    assert drill.states["survey"] == "failed"
    assert "Run platform_backup first" in drill.results["error of survey"]
    assert drill.states["take_down"] == "upstream_failed", "nothing of that name is ours yet"
    assert drill.triggered == {}


def test_a_backup_has_every_claim(place: Place) -> None:
    run = place.run("platform_backup", environment="dev")
    assert run.state == "success", run.failed()
    backed = {one.tags["kubernetes.io/created-for/pvc/name"] for one in place.inventory().of(Kind.SNAPSHOT)}
    assert backed == set(CLAIMS)


def test_a_plan_says_what_would_be_lost_and_changes_nothing(place: Place) -> None:
    before = place.mutating_calls()
    run = place.run("platform_restore", environment="dev", components=["keeper"], plan_only=True)
    assert run.state == "success", run.failed()
    assert run.states["restore"] == "skipped"
    assert "is lost" in run.returned["survey"]["body"]
    assert place.mutating_calls() == before


def test_claims_are_put_on_disks_of_the_backup_and_the_old_ones_are_kept(place: Place) -> None:
    before = {claim: place.disk_of(claim) for claim in CLAIMS}
    snapshots = {one.id for one in place.inventory().of(Kind.SNAPSHOT)}
    run = place.run("platform_restore", environment="dev", components=["keeper"], unattended=True)
    assert run.state == "success", run.failed()
    after = {claim: place.disk_of(claim) for claim in CLAIMS}
    assert set(after.values()).isdisjoint(before.values())
    assert place.snapshots_of("us-east-1", *after.values()) == snapshots
    assert set(before.values()) <= place.disks(), "the way back"
    ready = place.kubectl("get", "statefulset", "keeper", "-n", "keeper", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "2"
    report = ReportsHook(load_platform("dev")).latest("restore", RestoreBody)
    assert report is not None
    assert report.verdict == "restored"
    assert {one.claim for one in report.body.restored} == {f"keeper/{claim}" for claim in CLAIMS}
    # What was restored is what a deploy finds: it has nothing to change.
    again = place.run("platform_deploy", environment="dev", stages=["data-layer"])
    assert again.state == "success", again.failed()
    assert again.changes() == {}


@pytest.fixture(scope="module")
def drill(place: Place) -> Drill:
    """A whole drill."""
    place.before = (place.originals_objects(), place.disks())  # type: ignore[attr-defined]
    made = Drill(place)
    made.whole()
    return made


def test_a_drill_runs_to_its_end(place: Place, drill: Drill) -> None:
    for name, run in drill.triggered.items():
        assert run.state == "success", (name, run.failed())
    assert set(drill.states.values()) == {"success"}, drill.states
    assert {conf["environment"] for conf in drill.confs.values()} == {"dev-dr"}
    assert {conf["region"] for conf in drill.confs.values()} == {ELSEWHERE}
    assert drill.results["approve"] is None, "dev is not protected: its cost is said, nobody is asked"
    assert "USD" in drill.results["survey"]["body"]
    # Data comes back before what uses it is deployed.
    assert drill.confs["rebuild"]["stages"] == ["infrastructure", "base-services"]
    assert drill.confs["prove"]["stages"] == ["data-layer", "applications", "validation"]
    assert drill.triggered["prove"].returned["data_layer.gentle.check_mode"]["state"] == "passed"


def test_the_restored_platform_was_compared_and_measured(place: Place, drill: Drill) -> None:
    report = ReportsHook(load_platform("dev")).latest("dr-drill", DrillBody)
    assert report is not None
    body = report.body
    assert report.verdict == "recovered"
    assert body.differences == []
    assert "2 claims are on restored disks" in body.same
    assert any(line.startswith("keeper:") for line in body.same)
    assert body.rto_seconds is not None
    assert body.rpo_seconds is not None
    assert 0 < body.rto_seconds < 3600
    assert 0 < body.rpo_seconds < 7200
    assert body.usd > 0
    restored = drill.triggered["restore"].returned["restore"]
    copied = [one for one in restored if one["resource"].startswith("AWS::EC2::Snapshot")]
    assert len(copied) == 2, "the backups are in another region"
    assert all("us-east-1" in one["note"] for one in copied)


def test_the_secrets_that_the_data_was_made_with_came_along(place: Place, drill: Drill) -> None:
    assert drill.results["order"]["secrets"] == 1
    assert "password" not in json.dumps(drill.results, default=str), "values stay where they are"


def test_nothing_of_the_drill_is_left_and_the_original_is_as_it_was(place: Place, drill: Drill) -> None:
    left = [
        one
        for one in place.inventory("dev-dr", ELSEWHERE).ours
        if one.text("state") != "PendingDeletion" and not one.text("deletion")
    ]
    assert [str(one) for one in left] == []
    assert not client("ec2", ELSEWHERE).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (place.originals_objects(), place.disks()) == place.before  # type: ignore[attr-defined]


def test_a_drill_that_fails_half_way_is_taken_down_and_says_so(place: Place, drill: Drill) -> None:
    broken = Drill(place)
    broken.broken["restore"] = {"components": ["nobody"]}
    broken.whole()
    assert broken.states["restore"] == "failed"
    assert broken.states["prove"] == "upstream_failed"
    assert broken.states["take_down"] == "success"
    assert broken.states["report"] == "failed"
    assert "Failed at restore" in broken.results["error of report"]
    left = [one for one in place.inventory("dev-dr", ELSEWHERE).ours if one.kind in {Kind.CLUSTER, Kind.INSTANCE}]
    assert left == []
