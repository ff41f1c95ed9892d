"""Updates: gradual, one at a time, forward and back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws, Platform


def _finished(aws: Aws, eks: Any, update: dict[str, Any], **names: str) -> dict[str, Any]:
    def done() -> Any:
        found = eks.describe_update(name="slipway-dev", updateId=update["id"], **names)["update"]
        return found if found["status"] != "InProgress" else None

    found: dict[str, Any] = aws.until(done)
    return found


@pytest.fixture
def older(aws: Aws, platform: Platform, eks: Any) -> None:
    """An ACTIVE cluster of version 1.35 with a node group."""
    eks.create_cluster(**platform.cluster_request(version="1.35"))
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    eks.create_nodegroup(**platform.nodegroup_request())
    names = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
    aws.until(lambda: eks.describe_nodegroup(**names)["nodegroup"]["status"] == "ACTIVE")


@pytest.mark.usefixtures("older")
def test_upgrade_then_nodes_then_back(aws: Aws, eks: Any) -> None:
    with aws.paused():
        update = eks.update_cluster_version(name="slipway-dev", version="1.36")["update"]
        assert (update["type"], update["status"]) == ("VersionUpdate", "InProgress")
        assert eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "UPDATING"
        assert eks.describe_cluster(name="slipway-dev")["cluster"]["version"] == "1.35"
        with pytest.raises(eks.exceptions.ResourceInUseException, match="update in progress"):
            eks.update_cluster_config(name="slipway-dev", deletionProtection=True)
    assert _finished(aws, eks, update)["status"] == "Successful"
    assert eks.describe_cluster(name="slipway-dev")["cluster"]["version"] == "1.36"
    assert aws.kubernetes.objects["/clusters/us-east-1.slipway-dev"]["version"] == "1.36"
    before = _instances(aws)
    nodes = eks.update_nodegroup_version(clusterName="slipway-dev", nodegroupName="primary")["update"]
    assert nodes["params"][0] == {"type": "Version", "value": "1.35"}, "without a version the group keeps its own"
    assert _finished(aws, eks, nodes, nodegroupName="primary")["status"] == "Successful"
    request = {"clusterName": "slipway-dev", "nodegroupName": "primary", "version": "1.36"}
    nodes = eks.update_nodegroup_version(**request)["update"]
    assert _finished(aws, eks, nodes, nodegroupName="primary")["status"] == "Successful"
    group = eks.describe_nodegroup(clusterName="slipway-dev", nodegroupName="primary")["nodegroup"]
    assert (group["version"], group["status"]) == ("1.36", "ACTIVE")
    assert group["releaseVersion"].startswith("1.36.")
    assert not before & _instances(aws), "every instance was replaced"
    assert len(_instances(aws)) == 2
    listed = eks.list_updates(name="slipway-dev", nodegroupName="primary")["updateIds"]
    assert listed[0] == nodes["id"]

    with pytest.raises(eks.exceptions.InvalidRequestException, match=r"primary run a version newer than 1\.35"):
        eks.update_cluster_version(name="slipway-dev", version="1.35")
    statuses = {
        i["name"]: i["insightStatus"]["status"] for i in eks.list_insights(clusterName="slipway-dev")["insights"]
    }
    assert statuses["Node version skew after rollback"] == "ERROR"
    back = eks.update_nodegroup_version(**{**request, "version": "1.35"})["update"]
    assert _finished(aws, eks, back, nodegroupName="primary")["status"] == "Successful"
    rollback = eks.update_cluster_version(name="slipway-dev", version="1.35", rollbackConfig={"timeoutMinutes": 120})[
        "update"
    ]
    assert rollback["type"] == "VersionRollback"
    assert _finished(aws, eks, rollback)["status"] == "Successful"
    assert eks.describe_cluster(name="slipway-dev")["cluster"]["version"] == "1.35"
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.describe_update(name="slipway-dev", updateId="no-such-update")


@pytest.mark.usefixtures("older")
def test_rollback_is_possible_for_seven_days_and_with_a_sane_timeout(aws: Aws, eks: Any) -> None:
    _finished(aws, eks, eks.update_cluster_version(name="slipway-dev", version="1.36")["update"])
    request = {"name": "slipway-dev", "version": "1.35"}
    with pytest.raises(eks.exceptions.InvalidParameterException, match="120-10080"):
        eks.update_cluster_version(**request, rollbackConfig={"timeoutMinutes": 5})
    cluster = aws.cloud.eks.clusters["us-east-1", "slipway-dev"]
    assert cluster.upgraded is not None
    cluster.upgraded["at"] -= timedelta(days=7, minutes=1)
    with pytest.raises(eks.exceptions.InvalidRequestException, match="possible for 7 days"):
        eks.update_cluster_version(**request)


def test_config_updates_take_effect(aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]) -> None:
    assert cluster["resourcesVpcConfig"]["endpointPrivateAccess"] is False
    access = {"endpointPrivateAccess": True, "publicAccessCidrs": ["203.0.114.0/24"]}
    update = eks.update_cluster_config(name="slipway-dev", resourcesVpcConfig=access)["update"]
    assert update["type"] == "EndpointAccessUpdate"
    assert _finished(aws, eks, update)["status"] == "Successful"
    logging = {"clusterLogging": [{"types": ["audit"], "enabled": True}]}
    assert _finished(aws, eks, eks.update_cluster_config(name="slipway-dev", logging=logging)["update"])
    described = eks.describe_cluster(name="slipway-dev")["cluster"]
    assert described["resourcesVpcConfig"]["publicAccessCidrs"] == ["203.0.114.0/24"]
    on = [setup["types"] for setup in described["logging"]["clusterLogging"] if setup["enabled"]]
    assert on == [["audit"]]
    assert aws.client("logs").describe_log_groups()["logGroups"][0]["logGroupName"] == "/aws/eks/slipway-dev/cluster"
    key = [{"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}}]
    update = eks.associate_encryption_config(clusterName="slipway-dev", encryptionConfig=key)["update"]
    assert _finished(aws, eks, update)["status"] == "Successful"
    with pytest.raises(eks.exceptions.InvalidStateException, match="only an update in progress"):
        eks.cancel_update(name="slipway-dev", updateId=update["id"])


def test_rollback_with_auto_mode_can_be_cancelled(aws: Aws, platform: Platform, eks: Any) -> None:
    auto = {
        "computeConfig": {"enabled": True, "nodePools": ["system"], "nodeRoleArn": platform.roles["node"]},
        "storageConfig": {"blockStorage": {"enabled": True}},
        "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
        "bootstrapSelfManagedAddons": False,
    }
    eks.create_cluster(**platform.cluster_request(version="1.35", **auto))
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    assert not any("/addons/" in path for path in aws.kubernetes.objects)
    _finished(aws, eks, eks.update_cluster_version(name="slipway-dev", version="1.36")["update"])
    with aws.paused():
        rollback = eks.update_cluster_version(name="slipway-dev", version="1.35")["update"]
        cancelled = eks.cancel_update(name="slipway-dev", updateId=rollback["id"])["update"]
        assert (cancelled["status"], cancelled["cancellation"]["status"]) == ("Cancelled", "Successful")
    cluster = eks.describe_cluster(name="slipway-dev")["cluster"]
    assert (cluster["status"], cluster["version"]) == ("ACTIVE", "1.36")


def _instances(aws: Aws) -> set[str]:
    pages = aws.client("ec2").describe_instances()["Reservations"]
    return {i["InstanceId"] for page in pages for i in page["Instances"] if i["State"]["Name"] == "running"}
