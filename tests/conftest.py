"""Airflow reads its configuration when it is first imported, so it is given one of the tests' own before that."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="slipway-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(HOME / "logs"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        # Nothing here may reach an account by accident; tests that want a cloud name its endpoint.
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
)
os.environ.setdefault("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

# A deadline per example measures the machine, not the code. Whole tests have their time limit.
settings.register_profile("slipway", deadline=None)
settings.load_profile("slipway")


@pytest.fixture(autouse=True, scope="module")
def this_project(request: pytest.FixtureRequest) -> Iterator[None]:
    """Outside tests/rehearsal, ``include/`` is this project's own.

    Clouds of tests/rehearsal stay up until their process ends, and name a project with less in it.
    """
    if ROOT / "tests" / "rehearsal" in request.path.parents:
        yield
        return
    # Only now: some tests need nothing of the product.
    from slipway.catalog import paths

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(paths.VARIABLE, raising=False)
        paths.include_dir.cache_clear()
        yield
    paths.include_dir.cache_clear()
