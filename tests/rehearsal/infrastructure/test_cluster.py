"""The whole stage, and then its cluster, node groups, add-ons and access, on one platform that the tests share."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.eks import EksHook
from slipway.model.environment import AddonPhase
from slipway.model.errors import StuckError
from slipway.operators import cluster as cluster_operator

from tests.rehearsal.infrastructure.conftest import REGION, Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage, access, acquire, addons, cluster, node_group, remove_left_out
from tests.support.deferral import context

pytestmark = pytest.mark.timeout(240)
_shared: list[EnvironmentFile] = []


@pytest.fixture
def stage(aws: Aws, request: pytest.FixtureRequest) -> Stage:
    """A stage that was run once; made by the first test that asks, edited by all."""
    if not _shared:
        _shared.append(request.getfixturevalue("environment"))
        Stage(_shared[0]).whole()
    stage = Stage(_shared[0])
    stage.run(acquire())
    return stage


def live(aws: Aws, stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("eks").describe_cluster(name=stage.environment.platform.cluster_name)
    return dict(found["cluster"])


def live_group(aws: Aws, stage: Stage, name: str = "primary") -> dict[str, Any]:
    cluster_name = stage.environment.platform.cluster_name
    found = aws.client("eks").describe_nodegroup(clusterName=cluster_name, nodegroupName=name)
    return dict(found["nodegroup"])


def live_addon(aws: Aws, stage: Stage, name: str) -> dict[str, Any]:
    cluster_name = stage.environment.platform.cluster_name
    return dict(aws.client("eks").describe_addon(clusterName=cluster_name, addonName=name)["addon"])


def test_planned_made_and_left_alone(aws: Aws, environment: EnvironmentFile) -> None:
    stage = Stage(environment)
    _shared.append(environment)
    before = aws.mutating_calls()
    planned = stage.whole(plan_only=True)
    assert {change["action"] for changes in planned.values() for change in changes} == {"create"}
    assert all(planned.values())
    assert aws.mutating_calls() == before

    made = stage.whole()
    assert set(made) == set(planned)
    assert all(made.values())
    cluster = aws.client("eks").describe_cluster(name=environment.platform.cluster_name)["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["accessConfig"]["authenticationMode"] == "API"

    before = aws.mutating_calls()
    again = stage.whole(plan_only=True)
    assert {task: changes for task, changes in again.items() if changes} == {}
    assert aws.mutating_calls() == before

    assert {task: changes for task, changes in stage.whole().items() if changes} == {}


# The control plane


def test_configuration_follows_the_file_one_update_at_a_time(aws: Aws, stage: Stage) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["cluster"]["endpoint"]["public_cidrs"] = ["52.94.77.0/24"]
        content["cluster"] |= {"logs": ["audit"], "deletion_protection": True}

    stage.environment.edit(edit)
    planned = stage.run(cluster(), plan_only=True).value
    changed = stage.run(cluster())
    assert [change["fields"] for change in changed.value] == [change["fields"] for change in planned]
    assert len(planned) == 3
    described = live(aws, stage)
    assert described["resourcesVpcConfig"]["publicAccessCidrs"] == ["52.94.77.0/24"]
    assert described["deletionProtection"] is True
    enabled = [setup["types"] for setup in described["logging"]["clusterLogging"] if setup["enabled"]]
    assert enabled == [["audit"]]
    assert stage.run(cluster()).value == []


def test_an_update_somebody_else_started_is_waited_out(aws: Aws, stage: Stage) -> None:
    name = stage.environment.platform.cluster_name
    logging = {"clusterLogging": [{"types": ["scheduler"], "enabled": True}]}
    aws.client("eks").update_cluster_config(name=name, logging=logging)
    changes = stage.run(cluster()).value
    assert [change["fields"] for change in changes] == [["logging"]]


def test_another_version_is_left_to_the_upgrade(aws: Aws, stage: Stage) -> None:
    version = live(aws, stage)["version"]
    stage.environment.edit(lambda content: content["cluster"].update(version="1.35"))
    before = aws.mutating_calls()
    (kept,) = stage.run(cluster()).value
    assert kept["action"] == "keep"
    assert f"version is {version}, the environment says 1.35" in kept["note"]
    assert aws.mutating_calls() == before
    stage.environment.edit(lambda content: content["cluster"].update(version=version))


def test_a_killed_try_is_taken_up_and_the_first_add_ons_do_not_wait_for_pods(
    aws: Aws, environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(environment)
    stage.until_cluster()
    assert stage.run(cluster(), stop_at="ClusterTrigger").waits == ["ClusterTrigger"]
    made = live(aws, stage)["createdAt"]
    data = aws.cloud.eks.clusters[REGION, environment.platform.cluster_name].data
    with aws.cloud.lock:
        status, data["status"] = data["status"], "CREATING"
    with monkeypatch.context() as patch:
        patch.setattr(cluster_operator, "LIMIT", timedelta(0))
        with pytest.raises(StuckError, match="not ready after 0 minutes"):
            stage.run(cluster())
    if status == "ACTIVE":
        data["status"] = status
    Aws.until(lambda: live(aws, stage)["status"] == "ACTIVE")
    assert stage.run(cluster()).value == []
    assert live(aws, stage)["createdAt"] == made

    names = stage.environment.platform.addons(AddonPhase.BEFORE_NODES)
    aws.kubernetes.unready.update(names)
    outcome = stage.run(addons(AddonPhase.BEFORE_NODES))
    assert len(outcome.value) == len(names)
    assert outcome.waits == []


def test_a_cluster_of_somebody_else_is_left_untouched(aws: Aws, stage: Stage, environment: EnvironmentFile) -> None:
    ours = live(aws, stage)
    name = environment.platform.cluster_name
    subnets = {"subnetIds": ours["resourcesVpcConfig"]["subnetIds"]}
    aws.client("eks").create_cluster(name=name, roleArn=ours["roleArn"], resourcesVpcConfig=subnets)
    other = Stage(environment)
    other.run(acquire())
    before = aws.mutating_calls()
    for plan_only in (True, False):
        with pytest.raises(AirflowFailException, match=f"Cluster {name}: tags: found a cluster with tags none"):
            other.run(cluster(), plan_only=plan_only)
    assert aws.mutating_calls() == before


# Node groups


def test_sizes_labels_and_disks_follow_the_file_and_the_autoscaler_keeps_its_say(aws: Aws, stage: Stage) -> None:
    name = stage.environment.platform.cluster_name
    (group,) = stage.groups()
    aws.client("eks").update_nodegroup_config(
        clusterName=name, nodegroupName="primary", scalingConfig={"minSize": 3, "maxSize": 5, "desiredSize": 4}
    )

    def edit(content: dict[str, Any]) -> None:
        content["node_groups"]["primary"] |= {"min": 1, "max": 6, "labels": {"tier": "base"}, "disk_gib": 50}

    stage.environment.edit(edit)
    planned = {change["resource"] for change in stage.run(node_group(group), plan_only=True).value}
    changed = stage.run(node_group(group)).value
    assert {change["resource"] for change in changed} == planned
    described = live_group(aws, stage)
    assert described["scalingConfig"] == {"minSize": 1, "maxSize": 6, "desiredSize": 4}
    assert described["labels"]["tier"] == "base"
    assert str(described["launchTemplate"]["version"]) == "2"
    assert stage.run(node_group(group)).value == []


def test_a_group_that_never_came_up_says_why_and_is_made_anew_next_time(aws: Aws, stage: Stage) -> None:
    stage.environment.edit(
        lambda content: content["node_groups"].update(extra={"instance_types": ["t3.large"], "workload": "extra"})
    )
    (group,) = [one for one in stage.groups() if one["name"] == "extra"]
    operator = node_group(group)
    stage.run(operator, stop_at="NodeGroupTrigger")
    platform = stage.environment.platform
    issue = {"code": "AsgInstanceLaunchFailures", "message": "no capacity", "resourceIds": ["asg-1"]}
    data = aws.cloud.eks.clusters[REGION, platform.cluster_name].nodegroups["extra"].data
    data |= {"status": "CREATE_FAILED", "health": {"issues": [issue]}}
    made = live_group(aws, stage, "extra")["createdAt"]

    # What the same try sees when its wait is over.
    memory = {"changes": [], "done": {"created": ""}, "deadlines": {}}
    with pytest.raises(StuckError, match=r"no capacity \(asg-1\). Mend: AWS has no capacity or quota"):
        operator.resume(context(environment=platform.environment.name), event={"status": "settled", "memory": memory})

    stage.run(node_group(group))
    after = live_group(aws, stage, "extra")
    assert after["status"] == "ACTIVE"
    assert after["createdAt"] > made


def test_a_group_that_left_the_file_is_deleted_only_when_approved(aws: Aws, stage: Stage) -> None:
    stage.environment.edit(lambda content: content["node_groups"].pop("extra"))
    before = aws.mutating_calls()
    (kept,) = stage.run(remove_left_out()).value
    assert (kept["action"], kept["note"].split(": ")[-1]) == ("keep", "nodegroup/extra")
    (planned,) = stage.run(remove_left_out(), plan_only=True, approve=["nodegroup/extra"]).value
    assert planned["action"] == "delete"
    assert aws.mutating_calls() == before

    # The worker dies once while the group and once while the launch template goes.
    approve = ["nodegroup/extra"]
    assert stage.run(remove_left_out(), approve=approve, stop_at="NodeGroupTrigger").waits == ["NodeGroupTrigger"]
    stage.run(remove_left_out(), approve=approve, stop_at="StackTrigger")
    stage.run(remove_left_out(), approve=approve)
    platform = stage.environment.platform
    assert aws.client("eks").list_nodegroups(clusterName=platform.cluster_name)["nodegroups"] == ["primary"]
    assert CloudFormationHook(REGION).find(platform.nodegroup_stack_name("extra")) is None
    assert stage.run(remove_left_out()).value == []


def test_other_instance_types_need_a_new_group(aws: Aws, stage: Stage) -> None:
    (group, *_) = stage.groups()
    stage.environment.edit(lambda content: content["node_groups"]["primary"].update(instance_types=["t3.xlarge"]))
    (planned,) = [c for c in stage.run(node_group(group), plan_only=True).value if c["action"] == "replace"]
    assert planned["note"] == "instanceTypes is t3.large, wanted t3.xlarge"
    with pytest.raises(AirflowFailException, match="rename the group in the environment"):
        stage.run(node_group(group))
    stage.environment.edit(lambda content: content["node_groups"]["primary"].update(instance_types=["t3.large"]))


def test_a_node_group_of_somebody_else_is_left_untouched(aws: Aws, stage: Stage) -> None:
    ours = live_group(aws, stage)
    aws.client("eks").create_nodegroup(
        clusterName=ours["clusterName"], nodegroupName="theirs", subnets=ours["subnets"], nodeRole=ours["nodeRole"]
    )
    stage.environment.edit(
        lambda content: content["node_groups"].update(theirs={"instance_types": ["t3.large"], "workload": "theirs"})
    )
    (group,) = [one for one in stage.groups() if one["name"] == "theirs"]
    before = aws.mutating_calls()
    with pytest.raises(AirflowFailException, match="found a node group with tags none"):
        stage.run(node_group(group))
    assert aws.mutating_calls() == before
    stage.environment.edit(lambda content: content["node_groups"].pop("theirs"))


# Add-ons


def test_add_on_configuration_follows_the_file_and_hand_made_changes_go(aws: Aws, stage: Stage) -> None:
    configuration = {"replicaCount": 3}
    stage.environment.edit(
        lambda content: content.setdefault("addons", {}).update(coredns={"configuration": configuration})
    )
    (changed,) = stage.run(addons()).value
    assert (changed["action"], changed["fields"]) == ("change", ["configurationValues"])
    assert json.loads(live_addon(aws, stage, "coredns")["configurationValues"]) == configuration

    name = stage.environment.platform.cluster_name
    aws.client("eks").update_addon(
        clusterName=name, addonName="coredns", configurationValues='{"replicaCount": 9}', resolveConflicts="OVERWRITE"
    )
    stage.run(addons())
    assert stage.run(addons()).value == []
    assert json.loads(live_addon(aws, stage, "coredns")["configurationValues"]) == configuration


def test_an_add_on_that_settles_while_others_are_waited_for_is_compared_all_the_same(
    aws: Aws, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's own update was under way at the first look and over at the second."""
    wanted = live_addon(aws, stage, "coredns").get("configurationValues")
    name = stage.environment.platform.cluster_name
    aws.client("eks").update_addon(
        clusterName=name, addonName="coredns", configurationValues='{"replicaCount": 7}', resolveConflicts="OVERWRITE"
    )
    aws.client("eks").get_waiter("addon_active").wait(
        clusterName=name, addonName="coredns", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    looks: list[str] = []
    find = EksHook.find_addon

    def first_look_in_between(hook: EksHook, cluster: str, addon: str) -> dict[str, Any] | None:
        looks.append(addon)
        found = find(hook, cluster, addon)
        return found | {"status": "UPDATING"} if found and addon == "coredns" and looks.count(addon) == 1 else found

    monkeypatch.setattr(EksHook, "find_addon", first_look_in_between)
    (changed,) = stage.run(addons()).value
    assert changed["fields"] == ["configurationValues"]
    assert live_addon(aws, stage, "coredns").get("configurationValues") == wanted


def test_the_cni_is_configured_before_the_first_node_and_has_its_role(aws: Aws, stage: Stage) -> None:
    found = live_addon(aws, stage, "vpc-cni")
    assert json.loads(found["configurationValues"])["env"]["ENABLE_PREFIX_DELEGATION"] == "true"
    assert len(found["podIdentityAssociations"]) == 1
    assert found["createdAt"] < live_group(aws, stage)["createdAt"]


def test_an_add_on_that_was_deleted_comes_back_and_a_degraded_one_is_waited_for(aws: Aws, stage: Stage) -> None:
    name = stage.environment.platform.cluster_name
    addon = aws.cloud.eks.clusters[REGION, name].addons["metrics-server"]
    addon.data["status"] = "DEGRADED"
    waited = stage.run(addons(), stop_at="AddonsTrigger")
    assert waited.waits == ["AddonsTrigger"]
    addon.data["status"] = "UPDATE_FAILED"
    addon.data["health"] = {"issues": [{"code": "ConfigurationConflict", "message": "conflicts", "resourceIds": []}]}
    (mended,) = stage.run(addons()).value
    assert mended["resource"].endswith("/metrics-server")
    assert live_addon(aws, stage, "metrics-server")["status"] == "ACTIVE"


def test_a_version_that_eks_does_not_offer_is_a_configuration_error(aws: Aws, stage: Stage) -> None:
    stage.environment.edit(lambda content: content["addons"]["coredns"].update(version="v0.0.1"))
    with pytest.raises(AirflowFailException, match=r"addons\.coredns\.version: found EKS does not offer"):
        stage.run(addons(), plan_only=True)
    stage.environment.edit(lambda content: content["addons"]["coredns"].pop("version"))


# Access


def test_access_follows_the_file_and_entries_of_others_stay(aws: Aws, stage: Stage) -> None:
    iam, eks, name = aws.client("iam"), aws.client("eks"), stage.environment.platform.cluster_name
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    arns = {
        who: iam.create_role(RoleName=f"{name}-{who}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for who in ("alice", "bob")
    }
    eks.create_access_entry(clusterName=name, principalArn=arns["bob"])
    entry = {"principal_arn": arns["alice"], "policy": "AmazonEKSViewPolicy", "namespaces": ["apps"]}
    stage.environment.edit(lambda content: content.update(access=[entry]))
    assert [change["action"] for change in stage.run(access()).value] == ["create"]
    policies = eks.list_associated_access_policies(clusterName=name, principalArn=arns["alice"])
    (policy,) = policies["associatedAccessPolicies"]
    assert policy["accessScope"] == {"type": "namespace", "namespaces": ["apps"]}

    entry["policy"] = "AmazonEKSAdminPolicy"
    stage.environment.edit(lambda content: content.update(access=[entry]))
    assert [change["fields"] for change in stage.run(access()).value] == [["policies"]]
    assert stage.run(access()).value == []

    stage.environment.edit(lambda content: content.update(access=[]))
    before = aws.mutating_calls()
    planned = stage.run(access(), plan_only=True).value
    assert aws.mutating_calls() == before
    assert stage.run(access()).value == planned
    assert [change["action"] for change in planned] == ["delete"]
    left = eks.list_access_entries(clusterName=name)["accessEntries"]
    assert arns["alice"] not in left
    assert arns["bob"] in left


def test_somebody_elses_entry_that_grants_less_is_refused(aws: Aws, stage: Stage) -> None:
    bob = f"arn:aws:iam::123456789012:role/{stage.environment.platform.cluster_name}-bob"
    entry = {"principal_arn": bob, "policy": "AmazonEKSViewPolicy"}
    stage.environment.edit(lambda content: content.update(access=[entry]))
    with pytest.raises(AirflowFailException, match="aws eks delete-access-entry"):
        stage.run(access())
    stage.environment.edit(lambda content: content.update(access=[]))
