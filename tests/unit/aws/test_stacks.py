"""What to do about a stack, and what a change set may do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions import templates
from slipway.decisions.stacks import (
    STATEFUL_TYPES,
    StackStep,
    changed_parameters,
    executed_changes,
    next_step,
    planned_changes,
    unapproved,
)
from slipway.model.platform import Platform
from slipway.model.records import Action
from slipway.model.stack import ChangeSet, LiveStack, ResourceChange, WantedStack, from_response

TEMPLATE = """
Description: a bucket
Parameters:
  Name: {Type: String}
  Days: {Type: Number, Default: 30}
Conditions:
  Long: !Not [!Equals [!Ref Days, "30"]]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub "${Name}-data"}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !If [Long, long, short]
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Arn: {Description: its ARN, Value: !GetAtt Bucket.Arn}
"""


@pytest.fixture
def wanted(platform: Platform) -> WantedStack:
    return WantedStack("slipway-dev-x", TEMPLATE, {"Name": "a"}, platform.tags)


@pytest.fixture
def live(wanted: WantedStack) -> LiveStack:
    """The wanted stack as CloudFormation describes it, defaults and all."""
    return LiveStack(
        wanted.name, "UPDATE_COMPLETE", template=TEMPLATE, parameters={"Name": "a", "Days": "30"}, tags=wanted.tags
    )


def test_what_is_wanted_is_kept(live: LiveStack, wanted: WantedStack, platform: Platform) -> None:
    assert next_step(live, wanted, platform) is StackStep.KEEP
    assert {change.action for change in planned_changes(live, wanted)} == {Action.KEEP}


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("CREATE_IN_PROGRESS", StackStep.WAIT),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", StackStep.WAIT),
        ("DELETE_IN_PROGRESS", StackStep.WAIT),
        ("ROLLBACK_COMPLETE", StackStep.RECREATE),
        ("ROLLBACK_FAILED", StackStep.RECREATE),
        ("DELETE_FAILED", StackStep.STUCK),
        ("UPDATE_ROLLBACK_FAILED", StackStep.STUCK),
        ("DELETE_COMPLETE", StackStep.CREATE),
        ("UPDATE_ROLLBACK_COMPLETE", StackStep.KEEP),
        ("IMPORT_COMPLETE", StackStep.KEEP),
    ],
)
def test_each_status_has_its_step(
    live: LiveStack, wanted: WantedStack, platform: Platform, status: str, step: StackStep
) -> None:
    assert next_step(replace(live, status=status), wanted, platform) is step


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_FAILED"])
def test_a_foreign_stack_is_refused_whatever_its_status(
    live: LiveStack, wanted: WantedStack, platform: Platform, status: str
) -> None:
    assert next_step(replace(live, status=status, tags={"team": "other"}), wanted, platform) is StackStep.REFUSE


def test_a_stack_under_review_is_ours_unless_somebody_elses_change_set_is_in_it(
    wanted: WantedStack, platform: Platform
) -> None:
    review = LiveStack(wanted.name, "REVIEW_IN_PROGRESS")
    assert next_step(review, wanted, platform) is StackStep.CREATE
    mine = replace(review, change_sets=(wanted.change_set,))
    assert next_step(mine, wanted, platform) is StackStep.CREATE
    theirs = replace(review, change_sets=(wanted.change_set, "terraform"))
    assert next_step(theirs, wanted, platform) is StackStep.REFUSE


def test_prose_does_not_change_a_stack(live: LiveStack, wanted: WantedStack, platform: Platform) -> None:
    edited = TEMPLATE.replace("a bucket", "one bucket").replace("its ARN", "the ARN") + "\n# a comment\n"
    assert next_step(live, replace(wanted, template=edited), platform) is StackStep.KEEP


def test_a_parameter_changes_what_refers_to_it_directly_or_by_a_condition(live: LiveStack, wanted: WantedStack) -> None:
    longer = replace(wanted, parameters={"Name": "a", "Days": "60"})
    assert changed_parameters(live, longer) == ["Days"]
    changes = {change.resource: change for change in planned_changes(live, longer)}
    assert changes["AWS::SNS::Topic slipway-dev-x/Topic"].action is Action.CHANGE
    assert changes["AWS::S3::Bucket slipway-dev-x/Bucket"].action is Action.KEEP
    renamed = replace(wanted, parameters={"Name": "b"})
    changes = {change.resource: change for change in planned_changes(live, renamed)}
    assert changes["AWS::S3::Bucket slipway-dev-x/Bucket"].note == "by Name"


def test_resources_come_change_and_go(live: LiveStack, wanted: WantedStack) -> None:
    edited = TEMPLATE.replace("Queue:\n    Type: AWS::SQS::Queue", "Key:\n    Type: AWS::KMS::Key")
    edited = edited.replace("TopicName: !If [Long, long, short]", "TopicName: other")
    changes = {change.resource: change for change in planned_changes(live, replace(wanted, template=edited))}
    assert changes["AWS::KMS::Key slipway-dev-x/Key"].action is Action.CREATE
    assert changes["AWS::SQS::Queue slipway-dev-x/Queue"].action is Action.DELETE
    assert changes["AWS::SNS::Topic slipway-dev-x/Topic"].fields == ["Properties.TopicName"]


def test_tags_alone_are_a_change(live: LiveStack, wanted: WantedStack, platform: Platform) -> None:
    tagged = replace(wanted, tags={**wanted.tags, "team": "platform"})
    assert next_step(live, tagged, platform) is StackStep.UPDATE
    assert planned_changes(live, tagged)[-1].fields == ["tags.team"]


def test_a_live_stack_that_leaves_defaults_out_is_the_same(live: LiveStack, wanted: WantedStack) -> None:
    assert changed_parameters(replace(live, parameters={"Name": "a"}), wanted) == []


def test_the_same_request_has_the_same_change_set(wanted: WantedStack) -> None:
    assert wanted.change_set == replace(wanted).change_set
    others = [replace(wanted, parameters={"Name": "b"}), replace(wanted, tags={}), replace(wanted, name="y")]
    assert len({one.change_set for one in [wanted, *others]}) == 4


@pytest.mark.parametrize(
    ("action", "replacement", "refused"),
    [
        ("Add", "", False),
        ("Modify", "False", False),
        ("Modify", "Conditional", True),
        ("Modify", "True", True),
        ("Remove", "", True),
        ("Dynamic", "", True),
    ],
)
def test_only_replacing_or_removing_something_stateful_needs_approval(
    action: str, replacement: str, refused: bool
) -> None:
    vpc = ResourceChange(action, "Vpc", "AWS::EC2::VPC", replacement)
    rule = ResourceChange(action, "Rule", "AWS::Events::Rule", replacement)
    assert bool(unapproved("slipway-dev-network", [vpc, rule], [], "network")) is refused
    assert not unapproved("slipway-dev-network", [vpc], ["network/Vpc"], "network")
    assert not unapproved("slipway-dev-network", [vpc], ["slipway-dev-network/Vpc"], "network")
    assert bool(unapproved("slipway-dev-network", [vpc], ["audit/Vpc"], "network")) is refused


@given(
    st.lists(
        st.builds(
            ResourceChange,
            action=st.sampled_from(["Add", "Modify", "Remove", "Dynamic", "Import"]),
            logical_id=st.sampled_from("ABCD"),
            type=st.sampled_from([*sorted(STATEFUL_TYPES), "AWS::Events::Rule"]),
            replacement=st.sampled_from(["", "True", "False", "Conditional"]),
        )
    ),
    st.sets(st.sampled_from([f"network/{name}" for name in "ABCD"])),
)
def test_approving_more_never_refuses_more(changes: list[ResourceChange], approved: set[str]) -> None:
    refused = unapproved("s", changes, approved, "network")
    assert set(refused) <= set(unapproved("s", changes, [], "network"))
    assert not {f"network/{change.logical_id}" for change in refused} & approved


def test_a_change_set_is_read_and_reported() -> None:
    page = {
        "Changes": [
            {
                "ResourceChange": {
                    "Action": "Modify",
                    "LogicalResourceId": "Vpc",
                    "ResourceType": "AWS::EC2::VPC",
                    "Replacement": "True",
                    "Details": [{"Target": {"Attribute": "Properties", "Name": "CidrBlock"}}, {"Target": {}}],
                }
            },
            {"HookInvocationCount": 1},
        ]
    }
    (change,) = executed_changes("slipway-dev-network", from_response(page))
    assert (change.action, change.resource, change.fields) == (
        Action.REPLACE,
        "AWS::EC2::VPC slipway-dev-network/Vpc",
        ["CidrBlock"],
    )


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_is_no_failure(reason: str) -> None:
    assert ChangeSet("x", "FAILED", "UNAVAILABLE", reason, ()).is_empty
    assert not ChangeSet("x", "FAILED", "UNAVAILABLE", "Template error", ()).is_empty


def test_templates_are_read_with_short_forms() -> None:
    parsed = templates.parse(TEMPLATE)
    assert parsed["Outputs"]["Arn"]["Value"] == {"Fn::GetAtt": ["Bucket", "Arn"]}
    assert templates.references(parsed["Resources"]["Bucket"]) == {"Name"}
    assert templates.references(parsed["Resources"]["Topic"]) == {"Long"}
    assert templates.defaults(TEMPLATE) == {"Days": "30"}
    assert templates.required(TEMPLATE) == {"Name"}
    with pytest.raises(ValueError, match="not a CloudFormation template"):
        templates.parse("- a list")
