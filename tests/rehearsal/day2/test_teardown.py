"""Teardown from every state ends in nothing left, and touches nothing of others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from slipway.decisions.sweep import BACKUP_TAG, Keep, sweep
from slipway.model.environment import AddonPhase
from slipway.model.platform import Platform, Stack
from slipway.model.resource import Kind
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.operators.teardown import load_prices

from tests.rehearsal.day2.seeds import Neighbours, left_by_controllers, network_of, tag_list
from tests.rehearsal.day2.taking import Teardown, inventory, show
from tests.rehearsal.day2.thorough import thorough
from tests.rehearsal.infrastructure import stage as tasks
from tests.rehearsal.infrastructure.conftest import REGION, Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage

pytestmark = pytest.mark.timeout(180)
State = Callable[[Aws, EnvironmentFile, Stage], None]
STATES: dict[str, State] = {}
# One state with everything that controllers leave and a stack that could not be deleted runs by default.
QUICK = {"stack_in_delete_failed"}


def state(function: State) -> State:
    """A state to tear down from."""
    STATES[function.__name__] = function
    return function


@pytest.fixture(scope="session")
def _neighbours() -> dict[str, Neighbours]:
    return {}


@pytest.fixture
def neighbours(aws: Aws, _neighbours: dict[str, Neighbours]) -> Iterator[Neighbours]:
    """Other people's cluster, VPC, volume, ...: there before, and exactly as they were afterwards."""
    if "they" not in _neighbours:
        _neighbours["they"] = Neighbours(aws)
    they = _neighbours["they"]
    yield they
    assert they.look() == they.before


@state
def nothing_at_all(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """Never deployed, or torn down long ago, the state included."""


@state
def only_the_state_bucket(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.run(tasks.acquire())


@state
def network_half_created(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.run(tasks.acquire())
    stage.run(tasks.stack(Stack.ENCRYPTION))
    stage.run(tasks.stack(Stack.NETWORK), stop_at="StackTrigger")


@state
def stack_rolled_back(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """A creation failed, and left a stack in ROLLBACK_COMPLETE."""
    stage.run(tasks.acquire())
    aws.client("iam").create_role(
        RoleName=f"{environment.platform.name}-{REGION}-node", AssumeRolePolicyDocument=TRUST, Tags=[]
    )
    stage.run(tasks.stack(Stack.ENCRYPTION))
    with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
        stage.run(tasks.stack(Stack.IDENTITY))


@state
def cluster_being_created(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.until_cluster()
    stage.run(tasks.cluster(), stop_at="ClusterTrigger")


@state
def node_group_being_created(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.until_cluster()
    stage.run(tasks.cluster())
    stage.run(tasks.addons(AddonPhase.BEFORE_NODES))
    stage.run(tasks.node_group(stage.groups()[0]), stop_at="NodeGroupTrigger")


@state
def controllers_left_things(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """The cluster is gone, and what its controllers made is not."""
    stage.until_cluster()
    left_by_controllers(aws, environment.platform)


@state
def cluster_deleted_by_hand(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.until_cluster()
    stage.run(tasks.cluster())
    delete_cluster(aws, environment.platform)
    # Late writes make the log group again.
    logs = aws.client("logs")
    name = f"/aws/eks/{environment.platform.name}/cluster"
    logs.delete_log_group(logGroupName=name)
    logs.create_log_group(logGroupName=name)


@state
def deletion_protection_on(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    environment.edit(lambda content: content["cluster"].update(deletion_protection=True))
    stage.until_cluster()
    stage.run(tasks.cluster())
    described = aws.client("eks").describe_cluster(name=environment.platform.cluster_name)
    assert described["cluster"]["deletionProtection"]


@state
def stack_in_delete_failed(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """Somebody deleted the stacks by hand, and a forgotten interface stopped the network's deletion."""
    stage.until_cluster()
    left_by_controllers(aws, environment.platform)
    name = environment.platform.stack_name(Stack.NETWORK)
    cfn = aws.client("cloudformation")
    cfn.delete_stack(StackName=name)
    aws.until(lambda: cfn.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "DELETE_FAILED")


@state
def stack_with_termination_protection(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    stage.run(tasks.acquire())
    stage.run(tasks.stack(Stack.ENCRYPTION))
    aws.client("cloudformation").update_termination_protection(
        StackName=environment.platform.stack_name(Stack.ENCRYPTION), EnableTerminationProtection=True
    )


@state
def parts_deleted_by_hand(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """A subnet, a whole stack and a log group went by hand."""
    stage.until_cluster()
    ec2, platform = aws.client("ec2"), environment.platform
    subnet = network_of(platform)["PrivateSubnetIds"].split(",")[0]
    for table in ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
        "RouteTables"
    ]:
        for link in table["Associations"]:
            if link.get("SubnetId") == subnet:
                ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    ec2.delete_subnet(SubnetId=subnet)
    aws.client("logs").delete_log_group(logGroupName=f"/aws/eks/{platform.name}/cluster")
    cfn = aws.client("cloudformation")
    cfn.delete_stack(StackName=platform.stack_name(Stack.BUDGET))


@state
def role_that_others_changed(aws: Aws, environment: EnvironmentFile, stage: Stage) -> None:
    """A policy was attached by hand, which keeps the identity stack from deleting its role."""
    stage.run(tasks.acquire())
    stage.run(tasks.stack(Stack.ENCRYPTION))
    stage.run(tasks.stack(Stack.IDENTITY))
    aws.client("iam").attach_role_policy(
        RoleName=f"{environment.platform.name}-{REGION}-node", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else [thorough]) for name in STATES])
def test_from_every_state_nothing_is_left(
    aws: Aws, environment: EnvironmentFile, neighbours: Neighbours, name: str
) -> None:
    stage = Stage(environment)
    STATES[name](aws, environment, stage)
    # As if the hour of the run that died here were over.
    stage.run(ReleaseLeaseOperator(task_id="release"))
    Teardown(environment, keep=[]).whole()
    require_nothing(environment.platform, [])


@thorough
def test_whole_platform_goes_twice_and_only_what_is_kept_stays(
    aws: Aws, environment: EnvironmentFile, neighbours: Neighbours
) -> None:
    Stage(environment).whole()
    platform = environment.platform
    made = left_by_controllers(aws, platform)
    backup = aws.client("ec2").create_volume(
        Size=5,
        AvailabilityZone=f"{REGION}a",
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": tag_list({**platform.tags, BACKUP_TAG: "final"})},
        ],
    )["VolumeId"]
    before = inventory(platform)
    ours = {one.id for one in before.ours}
    assert set(made) <= ours
    assert before.unread == []
    assert before.intruders == []

    teardown = Teardown(environment, final_backup=True)
    results = teardown.whole()
    assert len(results["final_backup"]) == 2, "a snapshot of each claim's disk"
    assert results["survey"]["goes"] + results["survey"]["kept"] == len(before.ours)
    assert results["survey"]["saving"] > 200
    assert "AutoScaling" in results["survey"]["body"]
    after = require_nothing(platform, [Keep.STATE, Keep.BACKUPS])
    assert backup in {one.id for one in after}
    assert sum(one.kind == Kind.SNAPSHOT for one in after) == 2
    assert any(one.kind == Kind.BUCKET for one in after)
    assert "latest.json" in " ".join(
        item["Key"] for item in aws.client("s3").list_objects_v2(Bucket=platform.bucket)["Contents"]
    )

    changing = aws.mutating_calls()
    again = Teardown(environment, run_id="teardown__2").whole()
    assert [key for key, value in again.items() if deleted(value)] == []
    assert aws.mutating_calls() - changing < 25, "the lease, and the report"
    require_nothing(platform, [Keep.STATE, Keep.BACKUPS])


@thorough
def test_killed_at_every_wait_it_goes_on_to_the_same_end(
    aws: Aws, environment: EnvironmentFile, neighbours: Neighbours
) -> None:
    """The worker dies at each task's first wait; the next try of the run starts that task over."""
    Stage(environment).whole()
    left_by_controllers(aws, environment.platform)
    teardown = Teardown(environment, keep=[])
    for task_id in teardown.tasks:
        for trigger in ("PauseTrigger", "StackTrigger", "NodeGroupTrigger", "AddonsTrigger", "ClusterTrigger"):
            teardown.step(task_id, stop_at=trigger)
        teardown.step(task_id)
    require_nothing(environment.platform, [])


def test_cluster_of_our_name_that_is_not_ours_stays(
    aws: Aws, environment: EnvironmentFile, neighbours: Neighbours
) -> None:
    platform = environment.platform
    eks = aws.client("eks")
    role = aws.client("iam").get_role(RoleName="theirs")["Role"]["Arn"]
    eks.create_cluster(
        name=platform.cluster_name, roleArn=role, resourcesVpcConfig={"subnetIds": neighbours.subnets}, tags={"a": "b"}
    )
    volume = aws.client("ec2").create_volume(
        Size=5,
        AvailabilityZone=f"{REGION}a",
        TagSpecifications=[
            {
                "ResourceType": "volume",
                "Tags": tag_list({f"kubernetes.io/cluster/{platform.cluster_name}": "owned"}),
            }
        ],
    )["VolumeId"]
    results = Teardown(environment, keep=[]).whole()
    assert "not ours" in results["survey"]["body"]
    assert eks.describe_cluster(name=platform.cluster_name)["cluster"]["tags"] == {"a": "b"}
    assert aws.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"]
    delete_cluster(aws, platform)


@thorough
def test_other_peoples_interface_in_our_network_is_named_and_left_alone(
    aws: Aws, environment: EnvironmentFile, neighbours: Neighbours
) -> None:
    stage = Stage(environment)
    stage.until_cluster()
    stage.run(ReleaseLeaseOperator(task_id="release"))
    ec2, subnet = aws.client("ec2"), network_of(environment.platform)["PrivateSubnetIds"].split(",")[0]
    theirs = ec2.create_network_interface(SubnetId=subnet, Description="their database")["NetworkInterface"]
    teardown = Teardown(environment)
    surveyed = teardown.step("survey")
    assert theirs["NetworkInterfaceId"] in surveyed["body"]
    for task_id in list(teardown.tasks)[1:]:
        if task_id == "infrastructure.network":
            assert theirs["NetworkInterfaceId"] in teardown.failing(task_id)
        elif task_id == "infrastructure.encryption":
            break
        elif task_id != "sweep":
            teardown.step(task_id)
    complaint = teardown.failing("sweep")
    assert theirs["NetworkInterfaceId"] in complaint
    assert "aws ec2 delete-vpc" in complaint
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=[theirs["NetworkInterfaceId"]])["NetworkInterfaces"]
    # Once they have moved it, the same run goes on.
    ec2.delete_network_interface(NetworkInterfaceId=theirs["NetworkInterfaceId"])
    teardown.whole()
    require_nothing(environment.platform, [Keep.STATE])


def test_sweep_fails_and_names_cost_and_command_of_each_leftover(aws: Aws, environment: EnvironmentFile) -> None:
    stage = Stage(environment)
    stage.run(tasks.acquire())
    stage.run(ReleaseLeaseOperator(task_id="release"))
    teardown = Teardown(environment)
    teardown.step("acquire_lease")
    platform = environment.platform
    volume = aws.client("ec2").create_volume(
        Size=50,
        VolumeType="gp3",
        AvailabilityZone=f"{REGION}a",
        TagSpecifications=[{"ResourceType": "volume", "Tags": tag_list(platform.tags)}],
    )["VolumeId"]
    complaint = teardown.failing("sweep")
    assert f"AWS::EC2::Volume {volume}" in complaint
    assert "4.00 USD a month" in complaint
    assert f"aws ec2 delete-volume --volume-id {volume} --region {REGION}" in complaint
    aws.client("ec2").delete_volume(VolumeId=volume)
    teardown.step("sweep")


def test_what_could_not_be_looked_at_is_no_proof(
    aws: Aws, environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slipway.hooks import resources

    def denied(region: str) -> Iterator[object]:
        aws.client("ec2").describe_volumes(VolumeIds=["vol-00000000"])
        yield

    monkeypatch.setitem(resources.LISTERS, "EBS volumes", denied)  # type: ignore[arg-type]
    teardown = Teardown(environment)
    assert "EBS volumes" in teardown.failing("survey")
    teardown.step("acquire_lease")
    assert "not looked at: EBS volumes" in teardown.failing("sweep")


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def deleted(value: object) -> bool:
    """Whether a task reported a deletion."""
    return isinstance(value, list) and any(change["action"] == "delete" for change in value)


def delete_cluster(aws: Aws, platform: Platform) -> None:
    """As a person would, behind Slipway's back."""
    eks = aws.client("eks")
    aws.until(lambda: eks.describe_cluster(name=platform.cluster_name)["cluster"]["status"] == "ACTIVE")
    eks.delete_cluster(name=platform.cluster_name)
    aws.until(lambda: platform.cluster_name not in eks.list_clusters()["clusters"])


def require_nothing(platform: Platform, keep: list[Keep]) -> list[object]:
    """Fail when anything of ours is left that was not to be kept; what was kept."""
    found = inventory(platform)
    verdict = sweep([found], platform, load_prices(platform), keep)
    assert verdict.clean, f"{verdict}\n{show(found)}"
    return list(verdict.kept)
