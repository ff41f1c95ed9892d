"""One cluster behind the server under test: ``SLIPWAY_PLANE`` names it, as for the tests of the API server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.rehearsal.kubernetes.support import ClusterUnderTest, Process, eventually

ASKED = "SLIPWAY_PLANE" in os.environ


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """A cluster without nodes."""
    if not ASKED:
        pytest.skip("make conformance runs this: it names the server to test by SLIPWAY_PLANE")
    process = Process(tmp_path_factory.mktemp("state"), "http://127.0.0.1:1").start()
    yield ClusterUnderTest(process, "manifests")
    assert process.stop() == 0


@pytest.fixture(scope="session")
def server(cluster: ClusterUnderTest) -> Iterator[httpx.Client]:
    """A client with full rights on the cluster."""
    with cluster.http(cluster.admin_token()) as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        yield client
