"""The tasks that act in AWS, bound by the policies: a platform is made, changed, taken down, and nothing is refused."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from slipway.decisions.sweep import Keep
from slipway.model.platform import Stack

from rehearsal.aws.permissions.enforcer import Enforcer
from tests.rehearsal.day2.seeds import Neighbours, left_by_controllers
from tests.rehearsal.day2.taking import Teardown
from tests.rehearsal.infrastructure import stage as tasks
from tests.rehearsal.infrastructure.conftest import REGION, Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage
from tests.security.aws.conftest import Unbound
from tests.security.conftest import thorough

pytestmark = pytest.mark.timeout(800)


def refused(enforcer: Enforcer) -> list[str]:
    return [
        f"{one['call']} via {one['via'] or 'itself'}: {one['action']} on {one['resource']}"
        for one in enforcer.report()["denied"]
    ]


def test_a_stack_is_made_and_deleted_again(enforcer: Enforcer, environment: EnvironmentFile) -> None:
    stage = Stage(environment)
    stage.run(tasks.acquire())
    assert [change["action"] for change in stage.run(tasks.stack(Stack.BUDGET)).value] == ["create"]
    assert refused(enforcer) == []
    allowed = enforcer.report()["allowed"]
    assert {"cloudformation:CreateChangeSet", "budgets:ModifyBudget", "s3:PutObject", "kms:GenerateDataKey"} <= set(
        allowed
    )
    assert set(allowed["budgets:ModifyBudget"]) == {"Stores.KeepOwnBudgets"}, "through CloudFormation only"


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("ec2", "create_vpc", {"CidrBlock": "10.1.0.0/16"}),
        ("iam", "create_user", {"UserName": "intruder"}),
        ("eks", "delete_cluster", {"name": "theirs"}),
        ("s3", "create_bucket", {"Bucket": "theirs"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "theirs"}),
        ("budgets", "delete_budget", {"AccountId": "123456789012", "BudgetName": "theirs"}),
    ],
)
def test_what_is_not_allowed_is_refused_as_aws_refuses(
    enforcer: Enforcer, aws: Aws, service: str, call: str, arguments: dict[str, str]
) -> None:
    api = boto3.client(service, region_name=REGION, endpoint_url=aws.url)
    with pytest.raises(ClientError) as refusal:
        getattr(api, call)(**arguments)
    code = refusal.value.response["Error"]["Code"]
    assert code in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
    assert "not authorized to perform" in str(refusal.value)
    assert len(refused(enforcer)) == 1


@thorough
def test_whole_life(enforcer: Enforcer, unbound: Unbound, environment: EnvironmentFile) -> None:
    others = Neighbours(unbound)
    stage = Stage(environment)
    stage.whole()
    assert refused(enforcer) == []

    environment.edit(lambda content: content["tags"].update(team="others"))
    environment.edit(lambda content: content["node_groups"]["primary"].update(max=6, disk_gib=40))
    stage.whole()
    assert refused(enforcer) == []

    left_by_controllers(unbound, environment.platform)
    teardown = Teardown(environment, keep=[])
    teardown.whole()
    assert refused(enforcer) == []
    assert teardown.ti.results["sweep"] is not None
    assert others.look() == others.before
    assert Keep.STATE not in teardown.context["params"]["keep"]
