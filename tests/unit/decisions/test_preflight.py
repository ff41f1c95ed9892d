"""Preflight's judgements: every problem has its field and mend, and what is in order has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.fit import Demand
from slipway.decisions.preflight import (
    in_extended_support,
    judge_account,
    judge_fleet,
    judge_identity,
    judge_offline,
    notes,
    overlaps,
)
from slipway.model.facts import Owner, Quota
from slipway.model.platform import Platform

from tests.unit.aws.conftest import make_platform
from tests.unit.decisions.facts import LARGE, NOW, VERSIONS, ZONES, facts

KNOWN = frozenset({"t3.large", "t3.small", "m5.large"})


def cluster(version: str, **more: Any) -> Platform:
    return make_platform(cluster={"version": version, "endpoint": {"public_cidrs": ["198.18.0.0/24"]}, **more})


def groups(*types: str, **more: Any) -> Platform:
    return make_platform(
        node_groups={"primary": {"instance_types": list(types), "min": 1, "desired": 2, "max": 3, **more}}
    )


def problems(platform: Platform, **changes: Any) -> list[tuple[str, str, str]]:
    found = judge_account(platform, facts(**changes), ZONES, NOW)
    assert all(problem.found and problem.allowed and problem.mend for problem in found)
    return [(problem.where, problem.field, problem.found) for problem in found]


def test_what_is_in_order_has_no_problem() -> None:
    platform = make_platform()
    assert judge_offline(platform.environment, KNOWN) == []
    assert problems(platform) == []
    assert notes(platform, facts(), NOW) == []


def test_an_unknown_type_is_named_with_its_group() -> None:
    (problem,) = judge_offline(groups("t3.lagre").environment, KNOWN)
    assert problem.field == "node_groups.primary.instance_types"
    assert "did you mean t3.large?" in problem.allowed


@pytest.mark.parametrize(
    ("name", "zonal", "fragment"),
    [
        ("n" * 63, False, None),
        ("n" * 60, True, None),
        ("n" * 61, True, "a name of 61 characters"),
        ("streaming-1a", False, "a name that the zonal group streaming takes"),
        ("streaming-a", False, None),
    ],
)
def test_names_of_node_groups(name: str, zonal: bool, fragment: str | None) -> None:
    spec = {"instance_types": ["t3.large"], "min": 1, "desired": 1, "max": 1}
    named = {"primary": spec, "streaming": {**spec, "zonal": True}, name: {**spec, "zonal": zonal}}
    found = judge_offline(make_platform(node_groups=named).environment, KNOWN)
    assert [(problem.field, problem.found) for problem in found] == (
        [] if fragment is None else [(f"node_groups.{name}", fragment)]
    )


def test_the_accounts_of_others_are_refused() -> None:
    environment = make_platform().environment
    assert judge_identity(environment, environment.account, "me") == []
    (problem,) = judge_identity(environment, "999999999999", "arn:aws:iam::999999999999:user/me")
    assert "999999999999" in problem.found
    assert "aws_default" in problem.mend


@pytest.mark.parametrize(
    ("version", "support", "found"),
    [
        ("1.36", "standard", None),
        ("1.35", "standard", None),
        ("1.34", "extended", None),
        ("1.34", "standard", "'1.34', whose standard support ended on 2026-06-01"),
        ("1.33", "extended", "'1.33'"),
        ("1.99", "standard", "'1.99'"),
    ],
)
def test_versions(version: str, support: str, found: str | None) -> None:
    wanted = [] if found is None else [("include/environments/dev.yaml", "cluster.version", found)]
    assert problems(cluster(version, support=support)) == wanted
    assert in_extended_support(cluster(version).environment, VERSIONS, NOW) is (version in {"1.33", "1.34"})


def test_a_region_without_any_version_is_no_traceback() -> None:
    assert problems(make_platform(), versions={}) == [("include/environments/dev.yaml", "cluster.version", "'1.36'")]


@given(st.integers(-400, 800))
def test_support_is_judged_by_the_day_it_is_asked(days: int) -> None:
    now = NOW + timedelta(days=days)
    found = judge_account(cluster("1.35"), facts(), ZONES, now)
    assert bool(found) is (now > VERSIONS["1.35"].end_of_standard_support)


def test_support_that_ends_soon_is_a_note() -> None:
    (note,) = notes(cluster("1.35"), facts(), NOW)
    assert "ends on 2026-09-15" in note


def test_a_type_that_the_region_lacks_names_its_group() -> None:
    found = problems(groups("t3.large", "m5.large"))
    assert found == [
        (
            "include/environments/dev.yaml",
            "node_groups.primary.instance_types",
            "'m5.large', which us-east-1 does not offer",
        )
    ]


def test_one_architecture_a_group() -> None:
    (found,) = problems(groups("t3.large", "t4g.large"))
    assert found[2] == "t3.large (x86_64), t4g.large (arm64)"
    assert problems(groups("t4g.large")) == []
    assert "arm64" in notes(groups("t4g.large"), facts(), NOW)[0]


def test_what_is_not_ours_is_refused_and_what_is_ours_adopted() -> None:
    platform = make_platform()
    ours = Owner("stack slipway-dev-state", platform.tags)
    theirs = Owner("EKS cluster slipway-dev", {"slipway:platform": "slipway-dev"})
    assert problems(platform, owners=[ours]) == []
    assert problems(platform, owners=[ours, theirs])[0][:2] == ("EKS cluster slipway-dev", "tags")


@pytest.mark.parametrize(
    ("quota", "found"),
    [
        (Quota("vpcs", "VPCs", 5, 5), "1 more needed, 5 in use, limit 5"),
        (Quota("nodes", "vCPUs", 9, None), "10 more needed, 0 in use, limit 9"),
        (Quota("addresses", "addresses", 5, 3), "3 more needed, 3 in use, limit 5"),
    ],
)
def test_quotas_of_a_fresh_platform(quota: Quota, found: str) -> None:
    platform = make_platform()
    assert problems(platform, quotas=[quota]) == [(f"quota: {quota.what}", "", found)]
    exists = [Owner("stack slipway-dev-state", platform.tags)]
    assert problems(platform, quotas=[quota], owners=exists) == []


def test_a_quota_that_cannot_be_read_is_a_note() -> None:
    unread = facts(quotas=[Quota("vpcs", "VPCs", None, None, "TooManyRequestsException")])
    assert judge_account(make_platform(), unread, ZONES, NOW) == []
    assert notes(make_platform(), unread, NOW) == ["not checked: quota VPCs (TooManyRequestsException)"]


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({"network": {"cidr": "10.20.128.0/17"}}, True),
        ({"network": {"cidr": "10.16.0.0/16"}}, False),
        ({"account": "999999999999"}, False),
        ({"regions": ["eu-west-1"]}, False),
        ({"name": "dev"}, False),
    ],
)
def test_overlapping_networks(other: dict[str, Any], shared: bool) -> None:
    neighbour = make_platform(**{"name": "other", **other}).environment
    found = overlaps(make_platform().environment, "us-east-1", [neighbour])
    assert [problem.field for problem in found] == (["network.cidr"] if shared else [])


def demand(pods: int, memory: int, **more: Any) -> Demand:
    return Demand("Deployment data/x", "kafka", pods, 100, memory, **more)


def test_what_fits_only_above_the_desired_size_is_a_note() -> None:
    verdict = judge_fleet(make_platform(), facts(), ZONES, [demand(4, 5000)])
    assert verdict.problems == []
    assert verdict.notes == ["1 pod fits only above the node groups' desired size: nodes will have to be added"]


def test_what_does_not_fit_is_named_with_what_would_hold_it() -> None:
    (problem,) = judge_fleet(make_platform(), facts(), ZONES, [demand(6, 5000)]).problems
    assert "1 pod of Deployment data/x" in problem.found
    assert problem.mend == "1 more t3.large in node group primary"


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({"kubernetes.io/os": "linux"}, True),
        ({"kubernetes.io/arch": "amd64"}, True),
        ({"kubernetes.io/arch": "arm64"}, False),
        ({"topology.kubernetes.io/zone": "us-east-1b"}, True),
        ({"topology.kubernetes.io/zone": "us-east-1f"}, False),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND", "slipway.dev/workload": "primary"}, True),
    ],
)
def test_labels_that_every_node_has_may_be_selected(selector: dict[str, str], fits: bool) -> None:
    verdict = judge_fleet(make_platform(), facts(), ZONES, [demand(1, 10, selector=selector)])
    assert verdict.desired.fits is fits


def test_a_group_of_several_types_is_counted_as_its_smallest() -> None:
    large = judge_fleet(groups("t3.large"), facts(), ZONES, [])
    mixed = judge_fleet(groups("t3.large", "t3.small"), facts(), ZONES, [])
    small = judge_fleet(groups("t3.small"), facts(), ZONES, [])
    assert large.desired.free_memory > mixed.desired.free_memory == small.desired.free_memory


def test_prefix_delegation_decides_how_many_pods_a_node_takes() -> None:
    without = make_platform(addons={"vpc-cni": {"phase": "before-nodes"}})
    few = replace(LARGE, network_interfaces=2, addresses_per_interface=4)
    types = {"t3.large": few}
    many = [demand(40, 1)]
    assert judge_fleet(make_platform(), facts(instance_types=types), ZONES, many).desired.fits
    assert not judge_fleet(without, facts(instance_types=types), ZONES, many).maximum.fits


def test_an_add_on_of_unknown_size_is_a_note() -> None:
    verdict = judge_fleet(make_platform(addons={"adot": {}}), facts(), ZONES, [])
    assert verdict.notes == ["not counted: pods of the add-on adot, whose size is not known"]
