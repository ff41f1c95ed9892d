"""The rehearsal's AWS in this process, where callers may do what ``deployer.yaml`` allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from rehearsal.aws.cloudformation.settings import SETTINGS
from rehearsal.aws.permissions.documents import load
from rehearsal.aws.permissions.enforcer import Enforcer
from rehearsal.aws.permissions.tags import Tags, key_of_bucket
from tests.rehearsal.day2.conftest import aws as aws
from tests.rehearsal.day2.conftest import environment as environment
from tests.rehearsal.day2.conftest import include as include
from tests.rehearsal.day2.conftest import platform as platform
from tests.rehearsal.day2.conftest import running_aws as running_aws
from tests.rehearsal.infrastructure.conftest import REGION, Aws, EnvironmentFile
from tests.security.conftest import TEMPLATE


class Unbound(Aws):
    """The same cloud for those whom the policies do not bind: controllers, other people."""

    def client(self, service: str) -> Any:
        session = boto3.Session(aws_access_key_id="somebody-else", aws_secret_access_key="x", region_name=REGION)
        return session.client(service, endpoint_url=self.url)


@pytest.fixture
def unbound(aws: Aws) -> Unbound:
    return Unbound(aws.cloud, aws.url, aws.kubernetes)


@pytest.fixture
def enforcer(aws: Aws, environment: EnvironmentFile) -> Iterator[Enforcer]:
    """The policies at work, for the platform of this test alone."""
    platform = environment.platform
    parameters = {"Environment": environment.name, "Platform": platform.name, "Names": platform.name}
    made = Enforcer(load(TEMPLATE, parameters, REGION), Tags(aws.cloud.eks).of, key_of_bucket)
    aws.cloud.enforcer = SETTINGS.judge = made
    yield made
    aws.cloud.enforcer = SETTINGS.judge = None
