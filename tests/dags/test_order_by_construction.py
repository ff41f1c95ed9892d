"""Teardown walks the deploy's graph backwards, whatever components there are: also those not written yet."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from airflow.sdk import DAG
from slipway.build import deploy as building_up
from slipway.build import teardown as taking_down
from slipway.build.graph import INFRASTRUCTURE
from slipway.catalog.components import load_components
from slipway.model.component import Component, StageName


def another(like: Component, name: str, needs: list[str]) -> Component:
    """A component that is not in the catalog."""
    spec = like.spec.model_copy(update={"needs": needs, "checks": []})
    if dataclasses.is_dataclass(like):
        return dataclasses.replace(like, name=name, spec=spec)
    return like.model_copy(update={"name": name, "spec": spec})


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Component], DAG, DAG]:
    """Both DAGs over today's catalog and three components more: a chain through the data layer, and one beside it."""
    known = load_components()
    kafka, maze = known["kafka"], known["maze"]
    new = {
        "below": another(kafka, "below", ["kafka", "mongodb"]),
        "above": another(kafka, "above", ["below"]),
        "beyond": another(maze, "beyond", ["above", "maze"]),
    }
    catalog = {**known, **new}
    dags = []
    for module, build in ((building_up, "build_deploy"), (taking_down, "build_teardown")):
        monkeypatch.setattr(module, "load_components", lambda: catalog)
        with DAG(build, start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
            getattr(module, build)()
        dags.append(dag)
    return catalog, dags[0], dags[1]


def made(one: Component) -> str:
    return f"{one.stage.group_id}.{one.group_id}.deploy"


def taken(one: Component) -> str:
    return f"{one.stage.group_id}.{one.group_id}"


def test_every_need_of_every_component_is_an_edge_of_both(graphs: tuple[dict[str, Component], DAG, DAG]) -> None:
    catalog, deploy, teardown = graphs
    edges = 0
    for one in catalog.values():
        first = deploy.get_task(made(one)).get_flat_relative_ids(upstream=True)
        after = teardown.get_task(taken(one)).get_flat_relative_ids(upstream=False)
        for need in one.spec.needs:
            edges += 1
            assert made(catalog[need]) in first, f"{one.name} is deployed before {need}"
            assert taken(catalog[need]) in after, f"{need} goes before {one.name}"
    assert edges >= sum(len(one.spec.needs) for one in load_components().values()) + 5


def test_whole_order_is_reversed(graphs: tuple[dict[str, Component], DAG, DAG]) -> None:
    """Through all that lies between: stages, gates and infrastructure included."""
    catalog, deploy, teardown = graphs
    for earlier in catalog.values():
        later = deploy.get_task(made(earlier)).get_flat_relative_ids(upstream=False)
        gone = teardown.get_task(taken(earlier)).get_flat_relative_ids(upstream=True)
        assert {taken(one) for one in catalog.values() if made(one) in later} <= gone
        assert not {taken(one) for one in catalog.values() if made(one) in later} & (
            teardown.get_task(taken(earlier)).get_flat_relative_ids(upstream=False)
        )


def test_every_part_of_the_infrastructure_goes_against_its_needs(
    graphs: tuple[dict[str, Component], DAG, DAG],
) -> None:
    _, deploy, teardown = graphs
    stage = StageName.INFRASTRUCTURE.group_id
    # Access entries are the cluster's, and go with it.
    parts = set(INFRASTRUCTURE) - {"access"}
    missing = {f"{stage}.{part}" for part in parts} - set(teardown.task_ids)
    assert not missing, f"a part of the deploy that no teardown task takes: {missing}"
    for part in parts:
        before = teardown.get_task(f"{stage}.{part}").get_flat_relative_ids(upstream=True)
        for later, needs in INFRASTRUCTURE.items():
            if part in needs and later in parts:
                assert f"{stage}.{later}" in before, f"{part} goes before {later}, which needs it"
    assert f"{stage}.access" in deploy.task_ids
