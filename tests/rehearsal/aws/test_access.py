"""Access entries, access policies and pod identities."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws, Platform

_CLUSTER = {"clusterName": "slipway-dev"}
_PATH = "/clusters/us-east-1.slipway-dev/access"
_POLICY = "arn:aws:eks::aws:cluster-access-policy/"


def _sent(aws: Aws, principal: str) -> dict[str, Any] | None:
    entries = aws.kubernetes.objects.get(_PATH, {}).get("entries", [])
    return next((entry for entry in entries if entry["principalArn"] == principal), None)


def test_creator_is_admin(aws: Aws, eks: Any, cluster: dict[str, Any]) -> None:
    creator = aws.client("sts").get_caller_identity()["Arn"]
    assert eks.list_access_entries(**_CLUSTER)["accessEntries"] == [creator]
    policies = eks.list_associated_access_policies(**_CLUSTER, principalArn=creator)["associatedAccessPolicies"]
    assert policies[0]["policyArn"] == f"{_POLICY}AmazonEKSClusterAdminPolicy"
    sent = aws.until(lambda: _sent(aws, creator))
    assert sent["policies"] == [
        {"policyArn": f"{_POLICY}AmazonEKSClusterAdminPolicy", "scope": {"type": "cluster", "namespaces": []}}
    ]


def test_role_that_creates_through_a_session_is_the_creator(aws: Aws, platform: Platform) -> None:
    trust = '{"Version": "2012-10-17", "Statement": []}'
    role = aws.client("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="airflow")["Credentials"]
    assumed = aws.client("eks", access_key=session["AccessKeyId"])
    assumed.create_cluster(**platform.cluster_request())
    aws.until(lambda: assumed.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    assert assumed.list_access_entries(**_CLUSTER)["accessEntries"] == [role]


def test_entries_and_policies(aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]) -> None:
    principal = {**_CLUSTER, "principalArn": platform.roles["pod"]}
    entry = eks.create_access_entry(**principal, kubernetesGroups=["viewers"], tags={"a": "1"})["accessEntry"]
    assert entry["username"] == "arn:aws:sts::123456789012:assumed-role/pod/{{SessionName}}"
    assert eks.list_tags_for_resource(resourceArn=entry["accessEntryArn"])["tags"] == {"a": "1"}
    scope = {"type": "namespace", "namespaces": ["data"]}
    policy = {**principal, "policyArn": f"{_POLICY}AmazonEKSViewPolicy"}
    associated = eks.associate_access_policy(**policy, accessScope=scope)["associatedAccessPolicy"]
    assert associated["accessScope"] == scope
    aws.until(lambda: (_sent(aws, principal["principalArn"]) or {}).get("policies"))
    listed = eks.list_access_entries(**_CLUSTER, associatedPolicyArn=policy["policyArn"])["accessEntries"]
    assert listed == [principal["principalArn"]]
    eks.update_access_entry(**principal, kubernetesGroups=["editors"], username="someone")
    found = eks.describe_access_entry(**principal)["accessEntry"]
    assert (found["username"], found["kubernetesGroups"]) == ("someone", ["editors"])
    aws.until(lambda: (_sent(aws, principal["principalArn"]) or {}).get("username") == "someone")
    eks.disassociate_access_policy(**policy)
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.disassociate_access_policy(**policy)
    eks.delete_access_entry(**principal)
    aws.until(lambda: _sent(aws, principal["principalArn"]) is None)
    with pytest.raises(eks.exceptions.ResourceNotFoundException, match="could not be found"):
        eks.describe_access_entry(**principal)


def test_what_entries_refuse(platform: Platform, eks: Any, cluster: dict[str, Any]) -> None:
    unknown = {**_CLUSTER, "principalArn": "arn:aws:iam::123456789012:role/nobody"}
    with pytest.raises(eks.exceptions.InvalidParameterException, match="invalid principal"):
        eks.create_access_entry(**unknown)
    known = {**_CLUSTER, "principalArn": platform.roles["pod"]}
    with pytest.raises(eks.exceptions.InvalidParameterException, match="must not begin with"):
        eks.create_access_entry(**known, kubernetesGroups=["system:masters"])
    with pytest.raises(eks.exceptions.InvalidParameterException, match="type 'SPECIAL' is invalid"):
        eks.create_access_entry(**known, type="SPECIAL")
    eks.create_access_entry(**known)
    with pytest.raises(eks.exceptions.ResourceInUseException):
        eks.create_access_entry(**known)
    policy = f"{_POLICY}AmazonEKSViewPolicy"
    with pytest.raises(eks.exceptions.InvalidParameterException, match="namespaces must be given"):
        eks.associate_access_policy(**known, policyArn=policy, accessScope={"type": "namespace"})
    assert f"{_POLICY}AmazonEKSAdminPolicy" in {p["arn"] for p in eks.list_access_policies()["accessPolicies"]}


def test_entries_need_an_authentication_mode_that_knows_them(aws: Aws, platform: Platform, eks: Any) -> None:
    eks.create_cluster(**platform.cluster_request(accessConfig={}))
    with pytest.raises(eks.exceptions.InvalidRequestException, match="API, API_AND_CONFIG_MAP"):
        eks.list_access_entries(**_CLUSTER)
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    eks.update_cluster_config(name="slipway-dev", accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    assert len(eks.list_access_entries(**_CLUSTER)["accessEntries"]) == 1


def test_pod_identities(platform: Platform, eks: Any, cluster: dict[str, Any]) -> None:
    request = {**_CLUSTER, "namespace": "data", "serviceAccount": "loader", "roleArn": platform.roles["pod"]}
    made = eks.create_pod_identity_association(**request, tags={"a": "1"})["association"]
    with pytest.raises(eks.exceptions.ResourceInUseException, match="Association already exists"):
        eks.create_pod_identity_association(**request)
    with pytest.raises(eks.exceptions.InvalidParameterException, match=r"pods\.eks\.amazonaws\.com"):
        eks.create_pod_identity_association(**{**request, "serviceAccount": "x", "roleArn": platform.roles["node"]})
    named = {**_CLUSTER, "associationId": made["associationId"]}
    assert eks.list_pod_identity_associations(**_CLUSTER, namespace="other")["associations"] == []
    assert len(eks.list_pod_identity_associations(**_CLUSTER, namespace="data")["associations"]) == 1
    changed = eks.update_pod_identity_association(**named, targetRoleArn=platform.roles["pod"])["association"]
    assert changed["targetRoleArn"] == platform.roles["pod"]
    assert eks.describe_pod_identity_association(**named)["association"]["tags"] == {"a": "1"}
    eks.delete_pod_identity_association(**named)
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.describe_pod_identity_association(**named)
