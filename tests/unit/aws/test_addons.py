"""Add-ons: versions, differences, and whether a status is good enough yet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slipway.decisions.addons import AddonState, WantedAddon, choose_version, differences, judge, parsed_version
from slipway.model.environment import Addon

STATUSES = [
    "CREATING", "ACTIVE", "CREATE_FAILED", "UPDATING", "DELETING", "DELETE_FAILED", "DEGRADED", "UPDATE_FAILED",
]  # fmt: skip


def offered(*versions: str, default: str = "") -> list[dict[str, Any]]:
    return [
        {"addonVersion": version, "compatibilities": [{"defaultVersion": version == default}]} for version in versions
    ]


def test_default_is_what_eks_offers_as_default() -> None:
    versions = offered("v1.12.2-eksbuild.1", "v1.11.4-eksbuild.24", default="v1.11.4-eksbuild.24")
    assert choose_version("coredns", Addon(), versions, None) == "v1.11.4-eksbuild.24"


def test_without_a_default_the_newest_counts_by_number() -> None:
    assert choose_version("x", Addon(), offered("v1.9.0-eksbuild.1", "v1.10.0-eksbuild.1"), None).startswith("v1.10")


def test_default_is_never_a_step_back() -> None:
    versions = offered("v1.12.2-eksbuild.1", "v1.11.4-eksbuild.24", default="v1.11.4-eksbuild.24")
    assert choose_version("coredns", Addon(), versions, "v1.12.2-eksbuild.1") == "v1.12.2-eksbuild.1"


def test_a_pinned_version_is_taken_back_too() -> None:
    versions = offered("v2.0.0-eksbuild.1", "v1.0.0-eksbuild.1")
    pinned = Addon(version="v1.0.0-eksbuild.1")
    assert choose_version("coredns", pinned, versions, "v2.0.0-eksbuild.1") == "v1.0.0-eksbuild.1"


def test_what_eks_does_not_offer_is_refused_with_what_it_does() -> None:
    with pytest.raises(ValueError, match=r"does not offer coredns v9\.0\.0.*it offers v1\.1\.0, v1\.0\.0"):
        choose_version("coredns", Addon(version="v9.0.0"), offered("v1.0.0", "v1.1.0"), None)
    with pytest.raises(ValueError, match="offers no version"):
        choose_version("coredns", Addon(), [], None)


VERSIONS = [f"v1.{minor}.{patch}-eksbuild.1" for minor in range(16, 22) for patch in (0, 3)]


@settings(max_examples=30)
@given(live=st.sampled_from(VERSIONS), default=st.sampled_from(VERSIONS))
def test_the_cni_goes_one_minor_version_at_a_time_and_gets_there(live: str, default: str) -> None:
    spec, steps = Addon(version=default), [live]
    while steps[-1] != default:
        steps.append(choose_version("vpc-cni", spec, offered(*VERSIONS), steps[-1]))
        assert abs(parsed_version(steps[-1])[1] - parsed_version(steps[-2])[1]) <= 1
        assert len(steps) <= 8


def live_addon(**changes: Any) -> dict[str, Any]:
    return {"addonVersion": "v1.0.0-eksbuild.1", "status": "ACTIVE", **changes}


def test_configuration_is_compared_by_meaning() -> None:
    wanted = WantedAddon("vpc-cni", "v1.0.0-eksbuild.1", {"env": {"A": "1"}, "b": [1]})
    for text in (json.dumps({"b": [1], "env": {"A": "1"}}), "b: [1]\nenv: {A: '1'}\n"):
        assert differences(live_addon(configurationValues=text), wanted, []) == []
    assert differences(live_addon(), wanted, []) == ["configurationValues"]


def test_roles_versions_and_configuration_differ_by_name() -> None:
    wanted = WantedAddon("vpc-cni", "v1.0.1-eksbuild.1", {}, "aws-node", "arn:role")
    assert differences(live_addon(configurationValues="a: 1"), wanted, []) == [
        "addonVersion",
        "configurationValues",
        "podIdentityAssociations",
    ]
    identity = {"serviceAccount": "aws-node", "roleArn": "arn:role"}
    assert differences(live_addon(addonVersion="v1.0.1-eksbuild.1"), wanted, [identity]) == []


def test_an_update_takes_away_what_the_environment_no_longer_says() -> None:
    request = WantedAddon("coredns", "v1.0.0-eksbuild.1", {}).update()
    assert request["configurationValues"] == "{}"
    assert request["podIdentityAssociations"] == []


@pytest.mark.parametrize(
    ("status", "without_nodes", "with_nodes"),
    [
        (None, AddonState.ABSENT, AddonState.ABSENT),
        ("CREATING", AddonState.READY, AddonState.WAIT),
        ("DEGRADED", AddonState.READY, AddonState.WAIT),
        ("UPDATING", AddonState.WAIT, AddonState.WAIT),
        ("ACTIVE", AddonState.READY, AddonState.READY),
        ("UPDATE_FAILED", AddonState.FAILED, AddonState.FAILED),
    ],
)
def test_judgement(status: str | None, without_nodes: AddonState, with_nodes: AddonState) -> None:
    assert judge(status, has_nodes=False) is without_nodes
    assert judge(status, has_nodes=True) is with_nodes


@given(status=st.sampled_from(STATUSES))
def test_with_nodes_only_active_is_ready(status: str) -> None:
    assert (judge(status, has_nodes=True) is AddonState.READY) == (status == "ACTIVE")
    assert (judge(status, has_nodes=True) is AddonState.FAILED) == status.endswith("_FAILED")
