"""One AWS side of the rehearsal for all tests here, in this process, on a free port and very fast."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from rehearsal.aws.clock import Clock
from rehearsal.aws.server import Cloud
from tests.rehearsal.aws.fake_kubernetes import FakeKubernetes

SPEED = 1200.0
REGION = "us-east-1"


class Aws:
    """The running server with what tests need around it."""

    def __init__(self, cloud: Cloud, url: str, kubernetes: FakeKubernetes) -> None:
        self.cloud = cloud
        self.url = url
        self.kubernetes = kubernetes
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, region: str = REGION, access_key: str = "rehearsal") -> Any:
        key = (service, region, access_key)
        if key not in self._clients:
            session = boto3.Session(aws_access_key_id=access_key, aws_secret_access_key="rehearsal")
            config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
            self._clients[key] = session.client(service, region_name=region, endpoint_url=self.url, config=config)
        return self._clients[key]

    @staticmethod
    def until(probe: Callable[[], Any], seconds: float = 15.0) -> Any:
        """Wait until ``probe`` returns something true; returns it."""
        deadline = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
            time.sleep(0.02)
        return found


@pytest.fixture(scope="session")
def running_aws() -> Iterator[Aws]:
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
    cloud.stop()
    kubernetes.stop()


@pytest.fixture
def aws(running_aws: Aws) -> Iterator[Aws]:
    """The server, empty."""
    running_aws.kubernetes.broken = False
    running_aws.kubernetes.unready.clear()
    running_aws.cloud.reset()
    running_aws.kubernetes.objects.clear()
    yield running_aws
    running_aws.kubernetes.broken = False


class Platform:
    """A VPC with three subnets, and the roles of control plane, nodes and pods."""

    def __init__(self, aws: Aws, region: str = REGION) -> None:
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
