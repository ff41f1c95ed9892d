"""Parts of a real Airflow, its database and the cloud are killed while runs are on; the end is the same.

Run by ``make kill``, after and with the undisturbed life of test_every_call.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.kill import record, state
from tests.rehearsal.kill.conftest import RUNS, SETTLED_SECONDS, Step, project
from tests.rehearsal.kill.parts import RealAirflow, Strike, real_airflow
from tests.rehearsal.kill.state import differences

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SLIPWAY_KILL_PARTS"), reason="not run here; make kill does"),
    pytest.mark.timeout(3000),
    pytest.mark.filterwarnings("ignore"),
]
# Waits long enough to strike in.
SPEED = "300"


@dataclass
class Ended:
    """A run, or two at once, and what there was when all had ended."""

    states: dict[str, str]
    tasks: dict[str, dict[str, str]]
    account: Counter[str]
    cluster: Counter[str]
    strikes: list[Strike]


def strikes_of_deploy() -> list[Strike]:
    """One after the other, spread over the run."""
    return [
        Strike("triggerer", "infrastructure.network", lambda airflow: airflow.kill("triggerer")),
        Strike("scheduler", "infrastructure.cluster", lambda airflow: airflow.kill("scheduler")),
        Strike("connections to the database", "infrastructure.access", lambda airflow: airflow.cut_connections()),
        Strike("the rehearsal cloud, restarted", "infrastructure.addons", lambda airflow: airflow.stop_cloud()),
        Strike(
            "scheduler with all workers",
            "base_services.storage_classes.deploy",
            lambda airflow: airflow.kill("scheduler", with_workers=True),
        ),
        Strike("all workers", "data_layer.clerk.deploy", lambda airflow: airflow.kill_workers()),
    ]


def strikes_of_upgrade() -> list[Strike]:
    return [
        Strike("scheduler with all workers", "control_plane", lambda a: a.kill("scheduler", with_workers=True)),
        Strike("triggerer", "node_groups", lambda airflow: airflow.kill("triggerer")),
    ]


def strikes_of_teardown() -> list[Strike]:
    return [
        Strike("all workers", "data_layer.keeper", lambda airflow: airflow.kill_workers()),
        Strike("database", "infrastructure.node_groups", lambda a: a.kill("postgres", with_workers=True)),
        Strike("triggerer", "infrastructure.cluster", lambda airflow: airflow.kill("triggerer")),
        Strike(
            "scheduler with all workers",
            "infrastructure.network",
            lambda airflow: airflow.kill("scheduler", with_workers=True),
        ),
    ]


STRIKES = {"deploy": strikes_of_deploy, "upgrade": strikes_of_upgrade, "teardown": strikes_of_teardown}


@pytest.fixture(scope="session")
def ended(quiet: dict[str, Step], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """A life in a real Airflow: two deploys at once, upgrade, teardown, all of them struck."""
    kept = os.environ.get("SLIPWAY_KILL_DIR")
    folder = Path(kept) / "parts" if kept else tmp_path_factory.mktemp("parts")
    include = folder / "project" / "include"
    project(include)
    found: dict[str, Ended] = {}
    with real_airflow(folder / "run", include, SPEED) as airflow:
        for name, strikes in STRIKES.items():
            dag_id, conf = RUNS[name]
            at_once = 2 if name == "deploy" else 1
            found[name] = _live(airflow, folder, dag_id, at_once, strikes(), conf)
            if "success" not in found[name].states.values():
                break
    yield found
    record.parts(quiet, found)


def _live(
    airflow: RealAirflow, folder: Path, dag_id: str, at_once: int, strikes: list[Strike], conf: dict[str, Any]
) -> Ended:
    run_ids = [airflow.trigger(dag_id, **conf) for _ in range(at_once)]
    states = airflow.follow(dag_id, run_ids, strikes)
    time.sleep(SETTLED_SECONDS + 1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, airflow.run.env[name])
        return Ended(
            states,
            {run_id: airflow.states(dag_id, run_id) for run_id in run_ids},
            state.account(),
            state.cluster(folder / "run" / "cloud"),
            strikes,
        )


@pytest.mark.parametrize("verb", STRIKES)
def test_every_run_ends_well_whatever_was_killed(ended: dict[str, Ended], verb: str) -> None:
    one = ended[verb]
    assert sorted(one.states.values()).count("success") == 1, (one.states, one.tasks)
    assert [strike.what for strike in one.strikes if not strike.at] == [], "strikes that never came"


def test_of_two_runs_at_once_one_has_the_lease_and_the_other_says_so(ended: dict[str, Ended]) -> None:
    one = ended["deploy"]
    (loser,) = [run_id for run_id, outcome in one.states.items() if outcome != "success"]
    failed = [task for task, outcome in one.tasks[loser].items() if outcome == "failed"]
    assert failed == ["acquire_lease"]


@pytest.mark.parametrize("verb", STRIKES)
def test_the_end_is_the_same(quiet: dict[str, Step], ended: dict[str, Ended], verb: str) -> None:
    # The undisturbed life was changed once before its upgrade.
    twin = quiet[verb]
    assert differences(record.comparable(twin.account), record.comparable(ended[verb].account)) == []
