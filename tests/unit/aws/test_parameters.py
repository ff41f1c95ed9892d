"""Parameters of the stacks, against the templates themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.catalog.paths import cloudformation_dir
from slipway.decisions import templates
from slipway.decisions.parameters import NEEDS, Facts, choose_zones, nodegroup_parameters, stack_parameters
from slipway.model.environment import Network
from slipway.model.errors import ConfigurationError, RefusedError
from slipway.model.platform import Platform, Stack

from tests.unit.aws.conftest import make_platform

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
FACTS = Facts(
    outputs={
        Stack.STATE: {"AuditBucketName": "audit", "StateKeyArn": KEY},
        Stack.ENCRYPTION: {"SecretsKeyArn": KEY, "LogsKeyArn": KEY, "DataKeyArn": KEY},
    },
    zones=["us-east-1a", "us-east-1b", "us-east-1c"],
)


def template(name: str) -> str:
    return (cloudformation_dir() / f"{name}.yaml").read_text()


@pytest.mark.parametrize("stack", list(Stack))
def test_every_stack_gets_what_its_template_asks_and_nothing_else(stack: Stack, platform: Platform) -> None:
    given_parameters = stack_parameters(stack, platform, FACTS)
    declared = set(templates.parse(template(stack.value))["Parameters"])
    assert set(given_parameters) <= declared
    assert templates.required(template(stack.value)) <= set(given_parameters)


@pytest.mark.parametrize("name", [*(stack.value for stack in Stack), "nodegroup"])
def test_templates_fit_into_a_request(name: str) -> None:
    assert len(template(name).encode()) <= 51_200


def test_a_node_groups_stack_gets_what_its_template_asks() -> None:
    platform = make_platform(tags={"team": "platform", "cost-center": "42"})
    (group,) = platform.node_groups(list(FACTS.zones))
    parameters = nodegroup_parameters(group, platform, FACTS)
    assert templates.required(template("nodegroup")) <= set(parameters)
    assert set(parameters) <= set(templates.parse(template("nodegroup"))["Parameters"])
    assert (parameters["Tag1"], parameters["Tag2"]) == ("cost-center=42", "team=platform")


@pytest.mark.parametrize("stack", [stack for stack in Stack if NEEDS[stack]])
def test_a_missing_stack_is_named(stack: Stack, platform: Platform) -> None:
    with pytest.raises(RefusedError, match=r"no such stack.*run the stage infrastructure"):
        stack_parameters(stack, platform, Facts(outputs={}, zones=FACTS.zones))


def test_a_missing_output_is_named(platform: Platform) -> None:
    facts = Facts(outputs={Stack.ENCRYPTION: {"LogsKeyArn": KEY}})
    with pytest.raises(RefusedError, match=r"Outputs\.SecretsKeyArn: found outputs LogsKeyArn"):
        stack_parameters(Stack.IDENTITY, platform, facts)


@pytest.mark.parametrize(
    ("usd", "text"), [(400, "400"), (99.5, "99.5"), (1_000_000, "1000000"), (1234.567, "1234.57"), (10, "10")]
)
def test_the_budget_is_written_as_a_plain_number(usd: float, text: str) -> None:
    platform = make_platform(budget={"monthly_usd": usd, "emails": ["a@b.cd"]})
    parameters = stack_parameters(Stack.BUDGET, platform, FACTS)
    assert parameters["MonthlyUsd"] == text
    assert parameters["Email1"] == "a@b.cd"


def test_efs_gets_its_role_only_with_its_add_on() -> None:
    addon = {"service_account": "efs-csi-controller-sa", "role": "EfsCsiRoleArn"}
    with_efs = make_platform(addons={"aws-efs-csi-driver": addon})
    assert stack_parameters(Stack.IDENTITY, with_efs, FACTS)["Efs"] == "true"
    assert stack_parameters(Stack.IDENTITY, make_platform(), FACTS)["Efs"] == "false"


ZONES = [f"us-east-1{letter}" for letter in "abcdef"]


def network(zones: int | list[str]) -> Network:
    return Network(cidr="10.0.0.0/16", zones=zones)


@given(
    wanted=st.integers(2, 3),
    available=st.sets(st.sampled_from(ZONES), min_size=3),
    more=st.sets(st.sampled_from(ZONES)),
    gone=st.sets(st.sampled_from(ZONES)),
)
def test_a_network_keeps_its_zones_whatever_the_region_does(
    wanted: int, available: set[str], more: set[str], gone: set[str]
) -> None:
    first = choose_zones(network(wanted), [], sorted(available), "file")
    assert first == sorted(available)[:wanted]
    assert choose_zones(network(wanted), first, sorted((available | more) - gone), "file") == first


def test_a_zone_more_leaves_the_others_in_place() -> None:
    assert choose_zones(network(3), ["us-east-1c", "us-east-1b"], ZONES, "f") == [
        "us-east-1c",
        "us-east-1b",
        "us-east-1a",
    ]


def test_named_zones_come_as_named() -> None:
    named = ["us-east-1d", "us-east-1a"]
    assert choose_zones(network(named), ["us-east-1a", "us-east-1b"], ZONES, "f") == named


@pytest.mark.parametrize(("zones", "found"), [(3, "1 more"), (["us-east-1a", "us-east-1x"], "us-east-1x")])
def test_zones_that_cannot_be_had_are_named(zones: int | list[str], found: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{found} cannot be had"):
        choose_zones(network(zones), [], ["us-east-1a", "us-east-1b"], "f")
