"""The rehearsal's AWS side over HTTP, so fast that a three-minute network takes hardly a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from rehearsal.aws.clock import Clock
from rehearsal.aws.server import Cloud
from tests.rehearsal.aws.turns import end_turn, take_turn

SPEED = 20_000.0
TEMPLATES = Path(__file__).parents[3] / "include" / "cloudformation"
TAGS = {"slipway:environment": "dev", "slipway:platform": "slipway-dev", "slipway:managed-by": "slipway"}
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


def keyed(values: Mapping[str, Any], key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: str(item)} for name, item in values.items()]


class Aws:
    """Clients, and what every test does with stacks."""

    def __init__(self, url: str, cloud: Cloud) -> None:
        self.url = url
        self.cloud = cloud
        self.stacks = self.client("cloudformation")

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        session = boto3.Session(aws_access_key_id="rehearsal", aws_secret_access_key="rehearsal")
        return session.client(service, region_name="us-east-1", endpoint_url=self.url, config=config)

    def request(
        self, name: str, body: str, parameters: Mapping[str, Any] | None = None, tags: Mapping[str, str] = TAGS
    ) -> dict[str, Any]:
        return {
            "StackName": name,
            "TemplateBody": body,
            "Parameters": keyed(parameters or {}, "ParameterKey", "ParameterValue"),
            "Tags": keyed(tags, "Key", "Value"),
            "Capabilities": CAPABILITIES,
        }

    def settle(self, name: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until nothing runs on the stack; its description."""
        deadline = time.monotonic() + seconds
        while (stack := self.describe(name))["StackStatus"].endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{name} is still {stack['StackStatus']}"
            time.sleep(0.01)
        return stack

    def describe(self, name: str) -> dict[str, Any]:
        stack: dict[str, Any] = self.stacks.describe_stacks(StackName=name)["Stacks"][0]
        return stack

    def propose(self, kind: str, **request: Any) -> dict[str, Any]:
        """Make a change set, and describe it."""
        name = f"proposal-{time.monotonic_ns()}"
        self.stacks.create_change_set(ChangeSetName=name, ChangeSetType=kind, **request)
        described: dict[str, Any] = self.stacks.describe_change_set(StackName=request["StackName"], ChangeSetName=name)
        return described

    def execute(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        self.stacks.execute_change_set(StackName=proposal["StackName"], ChangeSetName=proposal["ChangeSetName"])
        return self.settle(proposal["StackName"])

    def events(self, name: str, logical_id: str | None = None) -> list[tuple[str, str]]:
        """``(logical id, status)``, oldest first."""
        found = self.stacks.describe_stack_events(StackName=name)["StackEvents"]
        return [
            (event["LogicalResourceId"], event["ResourceStatus"])
            for event in reversed(found)
            if logical_id in (None, event["LogicalResourceId"])
        ]

    def reasons(self, name: str, status: str) -> dict[str, str]:
        found = self.stacks.describe_stack_events(StackName=name)["StackEvents"]
        return {
            e["LogicalResourceId"]: e.get("ResourceStatusReason", "") for e in found if e["ResourceStatus"] == status
        }

    def physical_id(self, stack: str, logical_id: str) -> str:
        found = self.stacks.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture(scope="session")
def server() -> Iterator[Aws]:
    # No cluster is made here, so nobody serves the Kubernetes side.
    cloud = Cloud(Clock(SPEED), "http://127.0.0.1:1")

    class Quiet(MotoRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            return None

    http = make_server("127.0.0.1", 0, cloud, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    take_turn(cloud)
    yield Aws(f"http://127.0.0.1:{http.server_port}", cloud)
    http.shutdown()
    http.server_close()
    thread.join()
    end_turn(cloud)


@pytest.fixture
def aws(server: Aws) -> Aws:
    """An empty cloud."""
    server.cloud.reset()
    return server


class Platform:
    """All stacks of one environment, made once."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.outputs: dict[str, dict[str, str]] = {}
        self.parameters: dict[str, dict[str, Any]] = {}

    def body(self, template: str) -> str:
        return (TEMPLATES / f"{template}.yaml").read_text()

    def request(self, template: str, tags: Mapping[str, str] = TAGS, **changed: Any) -> dict[str, Any]:
        return self.aws.request(
            f"slipway-dev-{template}", self.body(template), {**self.parameters[template], **changed}, tags
        )

    def make(self, template: str, **parameters: Any) -> None:
        self.parameters[template] = {"Environment": "dev", "Platform": "slipway-dev", **parameters}
        proposal = self.aws.propose("CREATE", **self.request(template))
        assert {change["ResourceChange"]["Action"] for change in proposal["Changes"]} == {"Add"}
        stack = self.aws.execute(proposal)
        failures = self.aws.reasons(stack["StackId"], "CREATE_FAILED")
        assert (stack["StackStatus"], failures) == ("CREATE_COMPLETE", {})
        self.outputs[template] = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def make_all(self) -> None:
        self.make("state", BucketName="slipway-dev-123456789012-us-east-1")
        self.make("encryption")
        keys = self.outputs["encryption"]
        self.make(
            "network",
            Zones="us-east-1a,us-east-1b,us-east-1c",
            PublicCidrs="10.0.0.0/24,10.0.1.0/24,10.0.2.0/24",
            PrivateCidrs="10.0.10.0/24,10.0.11.0/24,10.0.12.0/24",
            LogsKeyArn=keys["LogsKeyArn"],
            InterfaceEndpoints="images",
        )
        self.make(
            "identity",
            SecretsKeyArn=keys["SecretsKeyArn"],
            DataKeyArn=keys["DataKeyArn"],
            AdminPrincipalArns="arn:aws:iam::123456789012:role/operators",
        )
        self.make(
            "audit",
            AuditBucketName=self.outputs["state"]["AuditBucketName"],
            TrailKeyArn=self.outputs["state"]["StateKeyArn"],
            LogsKeyArn=keys["LogsKeyArn"],
        )
        self.make("nodegroup", NodeGroup="primary", VolumeKeyArn=keys["DataKeyArn"], Tag1="team=data platform")
        self.make("budget", MonthlyUsd=300, Email1="platform@example.com")
