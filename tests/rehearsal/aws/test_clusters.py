"""Clusters: gradual states, what they leave in EC2, and what AWS refuses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_create_becomes_active_with_endpoint_of_the_kubernetes_side(aws: Any, platform: Any, eks: Any) -> None:
    created = eks.create_cluster(**platform.cluster_request())["cluster"]
    assert created["status"] == "CREATING"
    assert "endpoint" not in created
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig={"Delay": 0.1})
    cluster = eks.describe_cluster(name="slipway-dev")["cluster"]
    assert cluster["endpoint"] == "https://127.0.0.1:6443"
    assert cluster["certificateAuthority"] == {"data": "Q0E="}
    assert cluster["identity"]["oidc"]["issuer"].startswith("https://oidc.eks.us-east-1.amazonaws.com/id/")
    assert aws.kubernetes.objects["/clusters/us-east-1.slipway-dev"]["version"] == "1.36"


def test_nodegroup(aws: Any, nodegroup: Any, eks: Any) -> None:
    assert nodegroup["status"] == "ACTIVE"
    print(aws.kubernetes.objects)
    eks.create_addon(clusterName="slipway-dev", addonName="vpc-cni")
    eks.get_waiter("addon_active").wait(clusterName="slipway-dev", addonName="vpc-cni", WaiterConfig={"Delay": 0.1})
    with pytest.raises(ClientError, match="nodegroups attached"):
        eks.delete_cluster(name="slipway-dev")
    eks.delete_nodegroup(clusterName="slipway-dev", nodegroupName="primary")
    eks.get_waiter("nodegroup_deleted").wait(
        clusterName="slipway-dev", nodegroupName="primary", WaiterConfig={"Delay": 0.1}
    )
    eks.delete_cluster(name="slipway-dev")
    eks.get_waiter("cluster_deleted").wait(name="slipway-dev", WaiterConfig={"Delay": 0.1})
