"""The rehearsal cloud, and for every test a small project of its own that it may break."""

from __future__ import annotations

import itertools
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException
from slipway.catalog import paths
from slipway.hooks import aws
from slipway.operators.preflight import PreflightOperator

from rehearsal.cloud import Cloud
from tests.support.deferral import context, run

ROOT = Path(__file__).resolve().parents[3]
SPEED = 1200.0
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "tiny"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "server"}},
        "template": {
            "metadata": {"labels": {"app": "server"}},
            "spec": {
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "containers": [
                    {
                        "name": "server",
                        "image": "registry.k8s.io/pause:3.10",
                        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                    }
                ],
            },
        },
    },
}
_numbers = itertools.count(1)


class Project:
    """An include folder with one environment and one component."""

    def __init__(self, include: Path, name: str, cloud: Cloud) -> None:
        self.include = include
        self.name = name
        self.cloud = cloud
        (include / "environments").mkdir(parents=True)
        shutil.copytree(ROOT / "include" / "prices", include / "prices")
        self.environment: dict[str, Any] = {
            "name": name,
            "account": "123456789012",
            "regions": ["us-east-1"],
            "network": {"cidr": "10.20.0.0/16"},
            "cluster": {"endpoint": {"public_cidrs": ["203.0.113.0/24"]}},
            "node_groups": {"primary": {"instance_types": ["t3.large"], "min": 1, "desired": 2, "max": 3}},
            "budget": {"monthly_usd": 500},
        }
        self.edit(lambda _: None)
        self.component("tiny")

    @property
    def shown(self) -> str:
        """The environment's file as messages name it."""
        return f"include/environments/{self.name}.yaml"

    @property
    def file(self) -> Path:
        """The environment's file."""
        return self.include / "environments" / f"{self.name}.yaml"

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the environment and write it."""
        change(self.environment)
        self.file.write_text(yaml.safe_dump(self.environment, sort_keys=False))

    def component(self, name: str, *, stage: str = "data-layer", deployment: Any = None, **spec: Any) -> Path:
        """Write a component with one Deployment of its own; returns its folder."""
        folder = self.include / "manifests" / stage / name
        folder.mkdir(parents=True, exist_ok=True)
        if deployment is None:
            deployment = {**DEPLOYMENT, "metadata": {"name": name, "namespace": "tiny"}}
        (folder / "component.yaml").write_text(yaml.safe_dump({"description": name, "namespace": "tiny", **spec}))
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["deployment.yaml"]}))
        (folder / "deployment.yaml").write_text(yaml.safe_dump(deployment))
        return folder

    def preflight(self, **params: Any) -> Any:
        """Run the operator as the DAG does; what it returned."""
        operator = PreflightOperator(task_id="preflight", retries=0)
        return run(operator, context(**{"environment": self.name, **params})).value

    def refusal(self, **params: Any) -> str:
        """What preflight says when it refuses."""
        with pytest.raises(AirflowFailException) as caught:
            self.preflight(**params)
        return str(caught.value)

    def calls(self) -> tuple[int, int]:
        """Calls that AWS has answered so far: mutating ones, and all."""
        url = f"http://127.0.0.1:{self.cloud.aws_port}/_rehearsal/stats"
        with urllib.request.urlopen(url, timeout=10) as answer:
            report = json.load(answer)
        return report["mutating"], report["mutating"] + report["reading"]

    def client(self, service: str) -> Any:
        """A client of the cloud, as somebody else would have."""
        return boto3.client(service, region_name="us-east-1")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED) as cloud:
        yield cloud


@pytest.fixture
def project(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project that preflight accepts, until a test breaks it."""
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path / "include"))
    paths.include_dir.cache_clear()
    # Clients outlive a test only by accident: theirs may be another test's cloud.
    aws._client.cache_clear()
    yield Project(tmp_path / "include", f"p{next(_numbers)}", cloud)
    paths.include_dir.cache_clear()
    aws._client.cache_clear()
