"""Fit: what has no place is named, with what would hold it; what has one is never called a misfit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from slipway.decisions.capacity import Allocatable, allocatable, max_pods
from slipway.decisions.fit import Demand, Shape, all_demands, demands_of, judge_fit, largest_check, what_would_hold
from slipway.decisions.quantities import mebibytes, millicores
from slipway.model.component import Component, ComponentSpec, StageName
from slipway.model.errors import ConfigurationError
from slipway.model.facts import InstanceType

NODE = Allocatable(cpu=1900, memory=3000, pods=17)
ZONES = ("a", "b", "c")


def demand(pods: int = 1, cpu: int = 100, memory: int = 100, **more: object) -> Demand:
    return Demand(owner=f"Deployment x/{pods}-{cpu}-{memory}", component="x", pods=pods, cpu=cpu, memory=memory, **more)


def fleet(nodes: int = 1, offers: Allocatable = NODE, zones: tuple[str, ...] = ZONES, **more: object) -> list[Shape]:
    labels = more.pop("labels", {})
    return [Shape("primary", zone, "t3.medium", offers, labels, nodes=nodes, **more) for zone in zones]


# Published in amazon-vpc-cni-k8s, eni-max-pods.txt.
@pytest.mark.parametrize(
    ("name", "vcpus", "memory", "interfaces", "addresses", "plain", "prefixes"),
    [
        ("t3.small", 2, 2048, 3, 4, 11, 110),
        ("t3.medium", 2, 4096, 3, 6, 17, 110),
        ("r5.large", 2, 16384, 3, 10, 29, 110),
        ("c5.xlarge", 4, 8192, 4, 15, 58, 110),
    ],
)
def test_max_pods_are_the_published_ones(name, vcpus, memory, interfaces, addresses, plain, prefixes) -> None:
    instance = InstanceType(name, vcpus, memory, interfaces, addresses)
    assert max_pods(instance, prefix_delegation=False) == plain
    assert max_pods(instance, prefix_delegation=True) == prefixes


def test_allocatable_of_a_small_node() -> None:
    offers = allocatable(InstanceType("t3.medium", 2, 4096, 3, 6), prefix_delegation=False)
    assert offers == Allocatable(cpu=1930, memory=3246, pods=17)


def test_everything_fits() -> None:
    verdict = judge_fit([demand(3, 500, 1000)], fleet())
    assert verdict.fits
    assert verdict.free_memory == 3 * 3000 - 3000


def test_too_large_for_any_node_is_said_so() -> None:
    verdict = judge_fit([demand(1, 100, 4000)], fleet())
    assert "more than any of its nodes offers" in verdict.misfits[0].why


def test_memory_is_named_and_the_mend_is_enough() -> None:
    demands = [demand(4, 100, 2000)]
    shapes = fleet()
    verdict = judge_fit(demands, shapes)
    assert verdict.misfits[0].pods == 1
    assert "Insufficient memory" in verdict.misfits[0].why
    assert what_would_hold(demands, shapes, verdict.misfits) == "1 more t3.medium in node group primary"


def test_max_pods_count() -> None:
    verdict = judge_fit([demand(52, 1, 1)], fleet())
    assert verdict.misfits[0].pods == 1
    assert "Too many pods" in verdict.misfits[0].why


def test_daemon_sets_take_their_share_of_every_node() -> None:
    agents = [demand(1, 10, 10, everywhere=True) for _ in range(1)] * 17
    verdict = judge_fit([*agents, demand(1, 1, 1)], fleet())
    assert [misfit.demand.everywhere for misfit in verdict.misfits] == [False]


def test_anti_affinity_needs_as_many_zones() -> None:
    apart = {"apart": "topology.kubernetes.io/zone"}
    assert judge_fit([demand(3, **apart)], fleet(nodes=2)).fits
    assert judge_fit([demand(4, **apart)], fleet(nodes=2)).misfits[0].pods == 1


def test_selector_and_taints() -> None:
    taint = (("dedicated", "streaming", "NoSchedule"),)
    shapes = fleet(labels={"w": "streaming"}, taints=taint)
    wants = demand(1, selector={"w": "streaming"})
    assert "no node has the labels" in judge_fit([wants], shapes).misfits[0].why
    tolerant = demand(1, selector={"w": "streaming"}, tolerations=(("dedicated", "streaming", "NoSchedule"),))
    assert judge_fit([tolerant], shapes).fits


def test_requests_are_of_the_larger_of_init_and_running_containers() -> None:
    manifest = {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "data"},
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "initContainers": [{"resources": {"requests": {"cpu": "1", "memory": "64Mi"}}}],
                    "containers": [
                        {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}},
                        {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}},
                    ],
                }
            },
        },
    }
    (found,) = demands_of("mongodb", [manifest])
    assert (found.owner, found.pods, found.cpu, found.memory) == ("StatefulSet data/db", 3, 1000, 1088)


@pytest.mark.parametrize(("text", "milli"), [("250m", 250), ("1", 1000), (2, 2000), ("0.5", 500), ("1e1", 10000)])
def test_cpu_quantities(text: str, milli: int) -> None:
    assert millicores(text) == milli


@pytest.mark.parametrize(("text", "mebi"), [("1Gi", 1024), ("64Mi", 64), ("1M", 1), ("1048577", 2), ("2Ki", 1)])
def test_memory_quantities_round_up(text: str, mebi: int) -> None:
    assert mebibytes(text) == mebi


@pytest.mark.parametrize("text", ["", "1GiB", "abc", "1 Gi", "--1"])
def test_broken_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        mebibytes(text)


def checked(*memories: str) -> Component:
    checks = [
        {"name": f"c{index}", "proves": "it", "command": ["true"], "memory": memory}
        for index, memory in enumerate(memories)
    ]
    spec = ComponentSpec.model_validate({"description": "x", "namespace": "x", "checks": checks})
    return Component(name="x", stage=StageName.DATA_LAYER, folder=Path("x"), spec=spec)


def test_the_largest_check_needs_a_place() -> None:
    # The usual limit is requested in part only.
    (found,) = largest_check([checked("256Mi", "128Mi"), checked("100Mi")])
    assert (found.owner, found.pods, found.cpu, found.memory) == ("check x/c1", 1, 50, 128)
    assert largest_check([checked()]) == []


def test_a_checks_memory_is_a_quantity() -> None:
    with pytest.raises(ValidationError, match=r"checks\.1\.memory"):
        checked("64Mi", "1GB")


@pytest.mark.parametrize("requests", [{"cpu": "abc"}, {"memory": "1GB"}, "none"])
def test_requests_that_cannot_be_read_are_named(requests: object) -> None:
    manifest = {
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": [{"resources": {"requests": requests}}]}}},
    }
    with pytest.raises(ConfigurationError, match="include/manifests/data-layer/x: Deployment d: found"):
        all_demands([(checked(), [manifest])])


sizes = st.tuples(st.integers(1, 6), st.integers(1, 2500), st.integers(1, 4000))


@given(st.lists(sizes, max_size=8), st.integers(1, 4))
def test_no_node_is_ever_overcommitted(asked: list[tuple[int, int, int]], nodes: int) -> None:
    demands = [Demand(f"d{index}", "x", *one) for index, one in enumerate(asked)]
    verdict = judge_fit(demands, fleet(nodes))
    missed = sum(misfit.pods for misfit in verdict.misfits)
    placed = sum(one.pods for one in demands) - missed
    assert min(verdict.free_cpu, verdict.free_memory, verdict.free_pods) >= 0
    assert verdict.free_pods == 3 * nodes * NODE.pods - placed


@given(st.lists(sizes, max_size=6))
def test_more_nodes_never_fit_less_in_total(asked: list[tuple[int, int, int]]) -> None:
    demands = [Demand(f"d{index}", "x", *one) for index, one in enumerate(asked)]
    if judge_fit(demands, fleet(2)).fits:
        assert judge_fit(demands, fleet(40)).fits
