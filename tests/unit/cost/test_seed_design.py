"""The design that the platform was asked for, priced from an inventory line by line, against the 295 USD it was said to
cost; docs/cost.md has the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from slipway.decisions.cost_estimate import estimate, items
from slipway.model.cost import Estimate
from slipway.model.prices import PriceBook
from slipway.model.resource import Kind, Resource

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cost.md"
OTHERS = ("c5.xlarge", "r5.large", "t3.medium", "t3.small")
# What depends on use is taken from the design's own table: 20 USD of transfer, 12 USD of CloudWatch.
METERED = {"Data transfer": 20.0, "CloudWatch": 12.0}


def resource(kind: Kind, name: str, **attributes: object) -> Resource:
    return Resource.model_validate(
        {"kind": kind.value, "id": name, "region": "us-east-1", "attributes": attributes, "ours": True}
    )


def nodes(*types: str) -> list[Resource]:
    machines = [resource(Kind.INSTANCE, f"i-{index}", type=kind, state="running") for index, kind in enumerate(types)]
    disks = [
        resource(Kind.VOLUME, f"vol-{index}", type="gp3", gib=30, iops=3000, throughput=125, state="in-use")
        for index, _ in enumerate(types)
    ]
    return machines + disks


def network() -> list[Resource]:
    """A NAT gateway in each of three zones, with an address each."""
    return [
        *(resource(Kind.NAT, f"nat-{zone}", state="available") for zone in "abc"),
        *(resource(Kind.ADDRESS, f"eip-{zone}", association="eipassoc", ip="192.0.2.1") for zone in "abc"),
    ]


PLANE = resource(Kind.CLUSTER, "slipway-seed", version="1.36")
BALANCER = resource(Kind.BALANCER, "alb", type="application", scheme="internet-facing", zones=3)
FLOOR = [PLANE, *nodes("t3.medium", "t3.medium"), *network()]
WHOLE = [PLANE, *nodes("t3.medium", "t3.medium", *OTHERS), *network(), BALANCER]


def priced(resources: list[Resource], prices: PriceBook, extended: frozenset[str] = frozenset()) -> Estimate:
    return estimate(items(resources, extended), prices, {})


def lines(found: Estimate) -> dict[str, float]:
    return {one.what: round(one.monthly_usd or 0.0, 2) for one in found.lines}


def test_the_floor_is_248(prices: PriceBook) -> None:
    found = priced(FLOOR, prices)
    assert lines(found) == {
        "NAT gateways": 98.55,  # 3 x 730 x 0.045
        "EKS control plane": 73.0,  # 730 x 0.10
        "Instances on demand, t3.medium": 60.74,  # 2 x 730 x 0.0416
        "Public IPv4 addresses in use": 10.95,  # 3 x 730 x 0.005
        "Volumes, gp3": 4.8,  # 2 x 30 x 0.08
    }
    assert found.monthly_usd == pytest.approx(248.04, abs=0.01)


def test_every_group_with_one_node_and_a_load_balancer_is_579(prices: PriceBook) -> None:
    found = priced(WHOLE, prices)
    assert lines(found) == {
        "Instances on demand, c5.xlarge": 124.1,  # 730 x 0.17
        "NAT gateways": 98.55,
        "Instances on demand, r5.large": 91.98,  # 730 x 0.126
        "Instances on demand, t3.medium": 91.1,  # 3 x 730 x 0.0416
        "EKS control plane": 73.0,
        "Public IPv4 addresses in use": 21.9,  # three of NAT gateways, three of the load balancer
        "Load balancers, application": 16.43,  # 730 x 0.0225
        "Instances on demand, t3.small": 15.18,  # 730 x 0.0208
        "Volumes, gp3": 14.4,  # 6 x 30 x 0.08
    }
    assert found.monthly_usd + sum(METERED.values()) == pytest.approx(578.65, abs=0.01)


def test_extended_support_is_priced_as_such(prices: PriceBook) -> None:
    plain, extended = priced([PLANE], prices), priced([PLANE], prices, frozenset({"slipway-seed"}))
    assert (plain.monthly_usd, extended.monthly_usd) == (73.0, 438.0)


def test_the_page_has_these_figures(prices: PriceBook) -> None:
    page = PAGE.read_text()
    for found in (priced(FLOOR, prices), priced(WHOLE, prices)):
        for usd in lines(found).values():
            assert f"{usd:.2f}" in page, usd
    for figure in ("248.04", "578.65", "438.00", "295"):
        assert figure in page


def test_what_the_page_says_of_the_difference(prices: PriceBook) -> None:
    page = " ".join(PAGE.read_text().split())
    floor, whole = lines(priced(FLOOR, prices)), lines(priced(WHOLE, prices))
    network = floor["NAT gateways"] + floor["Public IPv4 addresses in use"]
    assert network == pytest.approx(109.50)
    assert f"{network / sum(floor.values()):.0%}".replace("%", " %") == "44 %"
    assert network / floor["EKS control plane"] == pytest.approx(1.5)
    assert "109.50 USD, are not in the table: 44 % of the smallest platform's price" in page
    # The load balancer and its three addresses; five t3.medium; 40 USD of gp3; all nodes of the whole.
    assert whole["Load balancers, application"] + network - 98.55 == pytest.approx(27.38)
    assert pytest.approx(150, rel=0.02) == 5 * 730 * 0.0416
    assert pytest.approx(500) == 40 / 0.08
    nodes_usd = sum(usd for what, usd in whole.items() if what.startswith("Instances"))
    assert nodes_usd == pytest.approx(322.36)
    for figure in ("27.38", "322.36", "500 GB", "60 to 180 GB"):
        assert figure in page, figure
