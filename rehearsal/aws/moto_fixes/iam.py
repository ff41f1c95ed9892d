"""IAM: AWS's managed policies are loaded for one partition.

moto looks into all six partitions for every access key, and would parse 1,500 policies for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.iam.models import IAMBackend

from rehearsal.aws.moto_fixes.wrapping import around


def install() -> None:
    """Leave the other partitions without managed policies."""
    around(IAMBackend, "_init_aws_policies", _init_aws_policies)


def _init_aws_policies(original: Callable[..., Any], backend: Any) -> list[Any]:
    found: list[Any] = original(backend) if backend.partition == "aws" else []
    return found
