"""The templates as text: what a reviewer, AWS's linter and an auditor would ask of every one of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint

from rehearsal.aws.cloudformation.template import parse

FOLDER = Path(__file__).parents[3] / "include" / "cloudformation"
NAMES = ("state", "encryption", "network", "identity", "audit", "nodegroup", "budget", "deployer")
TEMPLATES = {name: parse((FOLDER / f"{name}.yaml").read_text()) for name in NAMES}
ALL_RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]


def of_type(resource_type: str) -> list[Any]:
    return [
        pytest.param(resource, id=f"{name}.{logical_id}")
        for name, document in TEMPLATES.items()
        for logical_id, resource in document["Resources"].items()
        if resource["Type"] == resource_type
    ]


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["Statement"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_template_is_tested_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    found = lint((FOLDER / f"{name}.yaml").read_text(), regions=["us-east-1"])
    assert [str(match) for match in found] == []


@pytest.mark.parametrize("name", NAMES)
def test_template_explains_itself(name: str) -> None:
    document = TEMPLATES[name]
    assert document["Description"].startswith("Slipway")
    assert {"Purpose", "KeptOnDelete"} <= set(document["Metadata"]["Slipway"])
    assert "Transform" not in document
    assert len((FOLDER / f"{name}.yaml").read_bytes()) <= 51_200, "larger ones have to go through S3"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_described_and_constrained(name: str) -> None:
    parameters = TEMPLATES[name]["Parameters"]
    assert list(parameters)[:2] == ["Environment", "Platform"]
    for key, spec in parameters.items():
        assert spec["Description"], key
        if spec["Type"] == "List<AWS::EC2::AvailabilityZone::Name>":
            continue  # AWS checks these against the region itself
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(spec), f"{key} takes anything"
        assert spec["ConstraintDescription"], key


@pytest.mark.parametrize("name", NAMES)
def test_readme_lists_every_parameter_and_output(name: str) -> None:
    readme = (FOLDER / "README.md").read_text()
    section = re.split(r"^## ", readme, flags=re.MULTILINE)
    own = next(text for text in section if text.startswith(f"{name}\n"))
    listed = set(re.findall(r"^\| `(\w+)` \|", own, flags=re.MULTILINE))
    document = TEMPLATES[name]
    assert listed == (set(document["Parameters"]) - {"Environment", "Platform"}) | set(document["Outputs"])


@pytest.mark.parametrize("resource", of_type("AWS::S3::Bucket"))
def test_buckets_are_closed_versioned_sealed_and_kept(resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    takes_access_logs = "LoggingConfiguration" not in properties
    algorithm = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert algorithm == ("AES256" if takes_access_logs else "aws:kms"), "S3 delivers access logs to SSE-S3 only"


def test_every_bucket_refuses_clear_text() -> None:
    resources = TEMPLATES["state"]["Resources"]
    buckets = {name for name, resource in resources.items() if resource["Type"] == "AWS::S3::Bucket"}
    refusing = set()
    for resource in resources.values():
        if resource["Type"] != "AWS::S3::BucketPolicy":
            continue
        for statement in statements(resource["Properties"]["PolicyDocument"]):
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}:
                assert statement["Action"] == "s3:*"
                refusing.add(resource["Properties"]["Bucket"]["Ref"])
    assert refusing == buckets


@pytest.mark.parametrize("resource", of_type("AWS::KMS::Key"))
def test_keys_rotate_and_their_policies_are_bound(resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    assert properties["EnableKeyRotation"] is True
    for statement in statements(properties["KeyPolicy"]):
        everybody = statement["Principal"] == {"AWS": "*"}
        service = "Service" in statement["Principal"]
        if everybody or service:
            assert statement.get("Condition"), f"{statement['Sid']} is open to anybody"
        if everybody:
            assert "kms:CallerAccount" in statement["Condition"]["StringEquals"]
            assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def test_every_key_has_an_alias() -> None:
    for document in TEMPLATES.values():
        resources = document["Resources"]
        keys = {name for name, resource in resources.items() if resource["Type"] == "AWS::KMS::Key"}
        aliases = [r["Properties"]["TargetKeyId"]["Ref"] for r in resources.values() if r["Type"] == "AWS::KMS::Alias"]
        assert sorted(aliases) == sorted(keys)


@pytest.mark.parametrize("resource", of_type("AWS::Logs::LogGroup"))
def test_log_groups_have_retention_key_and_a_name_the_key_admits(resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    retention = properties["RetentionInDays"]["Ref"]
    declared = next(d["Parameters"][retention] for d in TEMPLATES.values() if retention in d["Parameters"])
    assert declared["AllowedValues"] == ALL_RETENTIONS
    assert declared["Default"] in ALL_RETENTIONS
    assert properties["KmsKeyId"] == {"Ref": "LogsKeyArn"}
    assert re.match(r"/(aws/[a-z]+|slipway)/\$\{Platform\}/", properties["LogGroupName"]["Fn::Sub"])


@pytest.mark.parametrize("resource", of_type("AWS::EC2::Subnet"))
def test_subnets_give_no_public_addresses_and_are_found_by_load_balancers(resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    assert properties["MapPublicIpOnLaunch"] is False
    tags = {str(tag["Key"]): tag["Value"] for tag in properties["Tags"]}
    assert len({"kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"} & set(tags)) == 1
    assert tags[str({"Fn::Sub": "kubernetes.io/cluster/${Platform}"})] == "shared"


@pytest.mark.parametrize("resource", of_type("AWS::EC2::SecurityGroup"))
def test_security_groups_are_not_open_to_the_world(resource: dict[str, Any]) -> None:
    rules = resource["Properties"]["SecurityGroupIngress"] + resource["Properties"]["SecurityGroupEgress"]
    assert rules
    assert all(rule["CidrIp"] != "0.0.0.0/0" and rule["Description"] for rule in rules)


def test_launch_template_leaves_pods_no_node_credentials_and_no_clear_disks() -> None:
    data = TEMPLATES["nodegroup"]["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    options = data["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", {"Ref": "MetadataHopLimit"})
    assert TEMPLATES["nodegroup"]["Parameters"]["MetadataHopLimit"]["Default"] == 1
    (root,) = data["BlockDeviceMappings"]
    assert (root["Ebs"]["VolumeType"], root["Ebs"]["Encrypted"]) == ("gp3", True)
    assert {"ImageId", "UserData", "InstanceType", "SecurityGroupIds"}.isdisjoint(data), "EKS brings these"
    kinds = [specification["ResourceType"] for specification in data["TagSpecifications"]]
    assert kinds == ["instance", "volume", "network-interface"]


@pytest.mark.parametrize("resource", of_type("AWS::IAM::Role"))
def test_roles_are_bound(resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    assert properties["RoleName"]["Fn::Sub"].startswith("${Platform}-${AWS::Region}-")
    assert properties["Description"]
    for statement in statements(properties["AssumeRolePolicyDocument"]):
        assert statement["Principal"] != "*"
        assert statement["Principal"].get("AWS") != "*"
        if statement["Principal"].get("Service") == "pods.eks.amazonaws.com":
            assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
            assert list(statement["Condition"]["StringEquals"]) == ["aws:RequestTag/eks-cluster-arn"]
    for policy in properties.get("Policies", []):
        for statement in statements(policy["PolicyDocument"]):
            assert_bound(statement)


READ_ONLY = re.compile(r"[a-z0-9-]+:(Describe|List|Get|Lookup)\w*\*?|xray:Put\w+")


def assert_bound(statement: dict[str, Any]) -> None:
    """Writes name their resources or a condition; whole services are granted to nobody."""
    actions = as_list(statement["Action"])
    assert not any(action in ("*", f"{action.split(':')[0]}:*") for action in actions), statement["Sid"]
    if "*" in as_list(statement["Resource"]) and "Condition" not in statement:
        assert all(READ_ONLY.fullmatch(action) for action in actions), f"{statement['Sid']} writes anywhere"


def test_nodes_hold_next_to_nothing() -> None:
    arns = TEMPLATES["identity"]["Resources"]["NodeRole"]["Properties"]["ManagedPolicyArns"]
    always = [arn["Fn::Sub"].rsplit("/", 1)[1] for arn in arns if "Fn::Sub" in arn]
    assert always == ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"]


def test_secrets_are_readable_for_their_own_platform_only() -> None:
    (policy,) = TEMPLATES["identity"]["Resources"]["ExternalSecretsRole"]["Properties"]["Policies"]
    read = statements(policy["PolicyDocument"])[0]
    assert read["Resource"]["Fn::Sub"].endswith(":secret:slipway-${Environment}/*")


def test_trail_is_validated_sealed_and_everywhere_by_default() -> None:
    trail = TEMPLATES["audit"]["Resources"]["AuditTrail"]["Properties"]
    assert (trail["IsLogging"], trail["EnableLogFileValidation"], trail["IncludeGlobalServiceEvents"]) == (True,) * 3
    assert trail["KMSKeyId"] == {"Ref": "TrailKeyArn"}
    assert TEMPLATES["audit"]["Parameters"][trail["IsMultiRegionTrail"]["Ref"]]["Default"] == "true"


def test_exceptions_from_scanners_have_a_reason() -> None:
    for name, document in TEMPLATES.items():
        for logical_id, resource in document["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skip["comment"]) > 40, f"{name}.{logical_id} skips {skip['id']} without saying why"
