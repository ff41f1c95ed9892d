"""Platforms as the decisions see them, made without files."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.model.environment import Environment
from slipway.model.platform import Platform

BASE: dict[str, Any] = {
    "name": "dev",
    "account": "123456789012",
    "regions": ["us-east-1"],
    "network": {"cidr": "10.20.0.0/16"},
    "cluster": {"endpoint": {"public_cidrs": ["198.18.0.0/24"]}},
    "node_groups": {"primary": {"instance_types": ["t3.large"], "min": 2, "desired": 3, "max": 5}},
    "budget": {"monthly_usd": 400},
}


def make_platform(**changes: Any) -> Platform:
    """A platform whose environment differs from the base in the given top-level fields."""
    return Platform(environment=Environment.model_validate({**BASE, **changes}), region="us-east-1")


@pytest.fixture
def platform() -> Platform:
    return make_platform()
