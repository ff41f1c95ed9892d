"""What `make` passes on is read strictly, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.run.settings import ROOT, SettingError, default_parallelism, read_settings


def test_nothing_given_is_a_deploy_of_dev() -> None:
    settings = read_settings({})
    assert (settings.dag_id, settings.environment) == ("platform_deploy", "dev")
    assert settings.conf() == {"environment": "dev"}
    assert settings.run_dir == ROOT / ".run"
    assert settings.airflow_url == "http://127.0.0.1:8080"
    assert not settings.oneshot


def test_make_variables_that_are_empty_count_as_not_given() -> None:
    names = ("AIRFLOW_PORT", "ONESHOT", "STAGES", "ENVIRONMENT", "DAG", "SLIPWAY_RUN_DIR", "RUN_TIMEOUT")
    assert read_settings(dict.fromkeys(names, "")) == read_settings({})


@pytest.mark.parametrize(
    "text", ["infrastructure,base_services", "infrastructure base-services", " infrastructure, base_services "]
)
def test_stages_are_given_with_commas_or_spaces(text: str) -> None:
    assert read_settings({"STAGES": text}).conf()["stages"] == ["infrastructure", "base-services"]


def test_plan_only_reaches_the_dag() -> None:
    assert read_settings({"PLAN_ONLY": "1"}).conf() == {"environment": "dev", "plan_only": True}
    assert "plan_only" not in read_settings({"PLAN_ONLY": "0"}).conf()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW_PORT", "http"),
        ("AIRFLOW_PORT", "80"),
        ("AIRFLOW_PORT", "70000"),
        ("ONESHOT", "maybe"),
        ("RUN_TIMEOUT", "-5"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name}='{value}'"):
        read_settings({name: value})


def test_two_servers_on_one_port_are_refused_before_anything_starts() -> None:
    with pytest.raises(SettingError, match=r"AIRFLOW_PORT .* and REHEARSAL_AWS_PORT .* both 5555"):
        read_settings({"AIRFLOW_PORT": "5555"})


def test_a_relative_run_folder_becomes_absolute() -> None:
    assert read_settings({"SLIPWAY_RUN_DIR": "x"}).run_dir == Path.cwd() / "x"


@pytest.mark.parametrize(("cores", "tasks"), [(1, 4), (2, 8), (4, 16), (64, 16)])
def test_parallelism_follows_the_cores_within_bounds(cores: int, tasks: int) -> None:
    assert default_parallelism(cores) == tasks
