"""Deploy, upgrade, rollback, drift, reconcile, teardown, sweep: one platform under its real DAGs.

The tests follow each other.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml
from slipway.catalog.environments import load_platform
from slipway.hooks.resources import ResourcesHook
from slipway.model.resource import Inventory, Kind

from tests.rehearsal.day2.cluster.test_drift import EDITS, PERSON
from tests.rehearsal.day2.life.conftest import KINDS, NEXT_VERSION, Life
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


def test_upgrade(life: Life) -> None:
    run = life.run("platform_upgrade", environment="dev", unattended=True, bake_minutes=0)
    assert run.state == "success", run.failed()
    nodes = json.loads(life.kubectl("get", "nodes", "-o", "json"))["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"].split(".")[1] for node in nodes} == {NEXT_VERSION[2:]}
    life.version(NEXT_VERSION)


def test_rollback(life: Life) -> None:
    file = life.include / "manifests/data-layer/keeper/keeper.yaml"
    good = file.read_text()
    file.write_text(good.replace("mode: strict", "mode: broken"))
    run = life.run("platform_deploy", environment="dev")
    assert run.state == "success", run.failed()
    assert mode(life) == "broken"
    run = life.run("platform_rollback", environment="dev", components=["keeper"], unattended=True)
    assert run.state == "success", run.failed()
    assert mode(life) == "strict"
    # Git follows, or the next deploy would bring the mistake back.
    file.write_text(good)


def mode(life: Life) -> str:
    return life.kubectl("-n", "keeper", "get", "configmap", "keeper", "-o", "jsonpath={.data.mode}")


def test_platform_as_in_git_has_no_drift(life: Life) -> None:
    run = life.run("platform_drift", environment="dev")
    assert run.state == "success", run.failed()
    assert run.returned["compare[0]"]["verdict"] == "in-sync", run.returned["compare[0]"]


def test_drift_is_found_and_brought_back(life: Life) -> None:
    assert len(EDITS) >= 15
    names = {item["kind"]: item["metadata"] for item in yaml.safe_load_all(KINDS.read_text())}
    for kind, (body, _) in EDITS.items():
        where = ["-n", names[kind].get("namespace", "default")]
        patch = ["patch", kind, names[kind]["name"], "--type=merge", f"--field-manager={PERSON}"]
        life.kubectl(*where, *patch, "-p", json.dumps(body))
    life.kubectl("-n", "keeper", "delete", "service", "keeper")
    life.kubectl("-n", "keeper", "create", "configmap", "by-hand")
    found = life.run("platform_drift", environment="dev", reconcile="auto", prune=True)
    assert found.state == "success", found.failed()
    assert found.returned["compare[0]"]["summary"].startswith(f"{len(EDITS)} edited, 1 deleted, 1 added")
    brought_back = found.returned["reconcile[0]"]
    assert {"ConfigMap keeper/by-hand", "Service keeper/keeper", "ConfigMap drift/sample"} <= set(brought_back)
    assert len(brought_back) == len(EDITS) + 2
    again = life.run("platform_drift", environment="dev")
    assert again.returned["compare[0]"]["verdict"] == "in-sync", again.returned["compare[0]"]


def test_plan_of_a_teardown_changes_nothing(life: Life) -> None:
    before = life.mutating_calls()
    run = life.run("platform_teardown", environment="dev", plan_only=True, all_regions=False)
    assert run.states["survey"] == "success"
    assert run.states["infrastructure.cluster"] == "skipped"
    assert life.mutating_calls() == before


def test_teardown_leaves_nothing(life: Life) -> None:
    there = inventory().ours
    assert {Kind.CLUSTER, Kind.NODEGROUP, Kind.INSTANCE, Kind.VOLUME, Kind.VPC, Kind.KEY, Kind.STACK} <= {
        one.kind for one in there
    }, "there is a platform to take down"
    run = life.run("platform_teardown", environment="dev", unattended=True, keep=[], all_regions=False)
    assert run.state == "success", (run.failed(), run.states)
    taken = [change["resource"] for change in run.returned["data_layer.keeper"]]
    assert "StatefulSet keeper/keeper" in taken
    assert "PersistentVolumeClaim keeper/data-keeper-0" in taken
    assert run.returned["survey"]["goes"] == len(there), "people were told of everything that went"
    after = inventory()
    left = [one for one in after.ours if one.text("state") != "PendingDeletion" and not one.text("deletion")]
    assert [str(one) for one in left] == []
    # Everything that was there before is there now, and nothing else but keys that wait their days.
    waiting = Counter(one.kind for one in after.ours)
    assert Counter(one.kind for one in after.resources) - waiting == life.before  # type: ignore[attr-defined]
