"""One platform's infrastructure on the rehearsal's AWS, in this process, to be taken down again from every state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.core.config import default_user_config
from slipway.catalog import paths
from slipway.hooks import aws as aws_hooks
from slipway.operators import teardown
from slipway.triggers import polling

from tests.rehearsal.aws import turns
from tests.rehearsal.infrastructure.conftest import (  # noqa: F401
    Aws,
    environment,
    platform,
    running_aws,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def include(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An include folder with the real templates, one small component and room for environments."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "environments").mkdir()
    for name in ("cloudformation", "prices"):
        (folder / name).symlink_to(ROOT / "include" / name)
    (folder / "manifests").symlink_to(ROOT / "tests" / "rehearsal" / "components" / "project" / "manifests")
    return folder


@pytest.fixture
def aws(running_aws: Aws, include: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:  # noqa: F811
    """The cloud, where everybody finds it, without AWS's own thousands of images and policies."""
    running_aws.kubernetes.broken = False
    running_aws.kubernetes.unready.clear()
    if turns._current is not running_aws.cloud:
        turns.take_turn(running_aws.cloud, lean=True)
        # No images, but roles attach managed policies.
        default_user_config["iam"]["load_aws_managed_policies"] = True
        running_aws.cloud.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_aws.url)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv(paths.VARIABLE, str(include))
    for module in (polling, teardown):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(teardown, "LONGEST_PAUSE", 0.3)
    paths.include_dir.cache_clear()
    aws_hooks._client.cache_clear()
    yield running_aws
    paths.include_dir.cache_clear()
