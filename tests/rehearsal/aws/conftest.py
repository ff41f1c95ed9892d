"""One AWS side of the rehearsal for all tests here, in this process, on a free port and very fast."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from rehearsal.aws.clock import Clock
from rehearsal.aws.errors import AwsError
from rehearsal.aws.protocol import Call, ModelledService
from rehearsal.aws.scheduler import Job
from rehearsal.aws.server import Cloud
from tests.rehearsal.aws.conformance import violations
from tests.rehearsal.aws.fake_kubernetes import FakeKubernetes
from tests.rehearsal.aws.turns import end_turn, take_turn

SPEED = 6000.0
REGION = "us-east-1"


# Sessions share what they loaded of botocore's models, which is most of the time a client costs.
_SESSIONS: dict[str, boto3.Session] = {}


class Clients:
    """boto3 clients of a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, region: str = REGION, access_key: str = "rehearsal") -> Any:
        key = (service, region, access_key)
        if key not in self._clients:
            session = _SESSIONS.setdefault(access_key, boto3.Session(access_key, "rehearsal"))
            # The server is what is tested, so botocore's own checks are off.
            config = Config(
                retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False
            )
            self._clients[key] = session.client(service, region_name=region, endpoint_url=self.url, config=config)
        return self._clients[key]


class Aws(Clients):
    """The running server with what tests need around it."""

    def __init__(self, cloud: Cloud, url: str, kubernetes: FakeKubernetes) -> None:
        super().__init__(url)
        self.cloud = cloud
        self.kubernetes = kubernetes
        self._gate = threading.Event()
        self._gate.set()
        attempt = cloud.scheduler._attempt

        def attempt_when_open(job: Job) -> float | None:
            self._gate.wait()
            return attempt(job)

        cloud.scheduler._attempt = attempt_when_open  # type: ignore[method-assign]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no later work begin, so that states between two steps can be looked at."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    @staticmethod
    def until(probe: Callable[[], Any], seconds: float = 15.0) -> Any:
        """Wait until ``probe`` returns something true; returns it."""
        deadline = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
            time.sleep(0.02)
        return found


@pytest.fixture(scope="session")
def answered() -> Iterator[dict[str, set[str]]]:
    """Checks every response of our own services; yields which operations answered, by service."""
    seen: dict[str, set[str]] = {}
    handle = ModelledService._handle

    def checked(self: ModelledService, call: Call) -> Any:
        result = handle(self, call)
        found = list(violations(self.model.operation_model(call.operation), result))
        if found:
            # Seen by the client as a failed call, and so by the test that made it.
            raise AwsError("ResponseDoesNotConform", "; ".join(found))
        seen.setdefault(self.name, set()).add(call.operation)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelledService, "_handle", checked)
        yield seen


@pytest.fixture(scope="session")
def running_aws(answered: dict[str, set[str]]) -> Iterator[Aws]:
    kubernetes = FakeKubernetes()
    kubernetes.start()
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


def _empty(running_aws: Aws) -> Aws:
    running_aws.kubernetes.broken = False
    running_aws.kubernetes.unready.clear()
    # Nobody here looks at managed policies or images, and every test would load them again.
    take_turn(running_aws.cloud, lean=True)
    running_aws.cloud.reset()
    running_aws.kubernetes.objects.clear()
    return running_aws


@pytest.fixture
def aws(running_aws: Aws) -> Aws:
    """The server, empty."""
    return _empty(running_aws)


class Platform:
    """A VPC with three subnets, and the roles of control plane, nodes and pods."""

    def __init__(self, aws: Clients, region: str = REGION) -> None:
        ec2, iam = aws.client("ec2", region), aws.client("iam", region)
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{region}{zone}")["Subnet"][
                "SubnetId"
            ]
            for i, zone in enumerate("abc")
        ]
        self.roles = {
            name: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_trust(service)))["Role"]["Arn"]
            for name, service in {
                "cluster": "eks.amazonaws.com",
                "node": "ec2.amazonaws.com",
                "pod": "pods.eks.amazonaws.com",
            }.items()
        }

    def cluster_request(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "slipway-dev",
            "version": "1.36",
            "roleArn": self.roles["cluster"],
            "resourcesVpcConfig": {"subnetIds": self.subnets},
            "accessConfig": {"authenticationMode": "API"},
            **changes,
        }

    def nodegroup_request(self, **changes: Any) -> dict[str, Any]:
        return {
            "clusterName": "slipway-dev",
            "nodegroupName": "primary",
            "subnets": self.subnets,
            "nodeRole": self.roles["node"],
            "instanceTypes": ["t3.medium"],
            "scalingConfig": {"minSize": 1, "desiredSize": 2, "maxSize": 4},
            **changes,
        }


def _trust(service: str) -> dict[str, Any]:
    action = ["sts:AssumeRole", "sts:TagSession"]
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def platform(aws: Aws) -> Platform:
    return Platform(aws)


@pytest.fixture
def eks(aws: Aws) -> Any:
    return aws.client("eks")


@pytest.fixture
def cluster(aws: Aws, platform: Platform, eks: Any) -> dict[str, Any]:
    """An ACTIVE cluster called slipway-dev."""
    eks.create_cluster(**platform.cluster_request())
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    described: dict[str, Any] = eks.describe_cluster(name="slipway-dev")["cluster"]
    return described


@pytest.fixture
def nodegroup(aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]) -> dict[str, Any]:
    """An ACTIVE node group called primary."""
    names = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
    eks.create_nodegroup(**platform.nodegroup_request())
    aws.until(lambda: eks.describe_nodegroup(**names)["nodegroup"]["status"] == "ACTIVE")
    described: dict[str, Any] = eks.describe_nodegroup(**names)["nodegroup"]
    return described


class Standing:
    """A platform with an ACTIVE cluster and node group for tests that leave them as they are."""

    def __init__(self, running: Aws) -> None:
        self.aws = _empty(running)
        self.platform = Platform(self.aws)
        self.eks = self.aws.client("eks")
        self.eks.create_cluster(**self.platform.cluster_request())
        self.aws.until(lambda: self.eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
        self.eks.create_nodegroup(**self.platform.nodegroup_request())
        names = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
        self.aws.until(lambda: self.eks.describe_nodegroup(**names)["nodegroup"]["status"] == "ACTIVE")


@pytest.fixture(scope="module")
def standing(running_aws: Aws) -> Standing:
    """See :class:`Standing`."""
    return Standing(running_aws)
