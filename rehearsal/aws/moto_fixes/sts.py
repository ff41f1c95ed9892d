"""STS: the identity of an access key that IAM does not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sts.models import STSBackend

from rehearsal.aws.moto_fixes.wrapping import around


def install() -> None:
    """Give unknown access keys the ARN of an IAM user; moto's ``arn:aws:sts::...:user/moto`` exists in no account."""
    around(STSBackend, "get_caller_identity", _name_the_default_user)


def _name_the_default_user(
    original: Callable[..., Any], backend: Any, access_key: str, region: str
) -> tuple[str, str, str]:
    user_id, arn, account = original(backend, access_key, region)
    if arn.endswith(":user/moto"):
        arn = f"arn:{backend.partition}:iam::{account}:user/rehearsal"
    return user_id, arn, account
