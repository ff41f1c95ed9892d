"""The real DAGs on a cloud that allows what ``include/cloudformation/deployer.yaml`` allows, and nothing else."""

from __future__ import annotations

import json
import logging
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog import paths
from slipway.hooks import aws
from slipway.hooks.kubernetes import EksAccess

from rehearsal.cloud import Cloud
from tests.rehearsal.day2.life.conftest import Life

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "include" / "cloudformation" / "deployer.yaml"
PARAMETERS = {"Environment": "dev", "Platform": "slipway-dev", "Names": "slipway-dev"}
SPEED = 1200.0
# Minutes of real DAGs: a target of its own, and named as not run everywhere else.
thorough = pytest.mark.skipif(not os.environ.get("SLIPWAY_THOROUGH"), reason="not run here; make security does")


class Bound(Life):
    """A platform whose deployer is bound by the policies."""

    def permissions(self) -> Any:
        """What was asked for so far: actions allowed, and calls refused."""
        url = f"{self.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/permissions"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)


def client(cloud: Cloud, service: str) -> Any:
    """A client of somebody who is not bound: controllers, people, the test itself."""
    import boto3

    session = boto3.Session(aws_access_key_id="somebody-else", aws_secret_access_key="x", region_name="us-east-1")
    return session.client(service, endpoint_url=cloud.env["AWS_ENDPOINT_URL"])


@pytest.fixture(scope="session")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    """One cloud, one Airflow, one platform for all tests of this folder, which follow each other."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    include = tmp_path_factory.mktemp("project") / "include"
    for name in ("environments", "cloudformation", "prices"):
        shutil.copytree(ROOT / "include" / name, include / name)
    for name in ("namespaces", "storage-classes"):
        shutil.copytree(ROOT / "include/manifests/base-services" / name, include / "manifests/base-services" / name)
    shutil.copytree(ROOT / "tests/rehearsal/day2/life/manifests", include / "manifests", dirs_exist_ok=True)
    shutil.copy(ROOT / "include/manifests/images.yaml", include / "manifests/images.yaml")
    shutil.copytree(Path(__file__).parent / "manifests", include / "manifests", dirs_exist_ok=True)
    patch = pytest.MonkeyPatch()
    patch.setenv("REHEARSAL_SPEED", f"{SPEED:g}")
    patch.setenv(paths.VARIABLE, str(include))
    paths.include_dir.cache_clear()
    logging.getLogger("airflow").setLevel(logging.WARNING)
    cloud = Cloud(
        aws_port=0,
        kubernetes_port=0,
        admin_port=0,
        state=tmp_path_factory.mktemp("cloud"),
        speed=SPEED,
        policy=TEMPLATE,
        policy_parameters=PARAMETERS,
    )
    with cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        aws._client.cache_clear()
        EksAccess._tokens.clear()
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        yield Bound(cloud, include)
    patch.undo()
    aws._client.cache_clear()
    paths.include_dir.cache_clear()
