"""Which backup is restored: one of one moment, whole, and the newest; and how a rebuilt platform compares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.catalog.render import render
from slipway.decisions.backups import CLAIM_TAG, NAMESPACE_TAG
from slipway.decisions.drift import foreign_fields
from slipway.decisions.drill import PlatformFacts, compare, cost
from slipway.decisions.estimate import CostLine
from slipway.decisions.restore import Claim, body, choose, claims_of, zone_for
from slipway.decisions.sweep import BACKUP_TAG
from slipway.model.component import Component, ComponentSpec, StageName
from slipway.model.platform import RESTORE_MANAGER
from slipway.model.records import Release, ReleaseState
from slipway.model.resource import Kind, Resource
from slipway.model.restore import span
from slipway.operators.restore import DEFAULT_COMPONENTS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def component() -> Component:
    spec = ComponentSpec.model_validate({"description": "d", "namespace": "data", "stateful": True})
    return Component(name="mongodb", stage=StageName.DATA_LAYER, folder=Path(), spec=spec)


def claim(ordinal: int) -> Claim:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    return Claim("data", f"data-mongodb-{ordinal}", "mongodb", 3, ordinal, spec, {})


def snapshot(backup: str, ordinal: int, hours: float, state: str = "completed") -> Resource:
    tags = {BACKUP_TAG: backup, NAMESPACE_TAG: "data", CLAIM_TAG: f"data-mongodb-{ordinal}"}
    started = (NOW - timedelta(hours=hours)).isoformat()
    return Resource(
        kind=Kind.SNAPSHOT, id=f"snap-{backup}-{ordinal}", region="us-east-1", tags=tags, ours=True,
        attributes={"started": started, "state": state, "gib": 20},
    )  # fmt: skip


NIGHTS = [snapshot("b", 0, 10), snapshot("b", 1, 10.1), snapshot("a", 0, 34), snapshot("a", 1, 34.1)]


def test_the_newest_whole_backup_is_chosen() -> None:
    found = choose(component(), [claim(0), claim(1)], NIGHTS, None)
    assert found.backup == "b"
    assert [one.snapshot for one in found.sources] == ["snap-b-0", "snap-b-1"]
    assert found.at == NOW - timedelta(hours=10.1), "what counts is the oldest of its disks"
    assert "10.1 hours" in body([found], {"kafka": "no claims"}, "slipway-dev", NOW)


def test_disks_of_different_nights_are_never_mixed() -> None:
    broken = [snapshot("c", 0, 1), snapshot("c", 1, 1, "pending"), *NIGHTS]
    assert choose(component(), [claim(0), claim(1)], broken, None).backup == "b"
    with pytest.raises(LookupError, match="c has no complete snapshot of data/data-mongodb-1"):
        choose(component(), [claim(0), claim(1)], broken, "c")


def test_what_was_never_backed_up_starts_empty_and_is_said() -> None:
    assert choose(component(), [claim(0), claim(1), claim(2)], NIGHTS, None).empty == ["data/data-mongodb-2"]
    with pytest.raises(LookupError, match="never backed up"):
        choose(component(), [claim(2)], NIGHTS, None)
    with pytest.raises(LookupError, match="no backup z; there are a, b"):
        choose(component(), [claim(0)], NIGHTS, "z")


def test_claims_of_the_databases_are_found_in_their_manifests() -> None:
    platform, known = load_platform("prod"), load_components()
    names = {name: {one.key for one in claims_of(render(known[name], platform))} for name in DEFAULT_COMPONENTS}
    assert {"data/data-mongodb-0", "data/data-mongodb-2", "data/mongodb-backup"} <= names["mongodb"]
    assert {"data/data-postgresql-0", "data/postgresql-backup"} <= names["postgresql"]
    assert {"data/data-hdfs-namenode-0", "data/data-hdfs-datanode-2", "data/hdfs-backup"} <= names["hdfs"]
    assert names["mysql"]
    assert all(known[name].spec.stateful for name in DEFAULT_COMPONENTS)


def test_disks_are_spread_over_zones() -> None:
    assert [zone_for(claim(number), ["b", "a"]) for number in range(3)] == ["a", "b", "a"]
    with pytest.raises(LookupError, match="no node"):
        zone_for(claim(0), [])


def release(name: str, objects: list[str], state: ReleaseState = ReleaseState.READY, **images: str) -> Release:
    return Release(
        component=name, number=1, digest="x", applied_at=NOW, run_id="r", objects=objects, state=state, images=images
    )


def facts(**changes: Any) -> PlatformFacts:
    objects = ["apps/v1|StatefulSet|data|mongodb", "v1|Service|data|mongodb"]
    values: dict[str, Any] = {
        "version": "1.36",
        "nodes": {"primary": 3},
        "releases": {"mongodb": release("mongodb", objects, mongo="sha256:1")},
        "claims": {"data/data-mongodb-0": 20.0},
    }
    return PlatformFacts(**{**values, **changes})


def test_a_rebuilt_platform_that_is_the_same_says_what_was_compared() -> None:
    found = compare(facts(), facts(), {"data/data-mongodb-0": "snap-1"})
    assert found.differences == []
    assert "Kubernetes 1.36" in found.same
    assert "mongodb: 2 objects" in found.same


DIFFERENCES: dict[str, tuple[PlatformFacts, str]] = {
    "version": (facts(version="1.35"), "Kubernetes 1.35, the original has 1.36"),
    "nodes": (facts(nodes={"primary": 2}), "2 primary nodes, the original has 3"),
    "component": (facts(releases={}), "not there: mongodb"),
    "unready": (
        facts(releases={"mongodb": release("mongodb", [], ReleaseState.APPLIED)}),
        "not ready: mongodb",
    ),
    "object": (
        facts(releases={"mongodb": release("mongodb", ["apps/v1|StatefulSet|data|mongodb"])}),
        "mongodb: Service data/mongodb is missing",
    ),
    "image": (
        facts(releases={"mongodb": release("mongodb", ["v1|Service|data|mongodb"], mongo="sha256:2")}),
        "mongodb: other builds of mongo (sha256:1 there, sha256:2 here)",
    ),
    "claim": (facts(claims={}), "restored and not in use: data/data-mongodb-0"),
    "size": (facts(claims={"data/data-mongodb-0": 5.0}), "claims that are smaller: data/data-mongodb-0 (5 of 20 GiB)"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_difference_is_named(name: str) -> None:
    drill, line = DIFFERENCES[name]
    assert line in compare(facts(), drill, {"data/data-mongodb-0": "snap-1"}).differences


def test_without_the_original_nothing_is_called_the_same_as_it() -> None:
    found = compare(None, facts(), {})
    assert found.differences == ["the original could not be looked at, so nothing was compared with it"]


def test_what_a_restore_set_is_no_drift() -> None:
    claim_live = {
        "metadata": {
            "managedFields": [
                {"manager": "slipway", "fieldsV1": {"f:spec": {"f:accessModes": {}}}},
                {"manager": RESTORE_MANAGER, "fieldsV1": {"f:spec": {"f:volumeName": {}, "f:accessModes": {}}}},
            ]
        },
        "spec": {"volumeName": "restored-1", "accessModes": ["ReadWriteOnce"]},
    }
    assert foreign_fields(claim_live) == []
    claim_live["metadata"]["managedFields"][1]["manager"] = "kubectl-edit"
    assert foreign_fields(claim_live) == ["spec.volumeName"]


def test_cost_and_times_for_people() -> None:
    assert cost([CostLine("a", 730.0), CostLine("b", None)], 4) == 4.0
    assert [span(one) for one in (None, 50, 600, 12_000)] == ["not measured", "50 s", "10 min", "3 h 20 min"]
