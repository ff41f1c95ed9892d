"""The cluster we want, and how a live one differs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from slipway.decisions.clusters import ClusterFacts, create_request, drift
from slipway.model.platform import Platform

from tests.unit.aws.conftest import BASE, make_platform

FACTS = ClusterFacts(
    role_arn="arn:aws:iam::123456789012:role/cluster",
    subnet_ids=("subnet-1", "subnet-2"),
    secrets_key_arn="arn:aws:kms:us-east-1:123456789012:key/1",
    nat_addresses=("198.18.7.7",),
)


def live_cluster(platform: Platform) -> dict[str, Any]:
    """The wanted cluster, as EKS describes it."""
    described = copy.deepcopy(create_request(platform, FACTS))
    described["resourcesVpcConfig"] |= {"vpcId": "vpc-1", "securityGroupIds": [], "clusterSecurityGroupId": "sg-1"}
    described["logging"]["clusterLogging"].reverse()
    return {**described, "status": "ACTIVE", "arn": "arn:aws:eks:us-east-1:123456789012:cluster/slipway-dev"}


def test_what_is_wanted_has_no_drift(platform: Platform) -> None:
    found = drift(live_cluster(platform), platform, FACTS)
    assert (found.updates, found.left_alone, found.immutable) == ((), (), ())


def test_defaults_of_the_api_that_bite_are_set(platform: Platform) -> None:
    request = create_request(platform, FACTS)
    assert request["accessConfig"] == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert request["upgradePolicy"] == {"supportType": "STANDARD"}
    assert request["resourcesVpcConfig"]["endpointPrivateAccess"] is True
    assert request["resourcesVpcConfig"]["publicAccessCidrs"] == ["198.18.0.0/24"]
    assert request["bootstrapSelfManagedAddons"] is False


def test_without_the_private_endpoint_the_nodes_way_out_is_let_in() -> None:
    endpoint = {"public": True, "private": False, "public_cidrs": ["198.18.0.0/24"]}
    request = create_request(make_platform(cluster={"endpoint": endpoint}), FACTS)
    assert request["resourcesVpcConfig"]["publicAccessCidrs"] == ["198.18.0.0/24", "198.18.7.7/32"]


@pytest.mark.parametrize(
    ("change", "call", "fields"),
    [
        ({"accessConfig": {"authenticationMode": "CONFIG_MAP"}}, "update_cluster_config", {"accessConfig"}),
        ({"upgradePolicy": {"supportType": "EXTENDED"}}, "update_cluster_config", {"upgradePolicy"}),
        ({"deletionProtection": True}, "update_cluster_config", {"deletionProtection"}),
        ({"logging": {"clusterLogging": []}}, "update_cluster_config", {"logging"}),
        ({"encryptionConfig": []}, "associate_encryption_config", {"encryptionConfig"}),
        ({"tags": {"slipway:platform": "slipway-dev"}}, "tag_resource", {"tags"}),
    ],
)
def test_each_kind_of_drift_has_its_call(
    platform: Platform, change: dict[str, Any], call: str, fields: set[str]
) -> None:
    (update,) = drift({**live_cluster(platform), **change}, platform, FACTS).updates
    assert update.call == call
    assert set(update.arguments) == fields


def test_endpoint_and_subnets_are_two_updates(platform: Platform) -> None:
    live = live_cluster(platform)
    live["resourcesVpcConfig"] |= {"publicAccessCidrs": ["0.0.0.0/0"], "subnetIds": ["subnet-9"]}
    endpoint, subnets = drift(live, platform, FACTS).updates
    assert endpoint.fields == ("resourcesVpcConfig.publicAccessCidrs",)
    assert subnets.arguments == {"resourcesVpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]}}


def test_order_of_subnets_and_addresses_is_no_drift(platform: Platform) -> None:
    live = live_cluster(platform)
    live["resourcesVpcConfig"]["subnetIds"].reverse()
    assert drift(live, platform, FACTS).updates == ()


def test_tags_of_others_are_left_alone(platform: Platform) -> None:
    live = live_cluster(platform)
    live["tags"] = {**live["tags"], "aws:cloudformation:x": "y", "cost": "shared"}
    assert drift(live, platform, FACTS).updates == ()


def test_the_version_is_left_to_the_upgrade() -> None:
    newer = make_platform(cluster={**BASE["cluster"], "version": "1.36"})
    found = drift({**live_cluster(newer), "version": "1.35"}, newer, FACTS)
    assert found.updates == ()
    assert "version is 1.35, the environment says 1.36" in found.left_alone[0]


def test_what_eks_cannot_change_is_said(platform: Platform) -> None:
    live = live_cluster(platform)
    live["roleArn"] = "arn:aws:iam::123456789012:role/other"
    live["encryptionConfig"][0]["provider"]["keyArn"] = "arn:aws:kms:us-east-1:123456789012:key/other"
    found = drift(live, platform, FACTS).immutable
    assert [text.split()[0] for text in found] == ["roleArn", "encryptionConfig"]


@pytest.mark.parametrize(
    ("present", "next_mode"), [("CONFIG_MAP", "API_AND_CONFIG_MAP"), ("API_AND_CONFIG_MAP", "API")]
)
def test_authentication_goes_one_step_at_a_time(platform: Platform, present: str, next_mode: str) -> None:
    live = {**live_cluster(platform), "accessConfig": {"authenticationMode": present}}
    (update,) = drift(live, platform, FACTS).updates
    assert update.arguments == {"accessConfig": {"authenticationMode": next_mode}}
