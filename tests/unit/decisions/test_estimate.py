"""The estimate: every line from its price, unknown prices said to be unknown."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.catalog.documents import load_document
from slipway.catalog.environments import environment_names, load_environment
from slipway.catalog.paths import include_dir
from slipway.decisions.estimate import CostLine, claimed_gib, estimate, total
from slipway.model.platform import Platform
from slipway.model.prices import PriceTable

from tests.unit.aws.conftest import make_platform
from tests.unit.decisions.facts import ZONES

PRICES = PriceTable(
    gathered=date(2026, 1, 1),
    region="us-east-1",
    hourly={"control-plane": 0.1, "control-plane-extended": 0.6, "nat-gateway": 0.045, "public-ipv4": 0.005},
    monthly={"kms-key": 1.0},
    gigabyte_month={"gp3": 0.1},
    instances={"t3.large": 0.08},
)


def claim(size: str) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": size}}}


def lines(platform: Platform, manifests: list[Any] | None = None, *, extended: bool = False) -> dict[str, float | None]:
    return {line.what: line.usd for line in estimate(platform, ZONES, manifests or [], PRICES, extended=extended)}


def test_every_line_from_its_price() -> None:
    found = lines(make_platform(), [{"kind": "PersistentVolumeClaim", "spec": claim("50Gi")}])
    assert found == {
        "EKS control plane": pytest.approx(73),
        "3 x t3.large in primary": pytest.approx(3 * 0.08 * 730),
        "90 GiB gp3 of the nodes": pytest.approx(9),
        "50 GiB gp3 of the components": pytest.approx(5),
        "3 NAT gateways with address": pytest.approx(3 * 0.05 * 730),
        "3 KMS keys": 3,
    }


def test_extended_support_costs_six_times_as_much() -> None:
    found = lines(make_platform(), extended=True)
    assert found["EKS control plane in extended support"] == pytest.approx(6 * 73)


def test_a_single_gateway() -> None:
    platform = make_platform(network={"cidr": "10.20.0.0/16", "nat": "single"})
    assert lines(platform)["1 NAT gateway with address"] == pytest.approx(0.05 * 730)


def test_zonal_groups_count_in_every_zone() -> None:
    spec = {"instance_types": ["t3.large"], "min": 1, "desired": 1, "max": 1, "zonal": True}
    found = lines(make_platform(node_groups={"primary": spec}))
    assert sum(what.startswith("1 x t3.large") for what in found) == 3
    assert "90 GiB gp3 of the nodes" in found


def test_an_unknown_price_is_not_taken_for_zero() -> None:
    platform = make_platform(node_groups={"primary": {"instance_types": ["x9.huge"], "desired": 1, "max": 1}})
    assert lines(platform)["1 x x9.huge in primary"] is None
    assert total([CostLine("a", None), CostLine("b", 2.5)]) == 2.5


def test_claims_of_stateful_sets_count_for_every_replica() -> None:
    stateful = {"kind": "StatefulSet", "spec": {"replicas": 3, "volumeClaimTemplates": [{"spec": claim("10Gi")}]}}
    assert claimed_gib([stateful, {"kind": "Deployment", "spec": {}}, {"kind": "ConfigMap"}]) == 30


@given(st.integers(0, 9), st.integers(0, 9))
def test_more_nodes_never_cost_less(few: int, more: int) -> None:
    def cost(desired: int) -> float:
        spec = {"instance_types": ["t3.large"], "min": 0, "desired": desired + 1, "max": 20}
        return total(estimate(make_platform(node_groups={"primary": spec}), ZONES, [], PRICES, extended=False))

    assert cost(few) <= cost(few + more)


@pytest.mark.parametrize("name", environment_names())
def test_the_shipped_prices_know_the_shipped_instance_types(name: str) -> None:
    table = load_document(include_dir() / "prices" / "us-east-1.yaml", PriceTable, "us-east-1.yaml")
    environment = load_environment(name)
    used = {one for group in environment.node_groups.values() for one in group.instance_types}
    assert used <= set(table.instances)
    known = estimate(Platform(environment, environment.regions[0]), ZONES, [], table, extended=False)
    assert all(line.usd is not None for line in known)
