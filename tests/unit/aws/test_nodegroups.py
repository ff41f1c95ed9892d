"""The node group we want, and how a live one differs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.nodegroups import NodeGroupFacts, ami_type, create_request, drift, why_failed
from slipway.model.platform import PlacedNodeGroup, Platform

from tests.unit.aws.conftest import BASE, make_platform

FACTS = NodeGroupFacts(
    role_arn="arn:aws:iam::123456789012:role/node",
    subnet_ids=("subnet-1", "subnet-2"),
    launch_template=("lt-1", "3"),
)
PRIMARY = BASE["node_groups"]["primary"]


def with_group(**changes: Any) -> tuple[Platform, PlacedNodeGroup]:
    platform = make_platform(node_groups={"primary": {**PRIMARY, **changes}})
    return platform, platform.node_groups(["us-east-1a", "us-east-1b"])[0]


def live_group(platform: Platform, group: PlacedNodeGroup) -> dict[str, Any]:
    """The wanted group, as EKS describes it."""
    return {**copy.deepcopy(create_request(group, platform, FACTS)), "status": "ACTIVE"}


def test_what_is_wanted_has_no_drift() -> None:
    taints = [{"key": "dedicated", "value": "streaming"}]
    platform, group = with_group(taints=taints, labels={"a": "b"})
    found = drift(live_group(platform, group), group, platform, FACTS)
    assert (found.config, found.version, found.tags, found.immutable) == ({}, {}, {}, ())


def test_workload_becomes_a_label_and_taints_are_spelled_as_eks_does() -> None:
    platform, group = with_group(taints=[{"key": "k", "effect": "PreferNoSchedule"}], labels={"a": "b"})
    request = create_request(group, platform, FACTS)
    assert request["labels"] == {"a": "b", "slipway.dev/workload": "primary"}
    assert request["taints"] == [{"key": "k", "value": "", "effect": "PREFER_NO_SCHEDULE"}]


@given(
    live=st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20)),
    wanted=st.tuples(st.integers(0, 9), st.integers(10, 20)),
)
def test_desired_size_belongs_to_the_autoscaler(live: tuple[int, int, int], wanted: tuple[int, int]) -> None:
    low, desired, high = sorted(live)
    platform, group = with_group(min=wanted[0], desired=max(1, wanted[0]), max=wanted[1])
    described = live_group(platform, group)
    described["scalingConfig"] = {"minSize": low, "desiredSize": desired, "maxSize": max(high, 1)}
    config = drift(described, group, platform, FACTS).config.get("scalingConfig")
    if config is None:
        assert (low, max(high, 1)) == wanted
    else:
        assert wanted[0] <= config["desiredSize"] <= wanted[1]
        if wanted[0] <= desired <= wanted[1]:
            assert config["desiredSize"] == desired


def test_labels_and_taints_are_added_changed_and_removed() -> None:
    platform, group = with_group(labels={"new": "1"}, taints=[{"key": "same", "value": "2"}])
    live = live_group(platform, group)
    live["labels"] = {"old": "1", "slipway.dev/workload": "other"}
    live["taints"] = [
        {"key": "same", "value": "1", "effect": "NO_SCHEDULE"},
        {"key": "gone", "effect": "NO_EXECUTE"},
    ]
    config = drift(live, group, platform, FACTS).config
    assert config["labels"] == {
        "addOrUpdateLabels": {"new": "1", "slipway.dev/workload": "primary"},
        "removeLabels": ["old"],
    }
    assert config["taints"] == {
        "addOrUpdateTaints": [{"key": "same", "value": "2", "effect": "NO_SCHEDULE"}],
        "removeTaints": [{"key": "gone", "value": "", "effect": "NO_EXECUTE"}],
    }


def test_a_new_launch_template_version_is_rolled_out() -> None:
    platform, group = with_group()
    live = live_group(platform, group)
    live["launchTemplate"] = {"id": "lt-1", "name": "slipway-dev-primary", "version": "2"}
    found = drift(live, group, platform, FACTS)
    assert found.version == {"launchTemplate": {"id": "lt-1", "version": "3"}}
    assert found.immutable == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"instanceTypes": ["m5.large"]}, "instanceTypes"),
        ({"subnets": ["subnet-9"]}, "subnets"),
        ({"capacityType": "SPOT"}, "capacityType"),
        ({"amiType": "AL2_x86_64"}, "amiType"),
        ({"nodeRole": "other"}, "nodeRole"),
        ({"launchTemplate": {"id": "lt-2", "version": "3"}}, "launchTemplate.id"),
    ],
)
def test_what_needs_a_new_group_is_said(change: dict[str, Any], word: str) -> None:
    platform, group = with_group()
    found = drift({**live_group(platform, group), **change}, group, platform, FACTS)
    assert [text.split()[0] for text in found.immutable] == [word]


@pytest.mark.parametrize(
    ("arm", "nvidia", "expected"),
    [
        (False, False, "AL2023_x86_64_STANDARD"),
        (True, False, "AL2023_ARM_64_STANDARD"),
        (False, True, "AL2023_x86_64_NVIDIA"),
        (True, True, "AL2023_ARM_64_NVIDIA"),
    ],
)
def test_image_follows_the_processor(arm: bool, nvidia: bool, expected: str) -> None:
    assert ami_type(replace(FACTS, arm=arm, nvidia=nvidia)) == expected


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AsgInstanceLaunchFailures", "no capacity or quota"),
        ("InsufficientFreeAddresses", "out of addresses"),
        ("NodeCreationFailure", "did not join"),
        ("AccessDenied", "what the reasons name"),
    ],
)
def test_each_health_issue_has_its_mend(code: str, words: str) -> None:
    assert words in why_failed([{"code": code, "message": "x"}])
