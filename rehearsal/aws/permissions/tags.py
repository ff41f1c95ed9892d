"""Tags of resources that exist, and the key that seals a bucket, as moto and the EKS emulation have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.eks.state import Eks
from rehearsal.aws.eks.tags import resources_of
from rehearsal.aws.local import client


class Tags:
    """Looks tags up by ARN.

    :param eks: has the clusters, which moto does not.
    """

    def __init__(self, eks: Eks) -> None:
        self._eks = eks

    def of(self, arn: str) -> dict[str, str]:
        """Tags of a resource; none when there is no such resource, or its service is not asked here."""
        parts = arn.split(":", 5)
        if len(parts) < 6:
            return {}
        _, _, service, region, _, rest = parts
        if service == "eks":
            return self._of_cluster(arn, region)
        read = _READERS.get(service)
        if read is None:
            return {}
        try:
            return read(region or "us-east-1", arn, rest)
        except ClientError:
            return {}

    def _of_cluster(self, arn: str, region: str) -> dict[str, str]:
        kind, _, path = arn.split(":", 5)[5].partition("/")
        for cluster in self._eks.in_region(region):
            for found, data in resources_of(cluster):
                # What is about to be described is asked for without the last part of its ARN, which EKS makes up.
                wanted = path.removesuffix("/x")
                if found == arn or found.split(":", 5)[5].startswith(f"{kind}/{wanted}"):
                    return dict(data.get("tags") or {})
        return {}


def key_of_bucket(bucket: str) -> str | None:
    """ARN of the KMS key that a bucket seals its objects with; ``None`` for none of ours."""
    try:
        found = client("s3", "us-east-1").get_bucket_encryption(Bucket=bucket)
    except ClientError:
        return None
    (rule, *_) = found["ServerSideEncryptionConfiguration"]["Rules"]
    key = rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    return str(key) if key else None


def _pairs(pairs: list[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    return {one[key]: one[value] for one in pairs or []}


def _ec2(region: str, _arn: str, rest: str) -> dict[str, str]:
    wanted = [{"Name": "resource-id", "Values": [rest.partition("/")[2]]}]
    return _pairs(client("ec2", region).describe_tags(Filters=wanted)["Tags"])


def _kms(region: str, arn: str, rest: str) -> dict[str, str]:
    if rest.startswith("alias/"):
        return {}
    return _pairs(client("kms", region).list_resource_tags(KeyId=arn)["Tags"], "TagKey", "TagValue")


def _iam(region: str, _arn: str, rest: str) -> dict[str, str]:
    kind, _, name = rest.partition("/")
    if kind != "role":
        return {}
    return _pairs(client("iam", region).list_role_tags(RoleName=name)["Tags"])


def _balancers(region: str, arn: str, _rest: str) -> dict[str, str]:
    return _pairs(client("elbv2", region).describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])


def _scaling(region: str, _arn: str, rest: str) -> dict[str, str]:
    name = rest.rpartition("/")[2]
    found = client("autoscaling", region).describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return _pairs(found["AutoScalingGroups"][0]["Tags"]) if found["AutoScalingGroups"] else {}


def _secrets(region: str, arn: str, _rest: str) -> dict[str, str]:
    name = arn.split(":", 6)[6].removesuffix("-AbCdEf")
    return _pairs(client("secretsmanager", region).describe_secret(SecretId=name).get("Tags", []))


_READERS: dict[str, Callable[[str, str, str], dict[str, str]]] = {
    "ec2": _ec2,
    "kms": _kms,
    "iam": _iam,
    "elasticloadbalancing": _balancers,
    "autoscaling": _scaling,
    "secretsmanager": _secrets,
}

Reader = Callable[[str], dict[str, Any]]
