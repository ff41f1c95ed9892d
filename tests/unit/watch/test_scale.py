"""Packing never loses a pod, thresholds are seed.md's, and no change goes beyond what is allowed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.fleet import options, pack
from slipway.decisions.scale import group_usage, recommend
from slipway.decisions.scale_limits import ahead, forecasts
from slipway.decisions.scale_policy import permitted
from slipway.decisions.trend import last_week, path
from slipway.hooks.prometheus import History
from slipway.hooks.scale import daily
from slipway.model.facts import InstanceType
from slipway.model.policies import Policies
from slipway.model.scale import (
    Advice,
    DailyHistory,
    DemandFact,
    GroupFact,
    NodeFact,
    Recommendation,
    Resize,
    ScaleFacts,
    ScaleState,
    Usage,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LARGE = InstanceType("t3.large", 2, 8192, 3, 12)
HUGE = InstanceType("m5.4xlarge", 16, 65536, 8, 30)


def facts(usage: Usage, *, desired: int = 3, maximum: int = 5, **changes: object) -> ScaleFacts:
    nodes = [NodeFact(f"n{index}", "primary", "primary", 1900, 6000, 35) for index in range(3)]
    made = ScaleFacts(
        "dev",
        "us-east-1",
        groups=[GroupFact("primary", "primary", "t3.large", 2, desired, maximum, "ACTIVE", True)],
        nodes=nodes,
        usage={node.name: usage for node in nodes},
        demands=[DemandFact("apps", "web", "Deployment", "primary", 500, 1024, 6)],
        instances={"t3.large": LARGE},
        prices={"t3.large": 0.0832},
        network={"t3.large": 64e6},
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def advice(found: ScaleFacts) -> set[Advice]:
    return {one.advice for one in recommend(found, group_usage(found), [], NOW)}


BUSY = {"memory_day": 0.5, "memory_week": 0.5, "network_day": 1e6, "network_week": 1e6}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(cpu_day=0.72, cpu_week=0.71, **BUSY), {Advice.MORE_NODES}),
        (Usage(cpu_day=0.72, cpu_week=0.60, **BUSY), set()),
        (Usage(cpu_day=0.90, cpu_week=0.60, **BUSY), {Advice.MORE_NODES}),
        (Usage(cpu_day=0.70, cpu_week=0.70, **BUSY), set()),
        (Usage(0.5, 0.5, 0.81, 0.82, 1e6, 1e6), {Advice.MEMORY_OPTIMISED}),
        (Usage(0.5, 0.5, 0.5, 0.5, 60e6, 60e6), {Advice.BETTER_PLACEMENT}),
        (Usage(0.1, 0.1, 0.1, 0.1, 1e6, 1e6), set()),
    ],
)
def test_thresholds(usage: Usage, expected: set[Advice]) -> None:
    found = advice(facts(usage))
    # Six pods ask for half of the CPU: fewer nodes would not hold them with room to spare.
    assert found - {Advice.FEWER_NODES} == expected


def test_idle_group_shrinks_only_to_what_is_requested() -> None:
    idle = facts(
        Usage(0.1, 0.1, 0.1, 0.1, 1e6, 1e6), demands=[DemandFact("a", "w", "Deployment", "primary", 100, 100, 1)]
    )
    (one,) = recommend(idle, group_usage(idle), [], NOW)
    assert one.resize == Resize(nodegroup="primary", before=3, after=2)
    assert one.monthly_usd == pytest.approx(0.0832 * 730, abs=0.01)


def test_at_its_max_a_group_is_advised_not_resized() -> None:
    found = facts(Usage(cpu_day=0.95, cpu_week=0.95, **BUSY), desired=5)
    (one,) = recommend(found, group_usage(found), [], NOW)
    assert one.resize is None
    assert "raise max above 5" in one.how


demand = st.builds(
    DemandFact,
    st.just("ns"),
    st.text("abc", min_size=1, max_size=3),
    st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]),
    st.just("primary"),
    st.integers(0, 1500),
    st.integers(0, 4000),
    st.integers(1, 200),
)


@given(st.lists(demand, max_size=12))
def test_packing_is_feasible_and_near_its_bound(demands: list[DemandFact]) -> None:
    nodes = pack(demands, 8000, 30_000, 110)
    daemons = [one for one in demands if one.everywhere]
    cpu = 6400 - sum(one.cpu for one in daemons)
    memory = 24_000 - sum(one.memory for one in daemons)
    places = 110 - len(daemons)
    rest = [one for one in demands if not one.everywhere]
    if any(one.cpu > cpu or one.memory > memory for one in rest) or (rest and places < 1):
        assert nodes is None
        return
    assert nodes is not None
    needed = max(
        sum(one.cpu * one.count for one in rest) / cpu if cpu > 0 else 0,
        sum(one.memory * one.count for one in rest) / memory if memory > 0 else 0,
        sum(one.count for one in rest) / places,
    )
    assert nodes >= needed
    # First fit of two resources: far from the bound only where pods are large and few.
    assert nodes <= sum(one.count for one in rest)


def test_cheapest_fleet_is_first_and_keeps_replicas_apart() -> None:
    demands = [DemandFact("ns", "db", "StatefulSet", "primary", 100, 100, 3)]
    found = options(
        "primary", demands, {"t3.large": LARGE, "m5.4xlarge": HUGE}, {"t3.large": 0.0832, "m5.4xlarge": 0.768},
        current="t3.large", at_least=3, prefix_delegation=True,
    )  # fmt: skip
    assert [(one.instance_type, one.nodes) for one in found] == [("t3.large", 3), ("m5.4xlarge", 3)]
    assert found[0].monthly_usd == pytest.approx(3 * 0.0832 * 730, abs=0.01)


@given(
    after=st.integers(0, 9),
    autoscaler=st.booleans(),
    hours=st.lists(st.floats(0, 60), max_size=4),
    policy=st.sampled_from(["off", "suggest", "auto"]),
)
def test_no_change_beyond_what_is_allowed(after: int, autoscaler: bool, hours: list[float], policy: str) -> None:
    found = facts(Usage(), autoscaler=autoscaler)
    resize = Resize(nodegroup="primary", before=3, after=after)
    one = Recommendation(advice=Advice.MORE_NODES, subject="x", why="y", how="z", resize=resize)
    state = ScaleState(changes=[(NOW - timedelta(hours=hour), resize) for hour in hours])
    may, why = permitted(one, found, Policies.model_validate({"scale": policy}), state, NOW)
    assert may == (policy == "auto" and not autoscaler and 2 <= after <= 5 and all(hour >= 24 for hour in hours))
    assert why == "applied" if may else why.startswith(("refused", "suggested"))


def test_limits_ahead() -> None:
    growing = [10 + 0.5 * day for day in range(40)]
    found = facts(
        Usage(), claims={"data/db": 40 * 1024**3}, histories=[DailyHistory("volume", "claim data/db", growing)]
    )
    (one,) = forecasts(found)
    assert one.history_days == 40
    # It grows by half a GiB a day from 29.5; 40 are reached after about three weeks.
    assert one.days is not None
    assert one.method == "trend"
    assert 20 <= one.days <= 23
    assert one.earliest is not None
    assert one.earliest <= one.days
    assert ahead([one])[0].advice is Advice.LIMIT_AHEAD
    flat = facts(
        Usage(), claims={"data/db": 40 * 1024**3}, histories=[DailyHistory("volume", "claim data/db", [10.0] * 40)]
    )
    assert forecasts(flat)[0].days is None


def test_trend_beats_last_week_where_there_is_one_and_says_so_where_there_is_none() -> None:
    rng = random.Random(1)
    week = [1.0, 1.0, 1.05, 1.1, 1.0, 0.8, 0.75]
    growing = [(100 + 2 * day) * week[day % 7] * rng.uniform(0.97, 1.03) for day in range(56)]
    shown, held_out = growing[:42], growing[42:]
    found = path(shown, 14)
    assert found.method == "trend"
    ours = fmean(abs(a - b) for a, b in zip(found.expected, held_out, strict=True))
    naive = fmean(abs(a - b) for a, b in zip(last_week(shown, 14), held_out, strict=True))
    assert ours < 0.5 * naive
    steps = [50.0] * 21 + [80.0] * 14
    assert path(steps, 14).method == "last week"
    assert path(steps, 14).expected == [80.0] * 14


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80), st.integers(1, 60))
def test_paths_are_whole_and_bounded_below(history: list[float], horizon: int) -> None:
    found = path(history, horizon)
    assert len(found.expected) == len(found.upper) == horizon
    assert all(value >= 0 for value in found.expected)
    assert all(up >= value for up, value in zip(found.upper, found.expected, strict=True))


def test_days_without_data_keep_the_day_before() -> None:
    points = [(NOW - timedelta(days=4), 2.0), (NOW - timedelta(days=4, hours=-1), 3.0), (NOW - timedelta(days=1), 5.0)]
    assert daily(History("x", {}, points)) == [3.0, 3.0, 3.0, 5.0]
    assert daily(History("x", {}, [])) == []
