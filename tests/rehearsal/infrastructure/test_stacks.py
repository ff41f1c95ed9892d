"""Stacks against CloudFormation: created, changed, adopted, refused, mended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from slipway.model.errors import StuckError
from slipway.model.platform import Stack

from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage, acquire, stack


@pytest.fixture
def stage(environment: EnvironmentFile) -> Stage:
    """A stage whose run holds the lease."""
    stage = Stage(environment)
    stage.run(acquire())
    return stage


def describe(aws: Aws, stage: Stage, name: Stack) -> dict[str, Any]:
    full = stage.environment.platform.stack_name(name)
    found: dict[str, Any] = aws.client("cloudformation").describe_stacks(StackName=full)["Stacks"][0]
    return found


def test_created_once_changed_when_it_differs_and_left_alone_when_not(aws: Aws, stage: Stage) -> None:
    made = stage.run(stack(Stack.BUDGET))
    assert [change["action"] for change in made.value] == ["create"]
    tags = {tag["Key"]: tag["Value"] for tag in describe(aws, stage, Stack.BUDGET)["Tags"]}
    assert tags == stage.environment.platform.tags

    again = stage.run(stack(Stack.BUDGET))
    assert (again.value, again.waits) == ([], [])

    stage.environment.edit(lambda content: content["budget"].update(monthly_usd=500))
    planned = stage.run(stack(Stack.BUDGET), plan_only=True).value
    assert [(change["action"], change["note"]) for change in planned] == [("change", "by MonthlyUsd")]
    changed = stage.run(stack(Stack.BUDGET)).value
    assert [change["resource"] for change in changed] == [change["resource"] for change in planned]
    parameters = {
        item["ParameterKey"]: item["ParameterValue"] for item in describe(aws, stage, Stack.BUDGET)["Parameters"]
    }
    assert parameters["MonthlyUsd"] == "500"


def test_a_killed_try_is_taken_up_where_it_stopped(aws: Aws, stage: Stage) -> None:
    killed = stage.run(stack(Stack.ENCRYPTION), stop_at="StackTrigger")
    assert killed.waits[-1] == "StackTrigger"
    made = describe(aws, stage, Stack.ENCRYPTION)["CreationTime"]
    stage.run(stack(Stack.ENCRYPTION))
    after = describe(aws, stage, Stack.ENCRYPTION)
    assert (after["CreationTime"], after["StackStatus"]) == (made, "CREATE_COMPLETE")


def test_a_stack_of_somebody_else_is_left_untouched(aws: Aws, stage: Stage) -> None:
    name = stage.environment.platform.stack_name(Stack.BUDGET)
    template = json.dumps({"Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}}})
    aws.client("cloudformation").create_stack(StackName=name, TemplateBody=template)
    before = aws.mutating_calls()
    for plan_only in (True, False):
        with pytest.raises(AirflowFailException, match=f"{name}: tags: found a stack with tags none"):
            stage.run(stack(Stack.BUDGET), plan_only=plan_only)
    assert aws.mutating_calls() == before


def test_replacing_the_network_needs_approval_by_name(aws: Aws, stage: Stage) -> None:
    stage.run(stack(Stack.ENCRYPTION))
    stage.run(stack(Stack.NETWORK))
    vpc = outputs(aws, stage, Stack.NETWORK)["VpcId"]
    stage.environment.edit(lambda content: content["network"].update(cidr="10.99.0.0/16"))
    with pytest.raises(AirflowFailException, match=r"run again with approve: .*network/Vpc") as refused:
        stage.run(stack(Stack.NETWORK))
    assert "replacement: True" in str(refused.value)
    name = stage.environment.platform.stack_name(Stack.NETWORK)
    change_sets = aws.client("cloudformation").list_change_sets(StackName=name)["Summaries"]
    assert [entry for entry in change_sets if entry["ExecutionStatus"] == "AVAILABLE"] == []
    assert outputs(aws, stage, Stack.NETWORK)["VpcId"] == vpc


def test_the_default_security_group_is_empty_and_stays_so(aws: Aws, stage: Stage) -> None:
    stage.run(stack(Stack.ENCRYPTION))
    stage.run(stack(Stack.NETWORK))
    group = outputs(aws, stage, Stack.NETWORK)["DefaultSecurityGroupId"]
    ec2 = aws.client("ec2")

    def rules() -> int:
        found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return len(found["IpPermissions"]) + len(found["IpPermissionsEgress"])

    assert rules() == 0
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    )
    planned = stage.run(stack(Stack.NETWORK), plan_only=True).value
    changes = stage.run(stack(Stack.NETWORK)).value
    assert changes == planned
    assert [change["note"] for change in changes] == ["default security group: 1 rules revoked"]
    assert rules() == 0


def test_a_failed_creation_says_why_and_is_made_anew_once_mended(aws: Aws, stage: Stage) -> None:
    stage.run(stack(Stack.ENCRYPTION))
    logs, name = aws.client("logs"), stage.environment.platform.name
    taken = f"/aws/eks/{name}/cluster"
    logs.create_log_group(logGroupName=taken)
    with pytest.raises(StuckError, match=r"ROLLBACK_COMPLETE: ControlPlaneLogGroup \(AWS::Logs::LogGroup\)"):
        stage.run(stack(Stack.AUDIT))
    planned = stage.run(stack(Stack.AUDIT), plan_only=True).value
    assert [change["action"] for change in planned] == ["replace"]
    logs.delete_log_group(logGroupName=taken)
    stage.run(stack(Stack.AUDIT))
    assert describe(aws, stage, Stack.AUDIT)["StackStatus"] == "CREATE_COMPLETE"


def test_a_stack_whose_need_is_missing_names_it(aws: Aws, stage: Stage) -> None:
    planned = stage.run(stack(Stack.NETWORK), plan_only=True).value
    assert planned[0]["note"] == f"after {stage.environment.platform.stack_name(Stack.ENCRYPTION)}"
    with pytest.raises(AirflowFailException, match="run the stage infrastructure from its first task"):
        stage.run(stack(Stack.NETWORK))


def outputs(aws: Aws, stage: Stage, name: Stack) -> dict[str, str]:
    return {item["OutputKey"]: item["OutputValue"] for item in describe(aws, stage, name)["Outputs"]}
