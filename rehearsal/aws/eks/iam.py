"""What EKS asks of IAM: does a role exist, and does it trust the service that wants to assume it?"""

from __future__ import annotations

import json
from typing import Any

from rehearsal.aws.errors import AwsError, invalid_parameter
from rehearsal.aws.local import client

CLUSTER_SERVICE = "eks.amazonaws.com"
NODE_SERVICE = "ec2.amazonaws.com"
POD_SERVICE = "pods.eks.amazonaws.com"


def require_role(arn: str, service: str, region: str, **members: Any) -> None:
    """Refuse a role that does not exist or does not trust ``service``."""
    role = _role(arn, region)
    if role is None or service not in json.dumps(role["AssumeRolePolicyDocument"]):
        found = "it does not exist" if role is None else f"its trust policy does not name {service}"
        raise invalid_parameter(
            f"Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not "
            f"correct ({found})",
            **members,
        )


def principal_exists(arn: str, region: str) -> bool:
    """Whether an IAM user or role with this ARN exists."""
    kind, _, name = arn.partition(":iam::")[2].partition(":")[2].partition("/")
    if kind == "role":
        return _role(arn, region) is not None
    if kind != "user":
        return False
    iam = client("iam", region)
    try:
        return bool(iam.get_user(UserName=name.rsplit("/", 1)[-1])["User"]["Arn"] == arn)
    except iam.exceptions.NoSuchEntityException:
        return False


def identity_arn(caller_arn: str) -> str:
    """The IAM identity behind a caller: an assumed role's session becomes its role.

    ``arn:aws:sts::1:assumed-role/Deploy/session`` -> ``arn:aws:iam::1:role/Deploy``.
    """
    head, _, rest = caller_arn.partition(":assumed-role/")
    if not rest:
        return caller_arn
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _role(arn: str, region: str) -> dict[str, Any] | None:
    if ":role/" not in arn:
        raise AwsError("InvalidParameterException", f"{arn!r} is not the ARN of an IAM role")
    iam = client("iam", region)
    try:
        role: dict[str, Any] = iam.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return role if role["Arn"] == arn else None
