"""Runs last: every operation of our own was answered at least once, and each answer conformed to its shape."""

from __future__ import annotations

import os

import pytest

from rehearsal.aws.validation import problems
from tests.rehearsal.aws.conformance import violations
from tests.rehearsal.aws.conftest import Aws


def test_every_operation_was_answered(
    running_aws: Aws, answered: dict[str, set[str]], request: pytest.FixtureRequest
) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("needs the whole folder in one process: make conformance runs it so")
    collected = {item.path.name for item in request.session.items}
    if "test_clusters.py" not in collected or "test_prices_and_quotas.py" not in collected:
        pytest.skip("needs the whole folder: the other tests make the calls")
    for name, service in running_aws.cloud.services.items():
        never = service._handlers.keys() - answered.get(service.name, set())
        assert not never, f"no test calls {name}: {sorted(never)}"


def test_the_checker_finds_what_is_wrong(running_aws: Aws) -> None:
    operation = running_aws.cloud.services["eks"].model.operation_model("DescribeCluster")
    wrong = {"cluster": {"status": "ASLEEP", "nmae": "x", "resourcesVpcConfig": {"subnetIds": "subnet-1"}}}
    found = sorted(violations(operation, wrong))
    assert any("enum value set" in text for text in found)
    assert any("DescribeCluster.cluster.nmae is no member" in text for text in found)
    assert any("has type str; allowed is list" in text for text in found)
    assert list(problems(operation.input_shape, {})) == [
        "Value null at 'name' failed to satisfy constraint: Member must not be null"
    ]
