"""Secrets planted in every input, and looked for wherever people look: 0 are found."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from slipway.catalog.environments import load_platform
from slipway.decisions.checks import without
from slipway.hooks.check_secrets import secret_values
from slipway.model.component import Check

from tests.security.conftest import Bound, client, thorough

# One for every way in; long and odd enough to be found anywhere, in base64 too.
PLANTED = {
    "a secret that was generated": "pl4nted-generated-9f3b1c77d2",
    "the password of a connection": "pl4nted-connection-5a0e8b41c6",
    "a variable of the worker": "pl4nted-environment-c81d24fe03",
    "a secret of another component": "pl4nted-neighbour-77aa10be94",
}
# Where a secret has to be, and nowhere else: Secrets Manager and the copy in the cluster.


def needles() -> dict[str, bytes]:
    found = {}
    for name, value in PLANTED.items():
        found[name] = value.encode()
        found[f"{name}, in base64"] = base64.b64encode(value.encode())[:-4]
    return found


def look_through(text: bytes) -> list[str]:
    return [name for name, needle in needles().items() if needle in text]


@contextmanager
def watching_processes() -> Iterator[set[str]]:
    """Reads the command lines of all processes of the machine, again and again; what was found of the planted ones."""
    found: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.2):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.update(look_through(path.read_bytes()))
                except OSError:
                    continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join()


def test_the_search_finds_what_is_there() -> None:
    assert look_through(b"x" + PLANTED["a variable of the worker"].encode()) == ["a variable of the worker"]
    value = base64.b64encode(PLANTED["the password of a connection"].encode())
    assert look_through(value) == ["the password of a connection, in base64"]


def test_what_a_check_prints_is_shown_without_its_secrets() -> None:
    """A script that prints its password, in whole, within a line, or one line of a certificate."""
    values = ["pl4nted-password-1", "-----BEGIN KEY-----\npl4nted-line-of-a-key\n-----END KEY-----"]
    data = {str(index): base64.b64encode(value.encode()).decode() for index, value in enumerate(values)}

    class Core:
        def read_namespaced_secret(self, *, name: str, namespace: str) -> Any:
            assert (name, namespace) == ("login", "data")
            return type("Secret", (), {"data": {**data, "user": base64.b64encode(b"root").decode()}})

    check = Check(name="c", proves="x", command=["c"], secret_env={"P": {"secret": "login", "key": "0"}})  # type: ignore[dict-item]
    hidden = secret_values(Core(), check, "data")
    assert without(hidden, "url postgres://root:pl4nted-password-1@db") == "url postgres://root:***@db"
    assert without(hidden, "pl4nted-line-of-a-key") == "***"
    assert without(hidden, "the root user is there") == "the root user is there", "short values are no secrets"


@thorough
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")
def test_no_planted_secret_is_seen_anywhere(
    bound: Bound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A deploy, a check that is given its secret, health and cost; then all that they left."""
    from airflow.configuration import conf

    secrets = client(bound.cloud, "secretsmanager")
    tags = [{"Key": key, "Value": value} for key, value in load_platform("dev").tags.items()]
    for name, planted in (
        ("vault/vault-auth", "a secret that was generated"),
        ("other/auth", "a secret of another component"),
    ):
        value = json.dumps({"username": "root", "password": PLANTED[planted]})
        try:
            secrets.create_secret(Name=f"slipway-dev/{name}", SecretString=value, Tags=tags)
        except ClientError:  # of an earlier life of the platform, and waiting for its end
            secrets.restore_secret(SecretId=f"slipway-dev/{name}")
            secrets.put_secret_value(SecretId=f"slipway-dev/{name}", SecretString=value)
    connection = {"conn_type": "slackwebhook", "password": PLANTED["the password of a connection"]}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("SOME_PASSWORD", PLANTED["a variable of the worker"])
    with watching_processes() as in_processes, caplog.at_level(logging.DEBUG):
        runs = [
            bound.run("platform_deploy", environment="dev"),
            bound.run("platform_health", environment="dev"),
            bound.run("platform_nightly_cost", environment="dev"),
        ]
    assert runs[0].state == "success", runs[0].failed()
    assert in_processes == set()
    assert look_through(caplog.text.encode()) == [], "in what was logged"
    logs = Path(conf.get("logging", "base_log_folder"))
    assert [str(path) for path in logs.rglob("*") if path.is_file() and look_through(path.read_bytes())] == []
    assert look_through(json.dumps([run.returned for run in runs], default=str).encode()) == [], "in results of tasks"
    database = Path(conf.get("database", "sql_alchemy_conn").removeprefix("sqlite:///"))
    assert database.stat().st_size > 100_000
    assert look_through(database.read_bytes()) == [], "in Airflow's database: XCom, rendered fields, run configurations"
    assert look_through(_records(bound)) == [], "in records and reports"
    assert look_through(_cluster(bound)) == [], "in the cluster, secrets apart"
    rendered = Path(os.environ.get("TMPDIR", "/tmp")) / f"slipway-rendered-{os.getuid()}"
    assert not any(look_through(path.read_bytes()) for path in rendered.glob("*.json"))
    # And it is where it belongs, or none of the above would prove anything.
    copy = bound.kubectl("-n", "vault", "get", "secret", "vault-auth", "-o", "jsonpath={.data.password}")
    assert base64.b64decode(copy).decode() == PLANTED["a secret that was generated"]


def _records(bound: Bound) -> bytes:
    s3 = client(bound.cloud, "s3")
    found = b""
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for item in page.get("Contents", []):
                found += s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
    assert found, "no record was written"
    return found


def _cluster(bound: Bound) -> bytes:
    kinds = "configmaps,events,pods,deployments,statefulsets,jobs,serviceaccounts,namespaces"
    text = bound.kubectl("get", kinds, "--all-namespaces", "-o", "json")
    releases = bound.kubectl("get", "secrets", "-n", "slipway-system", "-o", "json")
    for item in json.loads(releases)["items"]:
        text += "".join(base64.b64decode(value).decode("latin-1") for value in (item.get("data") or {}).values())
    return (text + releases).encode()
