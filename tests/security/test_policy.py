"""The policies of ``deployer.yaml`` as text: real actions, bound resources, room to grow, nothing missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.template import parse
from rehearsal.aws.permissions.documents import managed_policies
from rehearsal.aws.permissions.evaluate import Request, Statement, decide, statements_of
from rehearsal.aws.permissions.requests import reference

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "include" / "cloudformation"
BODY = (FOLDER / "deployer.yaml").read_text()
PARAMETERS = {"Environment": "dev", "Platform": "slipway-dev", "Names": "slipway-dev"}
DOCUMENTS = managed_policies(BODY, PARAMETERS, "us-east-1")
STATEMENTS = [one for name, document in DOCUMENTS.items() for one in statements_of(document, name)]
ALLOWING = [one for one in STATEMENTS if one.effect == "Allow"]
ACCOUNT = "123456789012"
# Permissions that AWS's schemas name for features that our templates do not use.
UNUSED = {
    "AWS::CloudTrail::Trail": ("organizations:", "PutInsightSelectors", "EventConfiguration"),
    "AWS::EC2::EIP": ("AcceptAddressTransfer", "AssociateAddress"),
    "AWS::EC2::FlowLog": ("s3:", "autoscaling:", "ec2:DescribeTags", "iam:CreateServiceLinkedRole"),
    "AWS::EC2::NatGateway": ("PrivateNatGatewayAddress", "ec2:AssociateNatGateway", "ec2:DisassociateNatGateway"),
    "AWS::EC2::SecurityGroup": ("RuleDescriptions",),
    "AWS::EC2::Subnet": ("SubnetCidrBlock",),
    "AWS::EC2::VPC": ("EncryptionControl", "VpcTenancy"),
    "AWS::EC2::VPCEndpoint": ("vpc-lattice:", "vpce:"),
    "AWS::EC2::VPCGatewayAttachment": ("VpnGateway",),
    "AWS::IAM::Role": ("DeleteRolePermissionsBoundary",),
    "AWS::KMS::Key": ("kms:DisableKey", "kms:EnableKey"),
    "AWS::Budgets::Budget": ("billing:",),
    "AWS::Logs::LogGroup": (
        *("firehose:", "s3:REST", "LogDelivery", "DataProtection", "IndexPolic", "ResourcePolic", "BearerToken"),
        "DeletionProtection",
    ),
    "AWS::S3::Bucket": (
        *("s3tables:", "iam:PassRole", "Metadata", "Analytics", "Cors", "CORS", "Metrics", "Replication", "Website"),
        *("Accelerate", "Abac", "ObjectLock", "Notification", "IntelligentTiering", "Inventory", "PutBucketAcl"),
        *("PutObjectAcl", "DeleteBucketEncryption", "DeleteBucketLifecycle", "s3:DeleteObject"),
    ),
}


def types() -> list[str]:
    found: set[str] = set()
    for path in FOLDER.glob("*.yaml"):
        if path.stem != "deployer":
            found |= {resource["Type"] for resource in parse(path.read_text())["Resources"].values()}
    return sorted(found)


def needs(kind: str) -> set[str]:
    """Permissions that CloudFormation needs for a resource type, as AWS's schema names them, our templates' use."""
    handlers = schemas.schema(kind).get("handlers", {})
    return {
        permission
        for handler in ("create", "read", "update", "delete")
        for permission in handlers.get(handler, {}).get("permissions", [])
        if not any(part in permission for part in UNUSED.get(kind, ()))
    }


def grants(action: str) -> bool:
    return any(one._fits(one.actions, (), action, ignore_case=True) for one in ALLOWING)


def test_actions_are_written_out() -> None:
    """A wildcard would grant what AWS adds next year."""
    assert [action for one in ALLOWING for action in one.actions if "*" in action] == []


def test_actions_exist() -> None:
    unknown = {
        action
        for one in STATEMENTS
        for action in one.actions
        if action.split(":")[1].lower() not in reference()[action.split(":")[0].lower()]["Actions"]
    }
    assert unknown == set()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_policies_fit_with_the_longest_names(name: str) -> None:
    longest = "slipway-" + "a" * 20
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{'b' * 60}"
    parameters = {"Environment": "a" * 20, "Platform": longest, "Names": longest, "PermissionsBoundaryArn": boundary}
    document = managed_policies(BODY, parameters, "ap-southeast-1")[name]
    assert len(json.dumps(document, separators=(",", ":"))) <= 6144, "IAM takes no more in a managed policy"


def test_writes_are_bound_to_a_resource_a_tag_or_cloudformation() -> None:
    for one in ALLOWING:
        if "*" not in one.resources or one.sid.startswith("Look."):
            continue
        keys = {key for _, key, _ in one.conditions}
        assert keys & {"aws:calledvia", "aws:requesttag/slipway:platform"}, one.sid


def test_the_look_policies_only_look() -> None:
    verbs = ("Describe", "Get", "List", "Lookup", "View", "DetectStackDrift")
    for one in ALLOWING:
        if one.sid.startswith("Look."):
            assert [action for action in one.actions if not action.split(":")[1].startswith(verbs)] == [], one.sid


@pytest.mark.parametrize("kind", types())
def test_stacks_may_do_all_that_their_resource_types_need(kind: str) -> None:
    """AWS's own schemas name the permissions of each type's handlers."""
    needed = needs(kind)
    if kind not in ("AWS::EC2::VPCGatewayAttachment", "AWS::KMS::Alias"):
        assert needed, "the schema names no permissions; this test would prove nothing"
    assert {one for one in needed if not grants(one)} == set()


def allowed(action: str, resource: str, **facts: str) -> bool:
    known = {key.replace("__", ":").replace("_slash_", "/").lower(): (value,) for key, value in facts.items()}
    return decide(STATEMENTS, Request(action, resource), known.get).allowed


REFUSED = [
    ("another platform's cluster", "eks:DeleteCluster", "arn:aws:eks:us-east-1:123456789012:cluster/slipway-prod", {}),
    ("a foreign cluster", "eks:UpdateClusterConfig", "arn:aws:eks:us-east-1:123456789012:cluster/theirs", {}),
    ("another platform's records", "s3:GetObject", "arn:aws:s3:::slipway-prod-123456789012-us-east-1/lease.json", {}),
    ("a foreign bucket", "s3:PutObject", "arn:aws:s3:::theirs/x", {}),
    ("a foreign secret", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:x", {}),
    ("a VPC without CloudFormation", "ec2:CreateVpc", "arn:aws:ec2:us-east-1:123456789012:vpc/new", {}),
    ("a role without CloudFormation", "iam:CreateRole", "arn:aws:iam::123456789012:role/slipway-dev-us-east-1-x", {}),
    (
        "a role of another name",
        "iam:CreateRole",
        "arn:aws:iam::123456789012:role/admin",
        {"aws__CalledVia": "cloudformation.amazonaws.com"},
    ),
    (
        "a role for another service",
        "iam:PassRole",
        "arn:aws:iam::123456789012:role/slipway-dev-us-east-1-node",
        {"iam__PassedToService": "lambda.amazonaws.com"},
    ),
    (
        "a foreign role for EKS",
        "iam:PassRole",
        "arn:aws:iam::123456789012:role/admin",
        {"iam__PassedToService": "eks.amazonaws.com"},
    ),
    (
        "its own role",
        "iam:PutRolePolicy",
        "arn:aws:iam::123456789012:role/slipway-dev-us-east-1-deployer",
        {"aws__CalledVia": "cloudformation.amazonaws.com"},
    ),
    ("its own policies", "iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/slipway-dev-deployer-look", {}),
    ("a foreign instance", "ec2:TerminateInstances", "arn:aws:ec2:us-east-1:123456789012:instance/i-1", {}),
    (
        "another platform's disk backups",
        "ec2:DeleteSnapshot",
        "arn:aws:ec2:us-east-1::snapshot/snap-1",
        {"aws__ResourceTag_slash_slipway:platform": "slipway-prod"},
    ),
    ("a foreign stack", "cloudformation:DeleteStack", "arn:aws:cloudformation:us-east-1:123456789012:stack/x/y", {}),
    ("a foreign key", "kms:ScheduleKeyDeletion", "arn:aws:kms:us-east-1:123456789012:key/k", {}),
    ("users", "iam:CreateUser", "arn:aws:iam::123456789012:user/x", {}),
    ("access keys", "iam:CreateAccessKey", "arn:aws:iam::123456789012:user/x", {}),
]


@pytest.mark.parametrize(("action", "resource", "facts"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_not_its_own_is_refused(action: str, resource: str, facts: dict[str, str]) -> None:
    assert not allowed(action, resource, **facts)


def test_with_a_boundary_roles_are_made_within_it_only() -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    documents = managed_policies(BODY, {**PARAMETERS, "PermissionsBoundaryArn": boundary}, "us-east-1")
    bounded: list[Statement] = [one for name, found in documents.items() for one in statements_of(found, name)]
    request = Request("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/slipway-dev-us-east-1-node")
    via = {"aws:calledvia": ("cloudformation.amazonaws.com",)}
    assert not decide(bounded, request, via.get).allowed
    assert not decide(bounded, request, {**via, "iam:permissionsboundary": ("arn:aws:iam::1:policy/x",)}.get).allowed
    assert decide(bounded, request, {**via, "iam:permissionsboundary": (boundary,)}.get).allowed
