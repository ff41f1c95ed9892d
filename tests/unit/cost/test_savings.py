"""Savings: each one's arithmetic by hand, and sums that never count a dollar twice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.cost_allocation import ClaimFacts, ClusterFacts, NodeFacts, PodFacts, Used
from slipway.decisions.cost_estimate import items
from slipway.decisions.savings import WORTH_USD, SavingFacts, choose
from slipway.decisions.savings_compute import compute_savings
from slipway.decisions.savings_plans import compute_rates
from slipway.decisions.savings_rest import rest_savings
from slipway.model.bill import BillLine
from slipway.model.cost import Confidence, Saving
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook, PriceTable
from slipway.model.resource import Kind, Resource

from tests.unit.cost.worked_month import DAY

GIB = 1024**3


def resource(kind: Kind, name: str, tags: dict[str, str] | None = None, **attributes: object) -> Resource:
    return Resource.model_validate(
        {"kind": kind.value, "id": name, "name": name, "region": "us-east-1", "attributes": attributes,
         "tags": tags or {}, "ours": True}
    )  # fmt: skip


def node(name: str, kind: str = "t3.large", group: str = "primary", **attributes: object) -> Resource:
    return resource(Kind.INSTANCE, name, {"eks:nodegroup-name": group}, type=kind, state="running", **attributes)


@pytest.fixture
def find(platform: Platform, prices: PriceBook, table: PriceTable):
    """Savings by name, found in some resources of the environment dev."""

    def found(resources: Sequence[Resource], of: Platform = platform, **facts: object) -> dict[str, Saving]:
        assert table.savings is not None
        extended = facts.get("extended", frozenset())
        made = SavingFacts(
            platform=of, resources=resources, items=list(items(resources, extended)), book=prices,
            rates=table.savings, **facts,
        )  # fmt: skip
        return {one.name: one for one in [*compute_savings(made), *rest_savings(made)]}

    return found


def test_graviton_schedule_and_commitment(find) -> None:
    savings = find([resource(Kind.CLUSTER, "slipway-dev"), node("i-1"), node("i-2"), node("i-3")])
    # 3 x (0.0832 - 0.0672) x 730
    assert savings["graviton/primary"].monthly_usd == 35.04
    # 3 x 0.0832 x 730 = 182.208 for 168 hours, 60 of which are needed
    assert savings["schedule"].monthly_usd == round(182.208 * (1 - 60 / 168), 2) == 117.13
    # The minimum of primary is 3. Without AWS's offers, at 73 % of on-demand, and it says that this is assumed.
    assert savings["savings-plan"].monthly_usd == round(0.27 * 182.208, 2) == 49.2
    assert savings["savings-plan"].confidence is Confidence.LOW
    assert "rates of t3.large are a share of the dated table" in savings["savings-plan"].evidence
    # Everything falls back to primary, components with data too: no spot for it.
    assert "spot/primary" not in savings


def test_commitment_at_the_rates_that_aws_offers(find) -> None:
    offered = find([node("i-1"), node("i-2"), node("i-3")], plan={"t3.large": 0.0602})["savings-plan"]
    # 3 x (0.0832 - 0.0602) x 730
    assert offered.monthly_usd == 50.37
    assert offered.confidence is Confidence.MEDIUM
    assert "commitment 0.181 USD/hour" in offered.change
    assert "AWS's own offers" in offered.evidence
    assert offered.touches == ["compute/primary"]


def test_only_one_year_offers_without_upfront_count() -> None:
    def offer(rate: str, kind: str = "t3.large", usage: str = "BoxUsage:t3.large", **plan: object) -> dict[str, object]:
        return {
            "savingsPlanOffering": {
                "paymentOption": "No Upfront", "planType": "Compute", "durationSeconds": 31_536_000, "currency": "USD",
                **plan,
            },
            "rate": rate,
            "unit": "Hrs",
            "usageType": usage,
            "properties": [
                {"name": "instanceType", "value": kind},
                {"name": "productDescription", "value": "Linux/UNIX"},
                {"name": "tenancy", "value": "shared"},
            ],
        }  # fmt: skip

    offers = [
        offer("0.0602"),
        offer("0.0416", durationSeconds=94_608_000),
        offer("0.0550", paymentOption="All Upfront"),
        offer("0.0500", planType="EC2Instance"),
        offer("0.0832", usage="UnusedBox:t3.large"),
        offer("0.0700", kind="m5.large"),
    ]
    assert compute_rates(offers, ["t3.large"]) == {"t3.large": 0.0602}


def test_spot_is_for_groups_without_data_at_its_price_of_now(find, platform: Platform) -> None:
    group = platform.environment.node_groups["primary"].model_copy(update={"workload": "data-processing"})
    environment = platform.environment.model_copy(
        update={"node_groups": {**platform.environment.node_groups, "batch": group}}
    )
    other = Platform(environment, "us-east-1")
    savings = find([node("i-1", "c5.xlarge", "batch")], of=other, spot={"c5.xlarge": 0.068})
    assert savings["spot/batch"].monthly_usd == round((0.17 - 0.068) * 730, 2) == 74.46
    assert savings["spot/batch"].confidence is Confidence.MEDIUM
    unknown = find([node("i-1", "c5.xlarge", "batch")], of=other)
    assert unknown["spot/batch"].monthly_usd == round(0.17 * 0.5 * 730, 2)
    assert unknown["spot/batch"].confidence is Confidence.LOW
    held = find([node("i-1", "c5.xlarge", "batch")], of=other, stateful=frozenset({"data-processing"}))
    assert "spot/batch" not in held


def test_disks_addresses_and_network(find) -> None:
    savings = find(
        [
            resource(Kind.CLUSTER, "slipway-dev"),
            resource(Kind.VOLUME, "vol-old", type="gp2", gib=200, state="in-use"),
            resource(Kind.VOLUME, "vol-idle", type="gp3", gib=50, state="available"),
            resource(Kind.VOLUME, "vol-claimed", type="gp3", gib=50, state="available"),
            resource(Kind.ADDRESS, "eip-idle", ip="192.0.2.7"),
            resource(Kind.BALANCER, "alb-idle", type="application", scheme="internal", zones=2),
            *(resource(Kind.NAT, f"nat-{zone}", state="available") for zone in "abc"),
            resource(Kind.LOG_GROUP, "/endless", bytes=100 * GIB),
        ],
        lines=[BillLine(day=DAY, service="EC2 - Other", usage_type="NatGateway-Bytes", usd=4.5, quantity=100)],
        cluster=ClusterFacts([], [], [ClaimFacts("n", "c", "vol-claimed", "kafka", "")]),
    )
    usd = {name: one.monthly_usd for name, one in savings.items()}
    assert usd == {
        "gp3": 4.0,  # 200 x (0.10 - 0.08)
        "idle-volumes": 4.0,  # 50 x 0.08; the claimed one is not idle
        "idle-addresses": 3.65,  # 730 x 0.005
        "idle-balancers": 16.43,  # 730 x 0.0225
        "one-nat": 73.0,  # 2 x 730 x (0.045 + 0.005)
        "s3-endpoint": 68.44,  # 100 GB x 365 / 12 x 0.045 / 2
        "log-retention": 3.0,  # 100 x 0.03
    }
    assert "vol-idle" in savings["idle-volumes"].change
    assert "modify-volume" in savings["gp3"].change


def test_interface_endpoints_that_their_traffic_does_not_pay_for(find) -> None:
    resources = [
        resource(Kind.CLUSTER, "c"),
        resource(Kind.NAT, "n", state="available"),
        resource(Kind.ENDPOINT, "vpce-ecr", type="Interface", service="com.amazonaws.us-east-1.ecr.api", zones=3),
        resource(Kind.ENDPOINT, "vpce-s3", type="Gateway", service="com.amazonaws.us-east-1.s3"),
    ]

    def billed(gigabytes: float) -> list[BillLine]:
        return [
            BillLine(
                day=DAY,
                service="Amazon Virtual Private Cloud",
                usage_type="USE1-VpcEndpoint-Bytes",
                usd=gigabytes / 100,
                quantity=gigabytes,
            )
        ]

    # 3 zones x 730 x 0.01 = 21.90; 6 GB a day through NAT: 6 x 365 / 12 x (0.045 - 0.01) = 6.3875
    assert find(resources, lines=billed(6))["interface-endpoints"].monthly_usd == round(21.9 - 6.3875, 2) == 15.51
    assert "interface-endpoints" not in find(resources, lines=billed(60))
    assert "interface-endpoints" not in find(resources)


def test_a_protected_environment_keeps_its_zones_and_its_nights(find, platform: Platform) -> None:
    protected = Platform(platform.environment.model_copy(update={"protected": True}), "us-east-1")
    resources = [node("i-1"), resource(Kind.CLUSTER, "c"), *(resource(Kind.NAT, name) for name in ("n1", "n2"))]
    assert not {"one-nat", "schedule"} & set(find(resources, of=protected))


def test_extended_support(find) -> None:
    savings = find([resource(Kind.CLUSTER, "slipway-dev", version="1.33")], extended=frozenset({"slipway-dev"}))
    assert savings["extended-support/slipway-dev"].monthly_usd == 365.0


def test_what_outlived_its_cluster(find) -> None:
    savings = find([resource(Kind.KEY, "k"), resource(Kind.SECRET, "s"), resource(Kind.ADDRESS, "a", association="x")])
    assert savings["outlived"].monthly_usd == round(1 + 0.4 + 3.65, 2)


def test_fewer_nodes_and_lower_requests(find, platform: Platform) -> None:
    group = platform.environment.node_groups["primary"].model_copy(update={"min": 1})
    environment = platform.environment.model_copy(update={"node_groups": {"primary": group}})
    machines = [NodeFacts(f"n{index}", f"i-{index}", 2.0, 8 * GIB) for index in range(4)]
    pods = [PodFacts("a", f"p{index}", f"n{index}", "kafka", "", 0.8, 3.2 * GIB, "kafka") for index in range(4)]
    savings = find(
        [resource(Kind.CLUSTER, "c"), *(node(f"i-{index}") for index in range(4))],
        of=Platform(environment, "us-east-1"),
        cluster=ClusterFacts(machines, pods, []),
        weekly={("a", "kafka"): Used(0.64, 2.56 * GIB)},
    )
    # 40 % of both are requested; 4 x 0.4 x 1.25 = 2 nodes do, at 0.0832 x 730 each
    assert savings["fewer-nodes/primary"].monthly_usd == round(2 * 0.0832 * 730, 2) == 121.47
    # 3.2 cores are requested and 0.64 x 1.25 = 0.8 needed: 2.4 of 8, 30 %, and likewise of memory
    assert savings["requests"].monthly_usd == round(0.3 * 4 * 0.0832 * 730, 2)


SAVINGS = st.lists(
    st.builds(
        lambda usd, touches: (usd, sorted(touches)),
        st.integers(0, 500).map(lambda cents: cents / 10),
        st.sets(st.sampled_from("abcdef"), min_size=1, max_size=3),
    ),
    max_size=9,
)


def made(rows: list[tuple[float, list[str]]]) -> list[Saving]:
    return [
        Saving(
            name=str(index), title="", monthly_usd=usd, confidence=Confidence.LOW, breaks="", change="", touches=touches
        )
        for index, (usd, touches) in enumerate(rows)
    ]


@given(SAVINGS)
def test_the_sum_is_that_of_the_best_choice_without_overlap(rows: list[tuple[float, list[str]]]) -> None:
    found = choose(made(rows))
    counted = [one for one in found.items if one.counted]
    parts = [part for one in counted for part in one.touches]
    assert len(parts) == len(set(parts)), "a part of the cost was saved twice"
    assert found.total_usd == pytest.approx(sum(one.monthly_usd for one in counted))
    worth = [row for row in rows if row[0] >= WORTH_USD]
    best = max(
        sum(usd for usd, _ in some)
        for count in range(len(worth) + 1)
        for some in itertools.combinations(worth, count)
        if len(touched := [part for _, touches in some for part in touches]) == len(set(touched))
    )
    assert found.total_usd == pytest.approx(best)
    assert [one.monthly_usd for one in found.items] == sorted((usd for usd, _ in worth), reverse=True)
