"""Everything a case needs: the rehearsal cloud behind microburst and a proxy, one platform on it, and ways to look.

    product -> microburst (faults of AWS) -> proxy (rewrites) -> the rehearsal's AWS
    product -> proxy (faults of Kubernetes) -> the rehearsal's Kubernetes

What looks and what tidies up goes past both.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from slipway.catalog import paths
from slipway.catalog.components import load_components
from slipway.hooks import aws as aws_hooks
from slipway.hooks import lease
from slipway.hooks.kubernetes import EksAccess
from slipway.model.component import Component
from slipway.model.lease import LEASE_KEY
from slipway.model.platform import Platform, Stack
from slipway.operators import backup, teardown
from slipway.triggers import component as component_trigger
from slipway.triggers import polling

import rehearsal.cloud
from rehearsal.cloud import Cloud
from rehearsal.kubernetes.certificates import issue
from tests.rehearsal.faults.proxy import Proxy, Rule, through
from tests.rehearsal.infrastructure.conftest import EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "rehearsal" / "components" / "project" / "manifests"
REGION = "us-east-1"
SPEED = 2400.0
# Written into the connection, as a person would. The product's own are 10 attempts and 60 s.
ATTEMPTS, READ_TIMEOUT = 4, 60
MICROBURST = ROOT / ".cache" / "faults" / "bin" / "microburst"


class Microburst:
    """The injector of AWS faults, as a process of its own."""

    def __init__(self, upstream: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        command = Path(os.environ.get("MICROBURST", MICROBURST))
        self._process = subprocess.Popen(
            [str(command), "--upstream", upstream, "--port", str(port), "--no-resign"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 300
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not start")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            self._ask("GET", "health")
        except OSError:
            return False
        return True

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", data=data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def set(self, *rules: dict[str, Any]) -> None:
        """Replace the rules, and forget what fired."""
        self._ask("POST", "rules", list(rules))
        self._ask("DELETE", "fired")

    def preset(self, name: str, service: str) -> None:
        """One of microburst's own, for one service."""
        found = dict(self._ask("GET", "presets")[name])
        self.set({**found, "service": service})

    def fired(self) -> int:
        """How many faults there were since the rules were set."""
        return len(self._ask("GET", "fired?limit=100000"))

    def seen(self) -> int:
        """How many requests went through since it started."""
        return int(self._ask("GET", "health")["requests_seen"])

    def stop(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class World:
    """The cloud, the platform ``faults`` on it, the injectors and an unfaulted view."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-faults-"))
        self.include = self._folder / "include"
        self._numbers = self._runs = 0
        self.run_id = "faults__0"
        self._kubernetes: Proxy | None = None

    def start(self) -> None:
        """Start the processes. The platform is made when :meth:`stage` is first asked for."""
        (self.include / "environments").mkdir(parents=True)
        for name in ("cloudformation", "prices"):
            (self.include / name).symlink_to(ROOT / "include" / name)
        shutil.copytree(TINY, self.include / "manifests")
        logging.getLogger("airflow").setLevel(logging.CRITICAL)
        # The machine may be busy; what is measured here is not how fast the cloud starts.
        rehearsal.cloud._START_TIMEOUT = 300.0
        self.cloud = Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED)
        self.cloud.start()
        self.direct_url = self.cloud.env["AWS_ENDPOINT_URL"]
        self.front = Proxy(self.direct_url)
        self.front.start()
        self.burst = Microburst(self.front.url, _free_port())
        os.environ.update(self.cloud.env)
        os.environ.update(
            {
                "AWS_ENDPOINT_URL": self.burst.url,
                # Tokens for Kubernetes are signed for the address of STS, which the API server insists on.
                "AWS_ENDPOINT_URL_STS": self.direct_url,
                "AIRFLOW_CONN_AWS_DEFAULT": connection(),
                paths.VARIABLE: str(self.include),
            }
        )
        paths.include_dir.cache_clear()
        # A cloud that is 2,400 times as fast is not worth pauses of seconds.
        polling.FIRST_PAUSE, polling.LONGEST_PAUSE = 0.05, 1.0
        teardown.FIRST_PAUSE, teardown.LONGEST_PAUSE = 0.05, 0.3
        component_trigger.FIRST_POLL_SECONDS, component_trigger.LONGEST_POLL_SECONDS = 0.1, 0.5
        lease.LeaseHook._pause = staticmethod(lambda attempt: time.sleep(0.01))  # type: ignore[method-assign]
        assert backup.SHOWS_WITHIN.total_seconds() == 60

    def stop(self) -> None:
        """End everything."""
        for one in (self._kubernetes, getattr(self, "burst", None), getattr(self, "front", None)):
            if one is not None:
                one.stop()
        if hasattr(self, "cloud"):
            self.cloud.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def calm(self) -> None:
        """No faults, and nothing remembered between cases."""
        self.burst.set()
        self.front.set(*self._to_kubernetes())
        if self._kubernetes is not None:
            self._kubernetes.set()
        aws_hooks.forget_clients()
        EksAccess._tokens.clear()

    def aws(self, service: str) -> Any:
        """A client that no fault reaches."""
        return _client(service, self.direct_url)

    def environment(self) -> EnvironmentFile:
        """An environment that nobody else has."""
        self._numbers += 1
        return EnvironmentFile(self.include / "environments" / f"f{self._numbers}.yaml")

    @cache  # noqa: B019 - there is one world
    def stage(self) -> Stage:
        """The platform that cases share, made without faults by the first that asks."""
        stage = Stage(self.environment())
        stage.environment.edit(lambda content: content["network"].update(nat="single"))
        stage.whole()
        return stage

    @property
    def platform(self) -> Platform:
        """The shared platform."""
        return self.stage().environment.platform

    def begin(self) -> None:
        """Begin a new run on the shared platform; the lease of the one before is gone with it."""
        self._runs += 1
        self.run_id = f"faults__{self._runs}"
        self.free(self.platform)

    def free(self, platform: Platform) -> None:
        """Take the lease of a platform away from whichever run has it."""
        self.aws("s3").delete_object(Bucket=platform.bucket, Key=LEASE_KEY)

    def task(self, make: Callable[[], Any], **params: Any) -> Callable[[], Any]:
        """One try of an operator on the shared platform, in the present run."""
        return lambda: self.stage().run(make(), run_id=self.run_id, **params).value

    def groups(self) -> list[dict[str, Any]]:
        """What node groups are mapped over."""
        return self.stage().groups()

    def restored(self) -> None:
        """The shared platform as its environment says, whatever a case left of it."""
        self.calm()
        self.begin()
        self.stage().whole()
        self.begin()

    # Kubernetes

    def kubernetes(self) -> Proxy:
        """The proxy before the shared platform's Kubernetes API, which from now on is found there."""
        if self._kubernetes is None:
            found = self.aws("eks").describe_cluster(name=self.platform.cluster_name)["cluster"]
            self._certificate = issue("faults")
            authority = base64.b64decode(found["certificateAuthority"]["data"]).decode()
            self._kubernetes = Proxy(found["endpoint"], serve=self._certificate, trust=authority)
            self._kubernetes.start()
            self.front.set(*self._to_kubernetes())
        return self._kubernetes

    def _to_kubernetes(self) -> list[Rule]:
        if self._kubernetes is None:
            return []
        rewrite = through(self._kubernetes.url, self._certificate.authority)
        return [Rule(method="GET", path=rf"^/clusters/{self.platform.cluster_name}$", rewrite=rewrite)]

    def rewriting(self, *rules: Rule) -> None:
        """Rules of the proxy before AWS, in addition to the way to Kubernetes."""
        self.front.set(*rules, *self._to_kubernetes())

    @property
    def tiny(self) -> Component:
        """A component small enough."""
        return load_components()["tiny"]

    # What is there, seen past all faults

    def cluster(self, name: str | None = None) -> dict[str, Any] | None:
        """EKS' own description of a cluster."""
        eks = self.aws("eks")
        try:
            return dict(eks.describe_cluster(name=name or self.platform.cluster_name)["cluster"])
        except eks.exceptions.ResourceNotFoundException:
            return None

    def drop_cluster(self) -> None:
        """Take the shared platform's cluster away, past the product."""
        eks, name = self.aws("eks"), self.platform.cluster_name
        if self.cluster() is None:
            return
        self.until(lambda: self.cluster()["status"] in {"ACTIVE", "FAILED"})  # type: ignore[index]
        for group in eks.list_nodegroups(clusterName=name)["nodegroups"]:
            eks.delete_nodegroup(clusterName=name, nodegroupName=group)
        self.until(lambda: not eks.list_nodegroups(clusterName=name)["nodegroups"])
        if self.cluster()["deletionProtection"]:  # type: ignore[index]
            eks.update_cluster_config(name=name, deletionProtection=False)
            self.until(lambda: self.cluster()["status"] == "ACTIVE")  # type: ignore[index]
        eks.delete_cluster(name=name)
        self.until(lambda: self.cluster() is None)
        if self._kubernetes is not None:
            self._kubernetes.stop()
            self._kubernetes = None
            self.front.set()

    def census(self, platform: Platform) -> dict[str, list[str]]:
        """Ids of what carries the platform's tag, by kind."""
        ec2 = self.aws("ec2")
        mine = [{"Name": "tag:slipway:platform", "Values": [platform.name]}]
        gateways = [
            one["NatGatewayId"]
            for one in ec2.describe_nat_gateways()["NatGateways"]
            # moto knows no filter by tag for these.
            if one["State"] in {"pending", "available"}
            and {"Key": "slipway:platform", "Value": platform.name} in one.get("Tags", [])
        ]
        clusters = [name for name in self.aws("eks").list_clusters()["clusters"] if name == platform.cluster_name]
        groups = self.aws("eks").list_nodegroups(clusterName=clusters[0])["nodegroups"] if clusters else []
        return {
            "VPC": [one["VpcId"] for one in ec2.describe_vpcs(Filters=mine)["Vpcs"]],
            "subnet": [one["SubnetId"] for one in ec2.describe_subnets(Filters=mine)["Subnets"]],
            # A stack knows an address by itself, not by its allocation.
            "elastic IP": [one["PublicIp"] for one in ec2.describe_addresses(Filters=mine)["Addresses"]],
            "NAT gateway": gateways,
            "cluster": clusters,
            "node group": groups,
        }

    def orphans(self, platform: Platform) -> list[str]:
        """What carries the platform's tag in the network and belongs to none of its stacks."""
        held = self.in_stacks(platform)
        found = self.census(platform)
        return [
            f"{kind} {one}"
            for kind in ("VPC", "subnet", "elastic IP", "NAT gateway")
            for one in found[kind]
            if one not in held
        ]

    def in_stacks(self, platform: Platform) -> set[str]:
        """Physical ids that the platform's stacks hold."""
        cloudformation = self.aws("cloudformation")
        held: set[str] = set()
        for page in cloudformation.get_paginator("list_stacks").paginate():
            for stack in page["StackSummaries"]:
                if stack["StackName"].startswith(f"{platform.name}-") and stack["StackStatus"] != "DELETE_COMPLETE":
                    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack["StackId"])
                    entries = (entry for page in pages for entry in page["StackResourceSummaries"])
                    held |= {entry.get("PhysicalResourceId", "") for entry in entries}
        return held

    def duplicates(self, platform: Platform) -> list[str]:
        """What there may be one of and is more often."""
        found = self.census(platform)
        many = [f"{len(found[kind])} x {kind}" for kind in ("VPC", "NAT gateway", "elastic IP") if len(found[kind]) > 1]
        if found["cluster"]:
            eks = self.aws("eks")
            listed = eks.list_pod_identity_associations(clusterName=platform.cluster_name)["associations"]
            accounts = [(one["namespace"], one["serviceAccount"]) for one in listed]
            many += [f"pod identity of {one}" for one in set(accounts) if accounts.count(one) > 1]
        return many

    def stack_status(self, platform: Platform, stack: Stack) -> str:
        """Status of one of the platform's stacks."""
        try:
            found = self.aws("cloudformation").describe_stacks(StackName=platform.stack_name(stack))["Stacks"][0]
        except self.aws("cloudformation").exceptions.ClientError:
            return "absent"
        return str(found["StackStatus"])

    @contextmanager
    def hurried(self, read_timeout: int) -> Iterator[None]:
        """A connection that waits for an answer no longer than this, in seconds."""
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection(read_timeout)
        aws_hooks.forget_clients()
        try:
            yield
        finally:
            os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection()
            aws_hooks.forget_clients()

    @staticmethod
    def until(probe: Callable[[], Any], seconds: float = 180.0) -> Any:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not (found := probe()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not so after {seconds:.0f} s")
            time.sleep(0.05)
        return found

    @contextmanager
    def patched(self, module: Any, **values: Any) -> Iterator[None]:
        """Shorten the product's own limits for a while."""
        before = {name: getattr(module, name) for name in values}
        for name, value in values.items():
            setattr(module, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(module, name, value)

    @contextmanager
    def edited(self, path: Path, change: Callable[[Any], Any]) -> Iterator[None]:
        """Change a YAML file of the project for a while."""
        before = path.read_text()
        content = yaml.safe_load(before)
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        try:
            yield
        finally:
            path.write_text(before)


def connection(read_timeout: int = READ_TIMEOUT) -> str:
    """The connection aws_default, as Airflow reads it from the environment."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    config = {"read_timeout": read_timeout, "retries": retries}
    return json.dumps({"conn_type": "aws", "extra": {"config_kwargs": config}})


@cache
def _client(service: str, url: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=url)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
