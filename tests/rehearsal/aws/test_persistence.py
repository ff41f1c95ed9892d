"""State survives a restart of the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rehearsal.aws.conftest import Aws, Clients, Platform
from tests.rehearsal.aws.fake_kubernetes import FakeKubernetes

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def kubernetes() -> Iterator[FakeKubernetes]:
    fake = FakeKubernetes()
    fake.start()
    yield fake
    fake.stop()


@contextmanager
def served(state: Path, kubernetes: FakeKubernetes, stop: signal.Signals) -> Iterator[Clients]:
    command = [sys.executable, "-m", "rehearsal.aws", "--port", "0", "--speed", "1200"]
    process = subprocess.Popen(
        [*command, "--state", str(state), "--kubernetes-admin", kubernetes.url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready aws http://"), line
        yield Clients(line.split()[2])
    finally:
        process.send_signal(stop)
        process.wait()
        watchdog.cancel()
        if process.stdout is not None:
            process.stdout.close()


def test_everything_is_there_after_a_kill_and_a_restart(tmp_path: Path, kubernetes: FakeKubernetes) -> None:
    saved = tmp_path / "aws.state"
    with served(tmp_path, kubernetes, signal.SIGKILL) as first:
        platform = Platform(first)
        eks = first.client("eks")
        eks.create_cluster(**platform.cluster_request())
        Aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
        eks.create_nodegroup(**platform.nodegroup_request())
        first.client("s3").create_bucket(Bucket="slipway-state")
        first.client("s3").put_object(Bucket="slipway-state", Key="lease", Body=b"held")
        key = first.client("kms").create_key()["KeyMetadata"]["KeyId"]
        sealed = first.client("kms").encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
        first.client("secretsmanager").create_secret(Name="s", SecretString="v")
        template = {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}}}}
        first.client("cloudformation").create_stack(StackName="net", TemplateBody=json.dumps(template))
        first.client("sns").create_topic(Name="alerts")
        first.client("logs").create_log_group(logGroupName="/g")
        changed = time.time()

        def saved_since() -> bool:
            # One more change, so that a save follows the one that may be under way.
            first.client("s3").put_object(Bucket="slipway-state", Key="tick", Body=b"")
            return saved.exists() and saved.stat().st_mtime > changed + 1

        Aws.until(saved_since, 30)
    assert saved.stat().st_mode & 0o777 == 0o600, "it holds secrets"
    with served(tmp_path, kubernetes, signal.SIGTERM) as second:
        eks = second.client("eks")
        names = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
        Aws.until(lambda: eks.describe_nodegroup(**names)["nodegroup"]["status"] == "ACTIVE")
        pages = second.client("ec2").describe_instances()["Reservations"]
        assert len([i for page in pages for i in page["Instances"] if i["State"]["Name"] == "running"]) == 2
        assert second.client("s3").get_object(Bucket="slipway-state", Key="lease")["Body"].read() == b"held"
        assert second.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
        assert second.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"] == "v"
        assert second.client("cloudformation").describe_stacks(StackName="net")["Stacks"]
        assert second.client("sns").list_topics()["Topics"]
        assert second.client("logs").describe_log_groups()["logGroups"]
        assert second.client("iam").get_role(RoleName="cluster")["Role"]["Arn"] == platform.roles["cluster"]


def test_damaged_state_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "aws.state").write_bytes(b"nonsense")
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal.aws", "--port", "0", "--state", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "delete it to start empty" in done.stderr
