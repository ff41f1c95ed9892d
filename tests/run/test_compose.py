"""docker-compose.yaml: pinned images, no secret in clear text, nothing published beyond this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from rehearsal.run.compose_env import compose_env
from rehearsal.run.settings import ROOT

TEXT = (ROOT / "docker-compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
GENERATED = dict(line.split("=", 1) for line in compose_env().splitlines())


def test_all_parts_of_airflow_are_there() -> None:
    assert {"postgres", "cloud", "migrate", "api-server", "scheduler", "dag-processor", "triggerer"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", image)
    assert not image.endswith(":latest")


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_what_runs_on_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "ports" in service])
def test_ports_are_published_on_loopback_because_there_is_no_login(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_secrets_come_from_the_environment_and_a_missing_one_is_named() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?run `make compose-env` first\}", TEXT))
    assert asked == set(GENERATED)
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|FERNET|JWT|SECRET_KEY", key) and key != "AWS_SECRET_ACCESS_KEY":
                assert value.startswith("${"), key


def test_every_call_makes_other_secrets_that_need_no_escaping() -> None:
    other = dict(line.split("=", 1) for line in compose_env().splitlines())
    assert not set(other.values()) & set(GENERATED.values())
    assert re.fullmatch(r"\w+", GENERATED["POSTGRES_PASSWORD"])


def test_the_secrets_can_be_made_before_anything_is_installed() -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import rehearsal.run.compose_env",
    ]
    subprocess.run(command, check=True)


def test_airflow_and_the_image_are_of_the_version_that_is_locked() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert f"apache/airflow:slim-{locked[1]}-python3.12" in (ROOT / "Dockerfile").read_text()
