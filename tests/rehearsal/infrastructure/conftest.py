"""The AWS side of the rehearsal, in this process and very fast, and an environment of its own for every test."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.moto_server.werkzeug_app import MotoRequestHandler
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks import aws as aws_hooks
from slipway.model.platform import Platform
from slipway.triggers import polling
from werkzeug.serving import make_server

from rehearsal.aws.clock import Clock
from rehearsal.aws.cloudformation import install
from rehearsal.aws.server import Cloud
from tests.rehearsal.aws.fake_kubernetes import FakeKubernetes
from tests.rehearsal.aws.turns import end_turn, take_turn

ROOT = Path(__file__).resolve().parents[3]
SPEED = 2400.0
REGION = "us-east-1"
_numbers = itertools.count(1)


class Aws:
    """The running cloud."""

    def __init__(self, cloud: Cloud, url: str, kubernetes: FakeKubernetes) -> None:
        self.cloud = cloud
        self.url = url
        self.kubernetes = kubernetes
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=REGION, endpoint_url=self.url)
        return self._clients[service]

    def mutating_calls(self) -> int:
        """How many calls changed something, or tried to."""
        return sum(_leaves(self.cloud.statistics.report(), counting=False))

    @staticmethod
    def until(probe: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not probe():
            assert time.monotonic() < deadline, f"still not so after {seconds} s"
            time.sleep(0.05)


def _leaves(report: Any, *, counting: bool) -> Iterator[int]:
    if isinstance(report, dict):
        for key, value in report.items():
            yield from _leaves(value, counting=counting or key == "mutating")
    elif counting:
        yield int(report)


@pytest.fixture(scope="session")
def running_aws() -> Iterator[Aws]:
    kubernetes = FakeKubernetes()
    kubernetes.start()
    install(speed=SPEED)
    cloud = Cloud(Clock(SPEED), kubernetes.url)
    cloud.start()

    class Quiet(MotoRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Stay quiet."""

    server = make_server("127.0.0.1", 0, cloud, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield Aws(cloud, f"http://127.0.0.1:{server.server_port}", kubernetes)
    server.shutdown()
    server.server_close()
    thread.join()
    end_turn(cloud)
    cloud.stop()
    kubernetes.stop()


@pytest.fixture(scope="session")
def include(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An include folder with the real templates and room for environments."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "environments").mkdir()
    for name in ("cloudformation", "manifests"):
        (folder / name).symlink_to(ROOT / "include" / name)
    return folder


@pytest.fixture
def aws(running_aws: Aws, include: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The cloud, where everybody finds it. It is not emptied: every test has an environment of its own."""
    running_aws.kubernetes.broken = False
    running_aws.kubernetes.unready.clear()
    take_turn(running_aws.cloud)
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_aws.url)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv(paths.VARIABLE, str(include))
    monkeypatch.setattr(polling, "FIRST_PAUSE", 0.05)
    paths.include_dir.cache_clear()
    aws_hooks._client.cache_clear()
    yield running_aws
    paths.include_dir.cache_clear()


class EnvironmentFile:
    """An environment file that a test may edit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = yaml.safe_load((ROOT / "include" / "environments" / "dev.yaml").read_text())
        self.content: dict[str, Any] = {**content, "name": path.stem}
        # EKS takes no range that is reserved, documentation's own included.
        self.content["cluster"]["endpoint"]["public_cidrs"] = ["52.94.76.0/24"]
        self.edit(lambda _: None)

    @property
    def name(self) -> str:
        """Name of the environment."""
        return self.path.stem

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the content and write it."""
        change(self.content)
        self.path.write_text(yaml.safe_dump(self.content, sort_keys=False))

    @property
    def platform(self) -> Platform:
        """The platform as the file now says."""
        return load_platform(self.name, None)


@pytest.fixture
def environment(aws: Aws, include: Path) -> EnvironmentFile:
    """An environment nobody else has."""
    return EnvironmentFile(include / "environments" / f"t{next(_numbers)}.yaml")


@pytest.fixture
def platform(environment: EnvironmentFile) -> Platform:
    """The platform of the test's environment."""
    return environment.platform
