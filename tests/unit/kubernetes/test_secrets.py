"""Secrets in AWS Secrets Manager: generated once, kept for ever, refused when foreign."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from slipway.hooks import aws
from slipway.hooks import secrets as module
from slipway.hooks.secrets import SecretsHook, copies
from slipway.model.component import Component, ComponentSpec, Secret, SecretKey, StageName
from slipway.model.environment import Budget, Cluster, Endpoint, Environment, Network, NodeGroup
from slipway.model.errors import RefusedError
from slipway.model.platform import Platform
from slipway.model.records import Action

NAME = "slipway-dev/mongodb/mongodb-auth"
SECRET = Secret(name="mongodb-auth", keys={"username": SecretKey(value="root"), "password": SecretKey(generate=24)})
SPEC = ComponentSpec(description="MongoDB", namespace="data", secrets=[SECRET])
MONGODB = Component(name="mongodb", stage=StageName.DATA_LAYER, folder=Path("mongodb"), spec=SPEC)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(module, "SETTLING_SECONDS", 0.0)
    environment = Environment(
        name="dev",
        account="123456789012",
        regions=["us-east-1"],
        network=Network(cidr="10.0.0.0/16"),
        cluster=Cluster(endpoint=Endpoint(public_cidrs=["192.0.2.0/24"])),
        node_groups={"primary": NodeGroup(instance_types=["t3.medium"])},
        budget=Budget(monthly_usd=1),
        tags={"team": "data"},
    )
    aws._client.cache_clear()
    with mock_aws():
        yield Platform(environment, "us-east-1")
    aws._client.cache_clear()


@pytest.fixture
def manager(platform: Platform) -> Any:
    return boto3.client("secretsmanager", region_name=platform.region)


def test_made_once_then_kept(platform: Platform, manager: Any) -> None:
    values, change = SecretsHook(platform).ensure(MONGODB, SECRET)
    assert change.action is Action.CREATE
    assert values["username"] == "root"
    assert len(values["password"]) == 24
    assert values["password"].isalnum()
    again, kept = SecretsHook(platform).ensure(MONGODB, SECRET)
    assert (again, kept.action) == (values, Action.KEEP)
    tags = {tag["Key"]: tag["Value"] for tag in manager.describe_secret(SecretId=NAME)["Tags"]}
    assert tags == {**platform.tags, "slipway:component": "mongodb"}


def test_a_key_that_is_added_joins_the_others(platform: Platform) -> None:
    values, _ = SecretsHook(platform).ensure(MONGODB, SECRET)
    wider = Secret(name=SECRET.name, keys={**SECRET.keys, "replica-key": SecretKey(generate=32)})
    more, change = SecretsHook(platform).ensure(MONGODB, wider)
    assert (change.action, change.fields) == (Action.CHANGE, ["replica-key"])
    assert {key: more[key] for key in values} == values


def test_plan_only_reads(platform: Platform, manager: Any) -> None:
    hook = SecretsHook(platform)
    assert hook.plan(MONGODB, SECRET)[1].action is Action.CREATE
    assert manager.list_secrets()["SecretList"] == []
    values, _ = hook.ensure(MONGODB, SECRET)
    assert hook.plan(MONGODB, SECRET) == (values, hook.ensure(MONGODB, SECRET)[1])
    wider = Secret(name=SECRET.name, keys={**SECRET.keys, "extra": SecretKey(value="x")})
    planned, change = hook.plan(MONGODB, wider)
    assert (planned, change.fields) == (None, ["extra"])


def test_a_foreign_secret_is_refused_and_untouched(platform: Platform, manager: Any) -> None:
    manager.create_secret(Name=NAME, SecretString='{"password": "theirs"}')
    for refused in (SecretsHook(platform).ensure, SecretsHook(platform).plan):
        with pytest.raises(RefusedError, match="does not carry this platform's tags"):
            refused(MONGODB, SECRET)
    assert json.loads(manager.get_secret_value(SecretId=NAME)["SecretString"]) == {"password": "theirs"}


def test_scheduled_for_deletion_is_restored_with_its_values(platform: Platform, manager: Any) -> None:
    values, _ = SecretsHook(platform).ensure(MONGODB, SECRET)
    manager.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
    assert "would be restored" in SecretsHook(platform).plan(MONGODB, SECRET)[1].note
    again, change = SecretsHook(platform).ensure(MONGODB, SECRET)
    assert again == values
    assert (change.action, change.note) == (Action.CHANGE, "was scheduled for deletion, restored")


def test_values_are_in_the_manifest_only(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="slipway"):
        values, change = SecretsHook(platform).ensure(MONGODB, SECRET)
    (copy,) = copies(MONGODB, SECRET, values)
    assert copy["metadata"]["namespace"] == "data"
    assert copy["metadata"]["labels"]["slipway.dev/component"] == "mongodb"
    assert base64.b64decode(copy["data"]["password"]).decode() == values["password"]
    assert values["password"] not in caplog.text + str(change)


def test_clients_namespaces_get_a_copy_of_the_same_values() -> None:
    shared = Secret(name="airflow-database", also_in=["apps"], keys={"password": SecretKey(generate=24)})
    here, there = copies(MONGODB, shared, {"password": "x"})
    assert [one["metadata"]["namespace"] for one in (here, there)] == ["data", "apps"]
    assert here["data"] == there["data"]
