"""CloudFormation's API as callers know it: what it refuses, in which words, and the life of a change set."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.cloudformation.conftest import Aws

NAMES = (f"api-{number}" for number in count())
GROUP = """
Description: One log group
Parameters:
  Days: {Type: Number, Default: 7, AllowedValues: [7, 30], Description: How long}
Resources:
  Group: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
Outputs:
  Name: {Value: !Ref Group, Description: The group}
"""
ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
"""


@pytest.fixture
def name() -> str:
    return next(NAMES)


def code_and_message(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    said = error.value.response["Error"]
    return said["Code"], said["Message"]


def refused(aws: Aws, body: str, parameters: dict[str, Any] | None = None) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        aws.stacks.create_stack(**aws.request("refused", body, parameters))
    with pytest.raises(ClientError, match="does not exist"):
        aws.describe("refused")
    return code_and_message(error)


def made(aws: Aws, name: str, body: str = GROUP) -> dict[str, Any]:
    aws.stacks.create_stack(**aws.request(name, body))
    return aws.settle(name)


@pytest.mark.parametrize(
    ("body", "parameters", "message"),
    [
        ("Resources: {}", {}, "At least one Resources member must be defined"),
        ("[", {}, "YAML not well-formed"),
        ("Resources: {A: {Type: AWS::No::Such}}", {}, "Unrecognized resource types: [AWS::No::Such]"),
        ("Resources: {A: {Type: AWS::EKS::Cluster}}", {}, "the rehearsal cannot make AWS::EKS::Cluster; AWS can"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {A: {Type: AWS::KMS::Key}}", {}, "[Transform]"),
        ("Resources: {A: {Type: AWS::KMS::Key, Properties: {Colour: red}}}", {}, "extraneous key [Colour]"),
        ("Resources: {A: {Type: AWS::KMS::Alias, Properties: {TargetKeyId: x}}}", {}, "required key [AliasName]"),
        ("Resources: {A: {Type: AWS::KMS::Key, Properties: {Description: !Ref B}}}", {}, "dependencies [B]"),
        (
            "Resources: {A: {Type: AWS::KMS::Key}, "
            "B: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/b, TargetKeyId: !GetAtt A.Colour}}}",
            {},
            "does not support attribute Colour",
        ),
        (
            "Resources: {A: {Type: AWS::KMS::Key, DependsOn: B}, B: {Type: AWS::KMS::Key, DependsOn: A}}",
            {},
            "Circular dependency between resources",
        ),
        (GROUP, {"Days": 8}, "must be one of AllowedValues: [7, 30]"),
        (GROUP, {"Months": 8}, "Parameters: [Months] do not exist in the template"),
        (GROUP.replace("Default: 7, ", ""), {}, "Parameters: [Days] must have values"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_made(
    server: Aws, body: str, parameters: dict[str, Any], message: str
) -> None:
    code, said = refused(server, body, parameters)
    assert code == "ValidationError"
    assert message in said


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ('{Type: String, AllowedPattern: "[a-z]+", ConstraintDescription: lower case}', "Ab", "constraint: lower case"),
        ('{Type: String, AllowedPattern: "[a-z]+"}', "ab1", "regular expression pattern: [a-z]+"),
        ('{Type: CommaDelimitedList, AllowedPattern: "[a-z]+"}', "ab,cd,9", "regular expression pattern"),
        ("{Type: Number, MinValue: 2}", "1", "not less than 2"),
        ("{Type: Number, MaxValue: 2}", "3", "not greater than 2"),
        ("{Type: Number}", "many", "must be a number"),
        ("{Type: String, MinLength: 3}", "ab", "length greater than or equal to 3"),
        ("{Type: String, MaxLength: 3}", "abcd", "length less than or equal to 3"),
        ("{Type: List<AWS::EC2::AvailabilityZone::Name>}", "us-east-1a,us-east-1z", "us-east-1z"),
    ],
)
def test_parameters_are_held_to_their_constraints(server: Aws, spec: str, value: str, message: str) -> None:
    body = f"Parameters: {{P: {spec}}}\nResources: {{A: {{Type: AWS::KMS::Key}}}}"
    code, said = refused(server, body, {"P": value})
    assert code == "ValidationError"
    assert message in said


def test_rules_refuse_combinations(server: Aws) -> None:
    body = """
Parameters: {Nat: {Type: String}, Endpoints: {Type: String}}
Rules:
  Isolated:
    RuleCondition: !Equals [!Ref Nat, none]
    Assertions: [{Assert: !Equals [!Ref Endpoints, private], AssertDescription: nodes need a way out}]
Resources: {A: {Type: AWS::KMS::Key}}
"""
    assert "nodes need a way out" in refused(server, body, {"Nat": "none", "Endpoints": "images"})[1]


def test_iam_has_to_be_acknowledged(server: Aws, name: str) -> None:
    request = {**server.request(name, ROLE), "Capabilities": []}
    with pytest.raises(ClientError) as error:
        server.stacks.create_stack(**request)
    assert code_and_message(error) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
    named = {**request, "TemplateBody": ROLE.replace("Properties:", "Properties:\n      RoleName: x")}
    with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM"):
        server.stacks.create_stack(**{**named, "Capabilities": ["CAPABILITY_IAM"]})


def test_a_name_is_taken_once_but_a_token_may_repeat(server: Aws, name: str) -> None:
    request = {**server.request(name, GROUP), "ClientRequestToken": "one"}
    first = server.stacks.create_stack(**request)
    assert server.stacks.create_stack(**request)["StackId"] == first["StackId"]
    with pytest.raises(ClientError) as error:
        server.stacks.create_stack(**{**request, "ClientRequestToken": "two"})
    assert code_and_message(error) == ("AlreadyExistsException", f"Stack [{name}] already exists")


def test_an_absent_stack_is_told_apart_by_its_words(server: Aws) -> None:
    with pytest.raises(ClientError) as error:
        server.describe("nowhere")
    assert code_and_message(error) == ("ValidationError", "Stack with id nowhere does not exist")
    server.stacks.delete_stack(StackName="nowhere")  # deleting nothing succeeds


def test_a_deleted_stack_is_found_by_its_id_only(server: Aws, name: str) -> None:
    stack = made(server, name)
    server.stacks.delete_stack(StackName=name)
    assert server.settle(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        server.describe(name)
    summaries = server.stacks.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert stack["StackId"] in {summary["StackId"] for summary in summaries}


def test_termination_protection(server: Aws, name: str) -> None:
    server.stacks.create_stack(**server.request(name, GROUP), EnableTerminationProtection=True)
    assert server.settle(name)["EnableTerminationProtection"] is True
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        server.stacks.delete_stack(StackName=name)
    server.stacks.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    server.stacks.delete_stack(StackName=name)


def test_life_of_a_change_set_that_creates(server: Aws, name: str) -> None:
    proposal = server.propose("CREATE", **server.request(name, GROUP))
    assert server.describe(name)["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert (proposal["Status"], proposal["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    (change,) = proposal["Changes"]
    assert change == {
        "Type": "Resource",
        "ResourceChange": {"Action": "Add", "LogicalResourceId": "Group", "ResourceType": "AWS::Logs::LogGroup"},
    }
    stack = server.execute(proposal)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Description"] == "One log group"
    assert stack["Outputs"][0]["Description"] == "The group"
    described = server.stacks.describe_change_set(StackName=name, ChangeSetName=proposal["ChangeSetName"])
    assert described["ExecutionStatus"] == "EXECUTE_COMPLETE"
    with pytest.raises(ClientError) as error:
        server.stacks.execute_change_set(StackName=name, ChangeSetName=proposal["ChangeSetName"])
    assert error.value.response["Error"]["Code"] == "InvalidChangeSetStatus"
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        server.propose("CREATE", **server.request(name, GROUP))


def test_life_of_a_change_set_that_updates(server: Aws, name: str) -> None:
    made(server, name)
    proposal = server.propose("UPDATE", **server.request(name, GROUP, {"Days": 30}))
    (change,) = proposal["Changes"]
    group = server.physical_id(name, "Group")
    assert change["ResourceChange"] == {
        "Action": "Modify",
        "LogicalResourceId": "Group",
        "PhysicalResourceId": group,
        "ResourceType": "AWS::Logs::LogGroup",
        "Replacement": "False",
        "Scope": ["Properties"],
        "Details": [
            {
                "Target": {"Attribute": "Properties", "Name": "RetentionInDays", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "ParameterReference",
                "CausingEntity": "Days",
            }
        ],
    }
    other = server.propose("UPDATE", **server.request(name, GROUP, {"Days": 30}))
    assert server.execute(proposal)["StackStatus"] == "UPDATE_COMPLETE"
    found = server.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [entry["retentionInDays"] for entry in found] == [30]
    with pytest.raises(ClientError) as error:
        server.stacks.describe_change_set(StackName=name, ChangeSetName=other["ChangeSetName"])
    assert error.value.response["Error"]["Code"] == "ChangeSetNotFound", "computed against a stack that has changed"


def test_a_change_set_for_nothing(server: Aws, name: str) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        server.propose("UPDATE", **server.request(name, GROUP))
    made(server, name)
    empty = server.propose("UPDATE", **server.request(name, GROUP))
    with pytest.raises(ClientError) as error:
        server.stacks.execute_change_set(StackName=name, ChangeSetName=empty["ChangeSetName"])
    assert error.value.response["Error"]["Code"] == "InvalidChangeSetStatus"
    server.stacks.delete_change_set(StackName=name, ChangeSetName=empty["ChangeSetName"])
    assert server.stacks.list_change_sets(StackName=name)["Summaries"] == []


def test_outputs_alone_are_a_change(server: Aws, name: str) -> None:
    made(server, name)
    proposal = server.propose("UPDATE", **server.request(name, GROUP.replace("The group", "Our group")))
    assert (proposal["Status"], proposal["Changes"]) == ("CREATE_COMPLETE", [])
    assert server.execute(proposal)["Outputs"][0]["Description"] == "Our group"


def test_a_failed_creation_cannot_be_updated(server: Aws, name: str) -> None:
    body = GROUP.replace("{RetentionInDays: !Ref Days}", "{LogGroupName: '" + "x" * 600 + "'}")
    assert made(server, name, body)["StackStatus"] == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        server.propose("UPDATE", **server.request(name, GROUP))


def test_previous_values_and_template_are_kept(server: Aws, name: str) -> None:
    server.stacks.create_stack(**server.request(name, GROUP, {"Days": 30}))
    server.settle(name)
    previous = [{"ParameterKey": "Days", "UsePreviousValue": True}]
    request = {"StackName": name, "UsePreviousTemplate": True, "Tags": [{"Key": "team", "Value": "data"}]}
    server.stacks.update_stack(**request, Parameters=previous)
    stack = server.settle(name)
    assert stack["Parameters"] == [{"ParameterKey": "Days", "ParameterValue": "30"}]
    assert stack["Tags"] == [{"Key": "team", "Value": "data"}]
    tags = server.client("logs").list_tags_log_group(logGroupName=server.physical_id(name, "Group"))["tags"]
    assert tags["team"] == "data"
    assert "slipway:platform" not in tags
    assert server.stacks.get_template(StackName=name)["TemplateBody"] == GROUP


def test_drift_names_the_property(server: Aws, name: str) -> None:
    made(server, name)
    group = server.physical_id(name, "Group")
    logs = server.client("logs")
    logs.put_retention_policy(logGroupName=group, retentionInDays=365)
    server.stacks.detect_stack_drift(StackName=name)
    assert server.describe(name)["DriftInformation"]["StackDriftStatus"] == "DRIFTED"
    (drift,) = server.stacks.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"]
    assert drift["PropertyDifferences"] == [
        {"PropertyPath": "/RetentionInDays", "ExpectedValue": "7", "ActualValue": "365", "DifferenceType": "NOT_EQUAL"}
    ]
    logs.delete_log_group(logGroupName=group)
    server.stacks.detect_stack_drift(StackName=name)
    (drift,) = server.stacks.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"]
    assert drift["StackResourceDriftStatus"] == "DELETED"


def test_templates_can_be_looked_at_beforehand(server: Aws) -> None:
    summary = server.stacks.get_template_summary(TemplateBody=GROUP)
    assert summary["ResourceTypes"] == ["AWS::Logs::LogGroup"]
    (parameter,) = summary["Parameters"]
    assert (parameter["ParameterKey"], parameter["DefaultValue"]) == ("Days", "7")
    assert server.stacks.validate_template(TemplateBody=ROLE)["Capabilities"] == ["CAPABILITY_IAM"]


def test_resources_and_events_are_listed(server: Aws, name: str) -> None:
    stack = made(server, name)
    group = server.physical_id(name, "Group")
    (summary,) = server.stacks.list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert (summary["PhysicalResourceId"], summary["ResourceStatus"]) == (group, "CREATE_COMPLETE")
    owned = server.stacks.describe_stack_resources(PhysicalResourceId=group)["StackResources"]
    assert [resource["StackId"] for resource in owned] == [stack["StackId"]]
    assert server.events(name) == [
        (name, "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_COMPLETE"),
        (name, "CREATE_COMPLETE"),
    ]


def test_types_beyond_our_own_are_made_by_moto_but_not_changed(server: Aws, name: str) -> None:
    body = """
Parameters: {Title: {Type: String, Default: one}}
Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Title}}}
Outputs: {Topic: {Value: !Ref Topic}}
"""
    stack = made(server, name, body)
    assert stack["Outputs"][0]["OutputValue"].startswith("arn:aws:sns:")
    server.stacks.update_stack(**server.request(name, body, {"Title": "two"}))
    assert server.settle(name)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert "cannot change AWS::SNS::Topic in place" in server.reasons(name, "UPDATE_FAILED")["Topic"]
    server.stacks.detect_stack_drift(StackName=name)
    (drift,) = server.stacks.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"]
    assert drift["StackResourceDriftStatus"] == "NOT_CHECKED"
    server.stacks.delete_stack(StackName=name)
    assert server.settle(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert server.client("sns").list_topics()["Topics"] == []
