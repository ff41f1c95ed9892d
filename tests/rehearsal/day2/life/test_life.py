"""Deploy, drift, reconcile, teardown, sweep: one platform under its real DAGs. The tests follow each other."""

from __future__ import annotations

from collections import Counter

import pytest
from slipway.catalog.environments import load_platform
from slipway.hooks.resources import ResourcesHook
from slipway.model.resource import Inventory, Kind

from tests.rehearsal.day2.life.conftest import Life
from tests.rehearsal.day2.thorough import thorough

pytestmark = [
    thorough,
    pytest.mark.timeout(400),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


def inventory() -> Inventory:
    return ResourcesHook(load_platform("dev")).inventory()


def test_deploy(life: Life) -> None:
    life.before = Counter(one.kind for one in inventory().resources)  # type: ignore[attr-defined]
    run = life.run("platform_deploy", environment="dev")
    assert run.state == "success", run.failed()
    volumes = [one for one in inventory().of(Kind.VOLUME) if "CSIVolumeName" in one.tags]
    assert len(volumes) == 2, "the driver's disks are in EC2"
    assert all(one.ours for one in volumes)


def test_a_fresh_platform_has_no_drift(life: Life) -> None:
    run = life.run("platform_drift", environment="dev")
    assert run.state == "success", run.failed()
    assert run.returned["compare[0]"]["verdict"] == "in-sync", run.returned["compare[0]"]


def test_drift_is_found_and_brought_back(life: Life) -> None:
    life.kubectl("-n", "keeper", "patch", "configmap", "keeper", "-p", '{"data":{"mode":"lax"}}')
    life.kubectl("-n", "keeper", "delete", "service", "keeper")
    life.kubectl("-n", "keeper", "create", "configmap", "by-hand")
    found = life.run("platform_drift", environment="dev", reconcile="auto", prune=True)
    assert found.state == "success", found.failed()
    assert found.returned["compare[0]"]["summary"].startswith("1 edited, 1 deleted, 1 added")
    assert sorted(found.returned["reconcile[0]"]) == [
        "ConfigMap keeper/by-hand", "ConfigMap keeper/keeper", "Service keeper/keeper",
    ]  # fmt: skip
    again = life.run("platform_drift", environment="dev")
    assert again.returned["compare[0]"]["verdict"] == "in-sync"


def test_plan_of_a_teardown_changes_nothing(life: Life) -> None:
    before = life.mutating_calls()
    run = life.run("platform_teardown", environment="dev", plan_only=True, all_regions=False)
    assert run.states["survey"] == "success"
    assert run.states["infrastructure.cluster"] == "skipped"
    assert life.mutating_calls() == before


def test_teardown_leaves_nothing(life: Life) -> None:
    run = life.run("platform_teardown", environment="dev", unattended=True, keep=[], all_regions=False)
    assert run.state == "success", (run.failed(), run.states)
    taken = [change["resource"] for change in run.returned["data_layer.keeper"]]
    assert "StatefulSet keeper/keeper" in taken
    assert "PersistentVolumeClaim keeper/data-keeper-0" in taken
    after = inventory()
    left = [one for one in after.ours if one.text("state") != "PendingDeletion" and not one.text("deletion")]
    assert [str(one) for one in left] == []
    # Everything that was there before is there now, and nothing else but keys that wait their days.
    waiting = Counter(one.kind for one in after.ours)
    assert Counter(one.kind for one in after.resources) - waiting == life.before  # type: ignore[attr-defined]
