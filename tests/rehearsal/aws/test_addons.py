"""Add-ons: versions, configuration, readiness from the Kubernetes side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws, Platform

_CLUSTER = {"clusterName": "slipway-dev"}


def _status(eks: Any, name: str) -> str:
    return str(eks.describe_addon(**_CLUSTER, addonName=name)["addon"]["status"])


def test_addon_is_active_when_its_pods_are(aws: Aws, eks: Any, cluster: dict[str, Any]) -> None:
    aws.kubernetes.unready.add("coredns")
    created = eks.create_addon(**_CLUSTER, addonName="coredns", configurationValues="replicaCount: 3")["addon"]
    assert created["status"] == "CREATING"
    assert created["namespaceConfig"] == {"namespace": "kube-system"}
    with pytest.raises(eks.exceptions.ResourceInUseException, match="already exists"):
        eks.create_addon(**_CLUSTER, addonName="coredns")
    path = "/clusters/us-east-1.slipway-dev/addons/coredns"
    aws.until(lambda: aws.kubernetes.objects[path]["configurationValues"] == {"replicaCount": 3})
    aws.until(lambda: _status(eks, "coredns") == "DEGRADED")
    issue = eks.describe_addon(**_CLUSTER, addonName="coredns")["addon"]["health"]["issues"][0]
    assert issue["code"] == "InsufficientNumberOfReplicas"
    assert "no nodes" in issue["message"]
    aws.kubernetes.unready.clear()
    aws.until(lambda: _status(eks, "coredns") == "ACTIVE")
    assert eks.describe_addon(**_CLUSTER, addonName="coredns")["addon"]["health"]["issues"] == []


def test_update_and_delete(aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]) -> None:
    offered = eks.describe_addon_versions(addonName="vpc-cni", kubernetesVersion="1.35")["addons"][0]["addonVersions"]
    newest, older, oldest = (version["addonVersion"] for version in offered)
    del oldest
    pods = [{"serviceAccount": "aws-node", "roleArn": platform.roles["pod"]}]
    request = {**_CLUSTER, "addonName": "vpc-cni"}
    created = eks.create_addon(**request, addonVersion=older, podIdentityAssociations=pods)["addon"]
    association = eks.list_pod_identity_associations(**_CLUSTER)["associations"][0]
    assert created["podIdentityAssociations"] == [association["associationArn"]]
    assert association["ownerArn"].endswith("addon/slipway-dev/vpc-cni")
    aws.until(lambda: _status(eks, "vpc-cni") == "ACTIVE")
    with aws.paused():
        update = eks.update_addon(**request, addonVersion=newest, podIdentityAssociations=[])["update"]
        assert update["type"] == "AddonUpdate"
        assert _status(eks, "vpc-cni") == "UPDATING"
        with pytest.raises(eks.exceptions.ResourceInUseException, match="UPDATING state"):
            eks.update_addon(**request, addonVersion=older)
    aws.until(lambda: _status(eks, "vpc-cni") == "ACTIVE")
    found = eks.describe_update(name="slipway-dev", updateId=update["id"], addonName="vpc-cni")["update"]
    assert found["status"] == "Successful"
    assert eks.list_updates(name="slipway-dev", addonName="vpc-cni")["updateIds"] == [update["id"]]
    assert eks.describe_addon(**request)["addon"]["addonVersion"] == newest
    assert eks.list_pod_identity_associations(**_CLUSTER)["associations"] == [], "an empty list deletes them"
    assert eks.list_addons(**_CLUSTER)["addons"] == ["vpc-cni"]
    eks.delete_addon(**request, preserve=True)
    eks.get_waiter("addon_deleted").wait(**request, WaiterConfig={"Delay": 0.1})
    assert "/clusters/us-east-1.slipway-dev/addons/vpc-cni" in aws.kubernetes.objects, "preserve keeps its objects"


def test_failed_update_says_why(aws: Aws, eks: Any, cluster: dict[str, Any]) -> None:
    request = {**_CLUSTER, "addonName": "metrics-server"}
    eks.create_addon(**request)
    aws.until(lambda: _status(eks, "metrics-server") == "ACTIVE")
    aws.kubernetes.unready.add("metrics-server")
    update = eks.update_addon(**request, configurationValues='{"replicas": 5}')["update"]
    describe = lambda: eks.describe_update(name="slipway-dev", updateId=update["id"])["update"]  # noqa: E731
    aws.until(lambda: describe()["status"] == "Failed")
    assert describe()["errors"][0]["errorCode"] == "InsufficientNumberOfReplicas"
    assert _status(eks, "metrics-server") == "DEGRADED"


def test_catalogue(aws: Aws) -> None:
    eks = aws.client("eks")
    names = {addon["addonName"] for addon in eks.describe_addon_versions(kubernetesVersion="1.36")["addons"]}
    assert {"vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"} <= names
    for addon in eks.describe_addon_versions()["addons"]:
        defaults = [
            compatibility["clusterVersion"]
            for version in addon["addonVersions"]
            for compatibility in version["compatibilities"]
            if compatibility["defaultVersion"]
        ]
        assert len(defaults) == len(set(defaults)), f"{addon['addonName']} has two defaults for one version"
    community = eks.describe_addon_versions(owners=["community"])["addons"]
    assert {addon["owner"] for addon in community} == {"community"}
    ebs = eks.describe_addon_versions(addonName="aws-ebs-csi-driver")["addons"][0]["addonVersions"][0]
    assert ebs["requiresIamPermissions"] is True
    configuration = eks.describe_addon_configuration(addonName="aws-ebs-csi-driver", addonVersion=ebs["addonVersion"])
    assert json.loads(configuration["configurationSchema"])["type"] == "object"
    assert configuration["podIdentityConfiguration"][0]["serviceAccount"] == "ebs-csi-controller-sa"
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.describe_addon_versions(addonName="nope")
