"""S3 bucket policies: moto reads a conditional statement as if it had no condition.

A policy that denies requests without TLS would then deny everything. The rehearsal's loopback stands for TLS, and no
other condition is evaluated, so statements with conditions are left out.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket


def install() -> None:
    """Evaluate only what is unconditional."""
    FakeBucket.get_permission = _permission


def _permission(bucket: Any, action: str, resource: str) -> Any:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(bucket.policy)
    statements = document["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    unconditional = [statement for statement in statements if "Condition" not in statement]
    return IAMPolicy(json.dumps({**document, "Statement": unconditional})).is_action_permitted(action, resource)
