"""How an operation goes on: durations, order, failures and what follows from them, with a clock that tests turn."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from moto.cloudformation.models import cloudformation_backends

from rehearsal.aws import cloudformation, local, moto_fixes
from rehearsal.aws.cloudformation import changes, engine
from rehearsal.aws.cloudformation.model import Stack
from rehearsal.aws.cloudformation.scope import template_of
from rehearsal.aws.cloudformation.service import Stacks

ACCOUNT, REGION = "123456789012", "eu-west-1"
NAMES = (f"engine-{number}" for number in count())

NETWORK = """
Parameters:
  Cidr: {Type: String, Default: 10.9.0.0/16}
  Zone: {Type: String, Default: eu-west-1a}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: 10.9.0.0/24, AvailabilityZone: !Ref Zone}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
Outputs:
  Subnet: {Value: !Ref Subnet}
"""

GROUPS = """
Parameters:
  Days: {Type: Number, Default: 7}
  Second: {Type: String, Default: PREFIX-second}
Resources:
  First: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: PREFIX-first, RetentionInDays: !Ref Days}}
  Other:
    Type: AWS::Logs::LogGroup
    DependsOn: First
    Properties: {LogGroupName: !Ref Second, RetentionInDays: !Ref Days}
"""


class World:
    """Stacks of one region at real speed, and a clock of its own."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.stacks = Stacks(ACCOUNT, REGION, speed=1.0, now=lambda: self.now)
        self.logs = local.client("logs", REGION)
        self.ec2 = local.client("ec2", REGION)

    def create(self, body: str, **request: Any) -> Stack:
        name = next(NAMES)
        return self.stacks.create({"StackName": name, **request}, body.replace("PREFIX", name))

    def update(self, stack: Stack, **parameters: str) -> None:
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self.stacks.update({"StackName": stack.name, "UsePreviousTemplate": True, "Parameters": given}, None)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.stacks.advance()

    def finish(self, stack: Stack) -> str:
        self.after(10_000)
        return stack.status

    def groups(self, stack: Stack) -> dict[str, int]:
        found = self.logs.describe_log_groups(logGroupNamePrefix=stack.name)["logGroups"]
        return {group["logGroupName"].removeprefix(f"{stack.name}-"): group["retentionInDays"] for group in found}


@pytest.fixture
def world() -> Iterator[World]:
    moto_fixes.install()
    cloudformation.install()
    yield World()
    backend = cloudformation_backends[ACCOUNT][REGION]
    backend.stacks.clear()
    backend.deleted_stacks.clear()


def statuses(stack: Stack, logical_id: str) -> list[str]:
    return [event.status for event in stack.events if event.logical_id == logical_id]


def test_resources_appear_one_after_the_other(world: World) -> None:
    stack = world.create(NETWORK)
    world.after(1)
    assert {name: resource.status for name, resource in stack.resources.items()} == {
        "Vpc": "CREATE_IN_PROGRESS",
        "Gateway": "CREATE_IN_PROGRESS",
    }
    world.after(13)
    assert stack.resources["Vpc"].status == "CREATE_COMPLETE"
    assert stack.resources["Subnet"].status == "CREATE_IN_PROGRESS"
    assert (stack.status, stack.outputs) == ("CREATE_IN_PROGRESS", [])
    world.after(60)
    assert stack.status == "CREATE_COMPLETE"
    assert stack.outputs == [{"OutputKey": "Subnet", "OutputValue": stack.resources["Subnet"].physical_id}]


def test_a_network_takes_as_long_as_its_nat_gateways(world: World) -> None:
    body = (Path(__file__).parents[3] / "include" / "cloudformation" / "network.yaml").read_text()
    given = {
        "Environment": "dev",
        "Platform": "slipway-dev",
        "Zones": "eu-west-1a,eu-west-1b",
        "ZoneCount": "2",
        "PublicCidrs": "10.0.0.0/24,10.0.1.0/24",
        "PrivateCidrs": "10.0.10.0/24,10.0.11.0/24",
        "LogsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1234",
    }
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    stack = world.create(body, Parameters=parameters, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert world.finish(stack) == "CREATE_COMPLETE"
    took = stack.events[-1].moment - stack.created
    assert 150 <= took <= 210, "about three minutes on AWS"
    world.stacks.delete(stack.name, set())
    assert world.finish(stack) == "DELETE_COMPLETE"


def test_events_are_dated_when_they_would_have_happened(world: World) -> None:
    stack = world.create(NETWORK)
    started = world.now
    world.after(10_000)  # nobody looked in between
    moments = [event.moment - started for event in stack.events]
    assert moments == sorted(moments)
    assert 20 <= moments[-1] <= 30


def test_a_stack_survives_a_restart_in_the_middle_of_its_creation(world: World) -> None:
    stack = world.create(NETWORK)
    world.after(14)
    revived: Stack = pickle.loads(pickle.dumps(stack))  # noqa: S301
    engine.advance(revived, world.now + 10_000)
    assert revived.status == "CREATE_COMPLETE"
    assert revived.resources["Vpc"].physical_id == stack.resources["Vpc"].physical_id


def test_a_failed_creation_takes_back_what_it_made(world: World) -> None:
    stack = world.create(NETWORK, Parameters=[{"ParameterKey": "Zone", "ParameterValue": "mars-1a"}])
    assert world.finish(stack) == "ROLLBACK_COMPLETE"
    assert statuses(stack, "Subnet") == ["CREATE_IN_PROGRESS", "CREATE_FAILED"]
    assert statuses(stack, "Vpc")[-1] == "DELETE_COMPLETE"
    reasons = {event.status: event.reason for event in stack.events if event.logical_id == stack.name}
    assert "failed to create: [Subnet]" in str(reasons["ROLLBACK_IN_PROGRESS"])
    assert "mars-1a" in str(next(e.reason for e in stack.events if e.status == "CREATE_FAILED"))
    vpcs = {vpc["VpcId"] for vpc in world.ec2.describe_vpcs()["Vpcs"]}
    assert stack.resources["Vpc"].physical_id not in vpcs


def test_a_failed_creation_can_be_left_as_it_is(world: World) -> None:
    bad = [{"ParameterKey": "Zone", "ParameterValue": "mars-1a"}]
    stack = world.create(NETWORK, Parameters=bad, OnFailure="DO_NOTHING")
    assert world.finish(stack) == "CREATE_FAILED"
    assert stack.resources["Vpc"].physical_id in {vpc["VpcId"] for vpc in world.ec2.describe_vpcs()["Vpcs"]}


def test_a_failed_creation_can_be_deleted_altogether(world: World) -> None:
    bad = [{"ParameterKey": "Zone", "ParameterValue": "mars-1a"}]
    stack = world.create(NETWORK, Parameters=bad, OnFailure="DELETE")
    assert world.finish(stack) == "DELETE_COMPLETE"


def test_retain_except_on_create_means_what_it_says(world: World) -> None:
    body = GROUPS.replace("First: {Type", "First: {DeletionPolicy: RetainExceptOnCreate, Type")
    taken = world.create(body.replace("LogGroupName: !Ref Second", "LogGroupName: PREFIX-first"))
    assert world.finish(taken) == "ROLLBACK_COMPLETE"
    assert world.groups(taken) == {}
    kept = world.create(body, Parameters=[{"ParameterKey": "Second", "ParameterValue": "second"}])
    assert world.finish(kept) == "CREATE_COMPLETE"
    world.stacks.delete(kept.name, set())
    assert world.finish(kept) == "DELETE_COMPLETE"
    assert world.groups(kept) == {"first": 7}
    assert statuses(kept, "First")[-1] == "DELETE_SKIPPED"


def test_an_update_changes_in_place(world: World) -> None:
    stack = world.create(GROUPS)
    world.finish(stack)
    world.update(stack, Days="30")
    assert stack.status == "UPDATE_IN_PROGRESS"
    assert world.finish(stack) == "UPDATE_COMPLETE"
    assert set(world.groups(stack).values()) == {30}
    assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" in statuses(stack, stack.name)


def test_a_replacement_is_made_before_the_old_one_goes(world: World) -> None:
    stack = world.create(GROUPS)
    world.finish(stack)
    world.update(stack, Second=f"{stack.name}-third")
    assert world.finish(stack) == "UPDATE_COMPLETE"
    assert set(world.groups(stack)) == {"first", "third"}
    own = [event for event in stack.events if event.logical_id == "Other"]
    made = next(e.moment for e in own if e.status == "UPDATE_COMPLETE")
    gone = next(e.moment for e in own if e.status == "DELETE_COMPLETE")
    assert made < gone


def test_a_failed_update_goes_back_to_what_was(world: World) -> None:
    stack = world.create(GROUPS)
    world.finish(stack)
    world.update(stack, Days="30", Second=f"{stack.name}-first")  # a name that is taken
    assert world.finish(stack) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.groups(stack) == {"first": 7, "second": 7}
    assert stack.parameters == {}
    assert "UPDATE_FAILED" in statuses(stack, "Other")
    assert statuses(stack, "Other")[-1] == "UPDATE_COMPLETE"


def test_a_rollback_that_fails_can_be_continued(world: World) -> None:
    stack = world.create(GROUPS)
    world.finish(stack)
    world.update(stack, Days="30", Second="x" * 600)  # longer than a name may be
    world.after(0.1)
    world.logs.delete_log_group(logGroupName=f"{stack.name}-first")  # behind the stack's back
    assert world.finish(stack) == "UPDATE_ROLLBACK_FAILED"
    world.stacks.continue_rollback(stack.name, {"First"})
    assert world.finish(stack) == "UPDATE_ROLLBACK_COMPLETE"


def test_a_foreign_interface_stops_the_deletion_until_it_is_gone(world: World) -> None:
    stack = world.create(NETWORK)
    world.finish(stack)
    subnet = str(stack.resources["Subnet"].physical_id)
    interface = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    world.stacks.delete(stack.name, set())
    assert world.finish(stack) == "DELETE_FAILED"
    failed = {name for name, resource in stack.resources.items() if resource.status == "DELETE_FAILED"}
    assert failed == {"Subnet"}
    assert "has dependencies and cannot be deleted" in str(stack.resources["Subnet"].reason)
    assert stack.resources["Vpc"].status == "CREATE_COMPLETE", "not tried while its subnet is there"
    world.ec2.delete_network_interface(NetworkInterfaceId=interface)
    world.stacks.delete(stack.name, set())
    assert world.finish(stack) == "DELETE_COMPLETE"


def test_a_failed_deletion_can_leave_named_resources(world: World) -> None:
    stack = world.create(NETWORK)
    world.finish(stack)
    world.ec2.create_network_interface(SubnetId=stack.resources["Subnet"].physical_id)
    world.stacks.delete(stack.name, set())
    world.finish(stack)
    world.stacks.delete(stack.name, {"Subnet", "Vpc"})
    assert world.finish(stack) == "DELETE_COMPLETE"
    assert stack.resources["Subnet"].status == "DELETE_SKIPPED"


def test_a_deletion_during_creation_wins(world: World) -> None:
    stack = world.create(NETWORK)
    world.after(14)
    world.stacks.delete(stack.name, set())
    assert world.finish(stack) == "DELETE_COMPLETE"
    assert stack.resources["Vpc"].physical_id not in {vpc["VpcId"] for vpc in world.ec2.describe_vpcs()["Vpcs"]}


def test_what_needs_a_resource_goes_before_it(world: World) -> None:
    stack = world.create(NETWORK)
    world.finish(stack)
    world.stacks.delete(stack.name, set())
    assert world.finish(stack) == "DELETE_COMPLETE"
    gone = [event.logical_id for event in stack.events if event.status == "DELETE_COMPLETE"]
    template = template_of(stack, stack.body, stack.parameters)
    for name in changes.order(template):
        assert all(gone.index(name) < gone.index(needed) for needed in template.needs(name))


def test_a_custom_name_cannot_be_made_twice(world: World) -> None:
    template = """
Parameters: {Version: {Type: String, Default: "10.9.0.0/16"}}
Resources:
  Alias: {Type: AWS::KMS::Alias, Properties: {AliasName: !Sub "alias/${Version}", TargetKeyId: !Ref Key}}
  Key: {Type: AWS::KMS::Key}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: PREFIX-role
      Path: !Sub "/${Version}/"
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
"""
    one = [{"ParameterKey": "Version", "ParameterValue": "one"}]
    stack = world.create(template, Parameters=one, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert world.finish(stack) == "CREATE_COMPLETE"
    two = [{"ParameterKey": "Version", "ParameterValue": "two"}]
    request = {"StackName": stack.name, "Parameters": two, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    world.stacks.update({**request, "UsePreviousTemplate": True}, None)
    assert world.finish(stack) == "UPDATE_ROLLBACK_COMPLETE", [
        e.reason for e in stack.events if e.status.endswith("FAILED")
    ]
    failed = next(event for event in stack.events if event.status == "UPDATE_FAILED" and event.logical_id == "Role")
    assert "custom-named resource requires replacing" in str(failed.reason)
