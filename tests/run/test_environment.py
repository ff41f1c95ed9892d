"""The children see the rehearsal, and nothing of the person's own Airflow, AWS or cluster."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from rehearsal.run import cloud
from rehearsal.run.airflow_env import airflow_environment, aws_environment, base_environment, new_secret, read_secrets
from rehearsal.run.settings import ROOT, Settings, read_settings

KNOWN = {"fernet": "f", "jwt": "j", "api": "a", "postgres": "p"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"SLIPWAY_RUN_DIR": str(tmp_path), "AIRFLOW_PORT": "8123", "AIRFLOW_WORKER_LOG_PORT": "8124"})


FOREIGN = (
    "AIRFLOW_CONN_AWS_DEFAULT",
    "AIRFLOW__CORE__EXECUTOR",
    "AWS_ENDPOINT_URL_EKS",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_persons_own_settings_do_not_get_in(name: str) -> None:
    assert name not in base_environment({name: "mine"})


def test_what_is_harmless_stays() -> None:
    env = base_environment({"HOME": "/home/me", "LANG": "C.UTF-8"})
    assert (env["HOME"], env["LANG"]) == ("/home/me", "C.UTF-8")


def test_our_own_python_comes_first_on_the_path() -> None:
    env = base_environment({"PATH": "/usr/bin"})
    first, *rest = env["PATH"].split(os.pathsep)
    assert (Path(first) / "airflow").exists()
    assert rest == ["/usr/bin"]
    assert env["PYTHONPATH"].split(os.pathsep) == [str(ROOT / "plugins"), str(ROOT)]


@pytest.mark.parametrize(
    ("before", "after"), [({}, "127.0.0.1,localhost"), ({"NO_PROXY": "a"}, "a,127.0.0.1,localhost")]
)
def test_a_proxy_is_not_asked_for_this_machine(before: dict[str, str], after: str) -> None:
    assert base_environment(before)["NO_PROXY"] == after


def test_airflow_listens_on_loopback_only_because_it_asks_for_no_login(settings: Settings) -> None:
    env = airflow_environment(settings, KNOWN, "postgresql+psycopg2://x")
    assert env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "True"
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_moved_ports_reach_every_setting_that_names_them(settings: Settings) -> None:
    env = airflow_environment(settings, KNOWN, "postgresql+psycopg2://x")
    assert env["AIRFLOW__API__PORT"] == "8123"
    assert env["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8123"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"
    assert env["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] == "8124"


def test_airflow_knows_every_option_we_set(settings: Settings) -> None:
    """A misspelt option would be ignored without a word."""
    from airflow.configuration import conf

    known = {
        f"AIRFLOW__{section.upper()}__{option.upper()}"
        for section in conf.configuration_description
        for option in conf.configuration_description[section]["options"]
    }
    env = airflow_environment(settings, KNOWN, "postgresql+psycopg2://x")
    assert {name for name in env if name.startswith("AIRFLOW__")} - known == set()


def test_the_sdk_reads_no_file_of_the_person() -> None:
    env = aws_environment({"AWS_ENDPOINT_URL": "http://127.0.0.1:5555"})
    assert env["AWS_CONFIG_FILE"] == env["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert env["AWS_EC2_METADATA_DISABLED"] == "true"


def test_the_cloud_is_found_at_its_moved_port() -> None:
    found = cloud.variables(read_settings({"REHEARSAL_AWS_PORT": "5511"}), {"REHEARSAL_SPEED": "120"})
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5511"
    assert found["REHEARSAL_SPEED"] == "120"
    assert set(cloud.SDK_VARIABLES) <= set(found)


def test_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secrets.json"
    first = read_secrets(path)
    assert read_secrets(path) == first
    assert len(set(first.values())) == len(first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_added_by_a_newer_version_leave_the_others_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text('{"jwt": "kept"}')
    assert read_secrets(path)["jwt"] == "kept"
    assert read_secrets(path)["fernet"]


def test_the_fernet_key_has_the_form_fernet_asks_for() -> None:
    assert len(base64.urlsafe_b64decode(new_secret("fernet"))) == 32
