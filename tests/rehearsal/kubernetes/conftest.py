"""A rehearsal control plane in a process of its own, shared by the session."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from http.server import HTTPServer

import httpx
import kubernetes.client as k8s
import pytest
from kubernetes.dynamic import DynamicClient

from tests.rehearsal.kubernetes.support import NODE, ClusterUnderTest, FakeSts, Kubectl, Process, eventually


@pytest.fixture(scope="session")
def sts_endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), FakeSts)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory, sts_endpoint: str) -> Iterator[Process]:
    started = Process(tmp_path_factory.mktemp("state"), sts_endpoint).start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def cluster(process: Process) -> ClusterUnderTest:
    """A cluster with two small nodes and the EBS driver."""
    made = ClusterUnderTest(process, "shared")
    made.node_group("primary", 3, capacity={**NODE["capacity"], "cpu": "8", "memory": "16Gi", "pods": "58"})
    made.add_on("aws-ebs-csi-driver")
    return made


@pytest.fixture(scope="session")
def api(cluster: ClusterUnderTest) -> Iterator[k8s.ApiClient]:
    with cluster.client(cluster.admin_token()) as client:
        yield client


@pytest.fixture(scope="session")
def http(cluster: ClusterUnderTest) -> Iterator[httpx.Client]:
    with cluster.http(cluster.admin_token()) as client:
        yield client


@pytest.fixture(scope="session")
def core(api: k8s.ApiClient) -> k8s.CoreV1Api:
    return k8s.CoreV1Api(api)


@pytest.fixture(scope="session")
def apps(api: k8s.ApiClient) -> k8s.AppsV1Api:
    return k8s.AppsV1Api(api)


@pytest.fixture(scope="session")
def dynamic(api: k8s.ApiClient) -> DynamicClient:
    return DynamicClient(api)


@pytest.fixture
def namespace(core: k8s.CoreV1Api) -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    eventually(lambda: core.read_namespaced_service_account("default", name))
    yield name
    with contextlib.suppress(k8s.ApiException):
        core.delete_namespace(name)


@pytest.fixture(scope="session")
def kubectl(cluster: ClusterUnderTest) -> Kubectl:
    return Kubectl(cluster.kubeconfig(cluster.admin_token()))
