"""A platform with a real (moto) bucket."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from slipway.catalog.environments import load_platform
from slipway.hooks import aws as aws_hooks
from slipway.model.platform import Platform


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    aws_hooks._client.cache_clear()
    with mock_aws():
        found = load_platform("dev")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=found.bucket)
        yield found
    aws_hooks._client.cache_clear()
