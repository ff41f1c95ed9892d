"""What must hold of every series, cluster and usage type."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slipway.decisions import anomaly
from slipway.decisions.cost_actuals import compare, daily, settled_day
from slipway.decisions.cost_allocation import ClaimFacts, ClusterFacts, NodeFacts, PodFacts, Used, allocate
from slipway.decisions.forecast import METHODS, outlook, seasonal_naive
from slipway.decisions.price_list import is_fresh, prices_of
from slipway.decisions.usage_types import Basis, understand, without_region
from slipway.model.bill import BillLine
from slipway.model.prices import Price, PriceBook

GIB = 1024**3
COSTS = st.floats(0, 1000, allow_nan=False)
TODAY = date(2026, 11, 22)


@settings(max_examples=25)
@given(st.lists(COSTS, min_size=1, max_size=60), st.integers(1, 31))
def test_forecasts_are_ordered_and_never_negative(history: list[float], horizon: int) -> None:
    found = outlook(history, horizon)
    assert len(found.days) == horizon
    assert 0 <= found.low <= found.total + 1e-6
    assert found.total <= found.high + 1e-6
    assert all(day >= 0 for day in found.days)


@settings(max_examples=25)
@given(st.lists(COSTS, min_size=7, max_size=7), st.integers(1, 30))
def test_a_week_that_repeats_itself_is_forecast_exactly(week: list[float], horizon: int) -> None:
    week = [value + 1 for value in week]
    found = outlook(week * 10, horizon)
    assert found.days == pytest.approx(seasonal_naive(week, horizon), rel=1e-6, abs=1e-6)


def test_forecast_refuses_nothing_to_go_on() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        outlook([], 3)
    with pytest.raises(ValueError, match="must be at least 1"):
        outlook([1.0], 0)


@settings(max_examples=20)
@given(st.lists(COSTS, min_size=45, max_size=60), st.floats(0.1, 50))
def test_the_best_method_is_chosen_and_amounts_scale(history: list[float], factor: float) -> None:
    found = outlook(history, 7)
    if found.trials:
        assert {one.method for one in found.trials} == set(METHODS)
        chosen = found.error(found.method)
        assert chosen is not None
        assert chosen == min(one.error for one in found.trials)


@given(st.lists(st.floats(10, 11), min_size=20, max_size=60), st.floats(1.5, 20))
def test_a_day_beyond_anything_usual_is_odd_and_a_usual_one_is_not(history: list[float], factor: float) -> None:
    sensitivity = anomaly.Sensitivity()
    found = anomaly.judge(history, 11 * factor + 10, sensitivity)
    assert found is not None
    assert found.excess > 0
    assert anomaly.judge(history, 10.5, sensitivity) is None


@given(st.lists(COSTS, max_size=anomaly.FEWEST - 1), COSTS)
def test_too_little_history_says_nothing(history: list[float], value: float) -> None:
    assert anomaly.judge(history, value, anomaly.Sensitivity()) is None


@given(st.lists(st.floats(0, 0.5), min_size=14, max_size=60), st.floats(0, 0.9))
def test_cents_are_nobody_s_business(history: list[float], value: float) -> None:
    assert anomaly.judge(history, value, anomaly.Sensitivity()) is None


LINES = st.lists(
    st.builds(
        lambda back, service, kind, cents: BillLine(
            day=TODAY - timedelta(days=back), service=service, usage_type=kind, usd=cents / 100
        ),
        st.integers(0, 20),
        st.sampled_from(["EC2 - Other", "AmazonCloudWatch"]),
        st.sampled_from(["NatGateway-Hours", "USE1-DataProcessing-Bytes"]),
        st.integers(0, 10_000),
    ),
    max_size=60,
)


@given(LINES)
def test_sums_of_parts_are_the_whole(lines: list[BillLine]) -> None:
    day = settled_day(lines, TODAY)
    if day is None:
        assert all(line.day > TODAY - timedelta(days=2) for line in lines)
        return
    whole = sum(line.usd for line in lines if line.day == day)
    for name in (lambda line: line.service, lambda line: line.usage_type):
        assert sum(one.usd for one in compare(lines, day, name)) == pytest.approx(whole, abs=0.001)
    first, values = daily(lines, day)
    assert first is not None
    assert len(values) == (day - first).days + 1
    assert sum(values) == pytest.approx(sum(line.usd for line in lines if line.day <= day))


NODES = st.lists(st.tuples(st.sampled_from([2.0, 4.0]), st.sampled_from([8, 16])), min_size=1, max_size=4)
PODS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["kafka", "maze", ""]), st.floats(0, 6), st.floats(0, 20)), max_size=15
)


@given(NODES, PODS, st.booleans())
def test_every_dollar_is_somebody_s_idle_or_shared(
    nodes: list[tuple[float, int]], pods: list[tuple[int, str, float, float]], measured: bool
) -> None:
    facts = ClusterFacts(
        [NodeFacts(f"n{index}", f"i-{index}", cpu, gib * GIB) for index, (cpu, gib) in enumerate(nodes)],
        [
            PodFacts("ns", f"p{index}", f"n{where % len(nodes)}", name, "", cpu, gib * GIB, name)
            for index, (where, name, cpu, gib) in enumerate(pods)
        ],
        [ClaimFacts("ns", "data", "vol-1", "kafka", "")],
    )
    costs = {f"i-{index}": 60.0 for index in range(len(nodes))} | {"vol-1": 8.0}
    usage = {("ns", "kafka"): Used(5.0, 9.0 * GIB)} if measured else None
    found = allocate(facts, costs, {"i-0": 2.4}, 60 * len(nodes) + 2.4 + 8 + 100, usage)
    parts = sum(one.usd for one in found.components) + found.idle_usd + found.shared_usd
    assert parts == pytest.approx(found.total_usd, abs=0.01)
    assert found.idle_usd >= -0.001
    assert found.shared_usd == pytest.approx(100)
    assert sum(one.usd for one in found.teams) == pytest.approx(sum(one.usd for one in found.components), abs=0.01)
    assert found.basis == ("requests and usage" if measured else "requests")


@pytest.mark.parametrize(
    ("usage_type", "plain"),
    [
        ("NatGateway-Hours", "NatGateway-Hours"),
        ("EUC1-NatGateway-Hours", "NatGateway-Hours"),
        ("EU-BoxUsage:t3.large", "BoxUsage:t3.large"),
        ("USE1-AmazonEKS-Hours:perCluster", "AmazonEKS-Hours:perCluster"),
        ("us-east-1-KMS-Keys", "KMS-Keys"),
        ("APS3-EBS:VolumeUsage.gp3", "EBS:VolumeUsage.gp3"),
        ("DataTransfer-Out-Bytes", "DataTransfer-Out-Bytes"),
        ("USE1-EUC1-AWS-Out-Bytes", "EUC1-AWS-Out-Bytes"),
        ("CW:AlarmMonitorUsage", "CW:AlarmMonitorUsage"),
    ],
)
def test_regions_are_stripped(usage_type: str, plain: str) -> None:
    assert without_region(usage_type) == plain


def test_what_hides_in_ec2_other_is_named() -> None:
    names = {
        usage_type: understand("EC2 - Other", usage_type).name
        for usage_type in ("NatGateway-Bytes", "EBS:VolumeUsage.gp3", "DataTransfer-Regional-Bytes", "CPUCredits:t3")
    }
    assert len(set(names.values())) == 4
    assert not set(names) & set(names.values())
    assert understand("EC2 - Other", "NatGateway-Bytes").basis is Basis.METERED


@given(st.text(min_size=1, max_size=40))
def test_an_unknown_usage_type_keeps_its_name(usage_type: str) -> None:
    assert understand("Some Service", usage_type).name


@given(st.floats(0, 200_000))
def test_tiers_cost_what_their_parts_cost(quantity: float) -> None:
    price = Price(unit="GB", usd=0.09, tiers=[(0, 0.09), (10_240, 0.085), (51_200, 0.07)])
    parts = [(0, 10_240, 0.09), (10_240, 51_200, 0.085), (51_200, float("inf"), 0.07)]
    by_hand = sum(usd * max(0.0, min(quantity, high) - low) for low, high, usd in parts)
    assert price.of(quantity) == pytest.approx(by_hand)


def test_products_become_prices() -> None:
    product = {
        "serviceCode": "AmazonEC2",
        "product": {"productFamily": "NAT Gateway", "attributes": {"usagetype": "EUC1-NatGateway-Hours"}},
        "terms": {
            "OnDemand": {
                "X": {"priceDimensions": {"Y": {"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": "0.052"}}}}
            }
        },
    }
    assert prices_of([product]) == {"AmazonEC2/NatGateway-Hours": Price(unit="Hrs", usd=0.052)}


def test_a_price_book_grows_old() -> None:
    book = PriceBook(
        region="us-east-1", as_of=TODAY, source="x", prices={"AmazonEC2/BoxUsage:t3.large": Price(unit="Hrs", usd=1)}
    )
    assert is_fresh(book, ["t3.large"], TODAY + timedelta(days=7))
    assert not is_fresh(book, ["t3.large"], TODAY + timedelta(days=8))
    assert not is_fresh(book, ["m5.large"], TODAY)
    assert not is_fresh(None, [], TODAY)
