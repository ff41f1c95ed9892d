"""docker-compose.yaml: pinned images, no secret in clear text, nothing published beyond this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from rehearsal.attached.plane import POOL
from rehearsal.run.airflow import COMPONENTS
from rehearsal.run.airflow_env import SECRET_NAMES, airflow_environment
from rehearsal.run.compose_env import compose_env
from rehearsal.run.settings import ROOT, read_settings

TEXT = (ROOT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GENERATED = dict(line.split("=", 1) for line in compose_env().splitlines())


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    assert [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []
    wrong = {**COMPOSE, "services": {**SERVICES, "k3s": {**SERVICES["k3s"], "privilegd": True}}}
    assert list(validator.iter_errors(wrong))


def test_every_service_and_volume_and_configuration_that_is_named_exists() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        mode = service.get("network_mode", "")
        assert not mode or mode.removeprefix("service:") in SERVICES, name
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert named <= set(COMPOSE["volumes"]), name
        assert {one["source"] for one in service.get("configs", [])} <= set(COMPOSE["configs"]), name


def test_all_parts_of_airflow_and_the_cluster_are_there() -> None:
    airflow = {"postgres", "cloud", "migrate", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert airflow | {"k3s", "k3s-agent"} == set(SERVICES)


def option(service: str, name: str) -> str:
    """Value of an option of a service's command."""
    return next(part.removeprefix(f"{name}=") for part in SERVICES[service]["command"] if part.startswith(f"{name}="))


def test_the_cluster_asks_the_cloud_who_bears_a_token() -> None:
    mounted = {one["target"]: COMPOSE["configs"][one["source"]]["content"] for one in SERVICES["k3s"]["configs"]}
    file = next(
        part.rpartition("=")[2] for part in SERVICES["k3s"]["command"] if "authentication-token-webhook-config" in part
    )
    webhook = yaml.safe_load(mounted[file])
    # The admin API's own port, on the loopback that both share.
    assert webhook["clusters"][0]["cluster"]["server"] == "http://127.0.0.1:6440/review"
    assert SERVICES["k3s"]["network_mode"] == "service:cloud"


def test_the_cloud_alone_gets_the_clusters_kubeconfig_and_finds_it_where_it_looks() -> None:
    holders = {
        name for name, one in SERVICES.items() if any(v.startswith("k3s-admin:") for v in one.get("volumes", []))
    }
    assert holders == {"k3s", "cloud"}
    written = option("k3s", "--write-kubeconfig").removeprefix("/admin/")
    assert SERVICES["cloud"]["environment"]["REHEARSAL_KUBECONFIG"] == f"/opt/airflow/k3s/{written}"


def test_agents_wait_in_the_pool_that_node_groups_take_from() -> None:
    assert option("k3s-agent", "--node-label") == f"{POOL}=free"
    assert option("k3s-agent", "--node-taint").startswith(f"{POOL}=free:")


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


# Where a container differs from a process of `make run`: addresses, folders, the database's driver and name.
CONTAINERS_OWN = {
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__API__INSTANCE_NAME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
}


def test_airflow_starts_with_the_commands_and_settings_of_make_run() -> None:
    known = dict.fromkeys(SECRET_NAMES, "x")
    settings = read_settings({"AIRFLOW_PARALLELISM": "8"})
    mine = airflow_environment(settings, known, "postgresql+psycopg2://")
    mine |= {name: value for name, value in COMPOSE["x-airflow"]["environment"].items() if name in CONTAINERS_OWN}
    theirs = {k: v for k, v in COMPOSE["x-airflow"]["environment"].items() if k.startswith("AIRFLOW__")}
    secret = {name for name, value in theirs.items() if value.startswith("${")}
    assert {name: value for name, value in theirs.items() if name not in secret} == {
        name: mine[name] for name in theirs if name not in secret
    }
    assert secret - CONTAINERS_OWN <= set(mine)
    for component in COMPONENTS:
        assert SERVICES[component]["command"] == ["airflow", component]


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
