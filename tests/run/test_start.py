"""The database starts and survives, the lock keeps two runs apart, DAG files with errors end the run."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg2
import pytest

from rehearsal.run import follow, postgres
from rehearsal.run.api import AirflowApi, NotFoundError
from rehearsal.run.lock import describe_holder, exclusive
from rehearsal.run.processes import Supervisor
from rehearsal.run.settings import RunError, read_settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(f"test-{tmp_path}", tmp_path / "logs", dict(os.environ))
    yield made
    made.stop(grace=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def query(database: postgres.Database, password: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(
        host="127.0.0.1", port=database.port, user=postgres.USER, password=password, dbname=postgres.DATABASE
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_the_database_asks_for_its_password_and_keeps_its_data(supervisor: Supervisor, tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    database = postgres.Database(free_port(), "s3cret")
    for created in (True, False):
        assert postgres.prepare(data, database.password) is created
        child = postgres.start(supervisor, data, database)
        postgres.wait_ready(child, database.port)
        if created:
            query(database, "s3cret", "create table kept (n int); insert into kept values (7)")
            with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                query(database, "guessed", "select 1")
        else:
            assert query(database, "s3cret", "select n from kept") == [(7,)]
        assert supervisor.stop(grace=20) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="about root")
def test_root_needs_no_folder_opened_to_everyone(supervisor: Supervisor, tmp_path: Path) -> None:
    if not postgres.namespace_wrapper():
        pytest.skip("user namespaces are not allowed here")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "postgres"
    database = postgres.Database(free_port(), "x")
    postgres.prepare(data, database.password)
    postgres.wait_ready(postgres.start(supervisor, data, database), database.port)
    assert data.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="about root")
def test_without_namespaces_root_becomes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "namespace_wrapper", lambda: ())
    command = postgres.as_unprivileged(["id", "-u"])
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "65534\n"


def test_a_half_made_data_folder_is_made_anew(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("18\n")
    assert postgres.prepare(data, "x") is True


def test_data_of_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / ".initialised").touch()
    (tmp_path / "PG_VERSION").write_text("12\n")
    with pytest.raises(RunError, match=r"written by PostgreSQL 12.*make clean"):
        postgres.prepare(tmp_path, "x")


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    settings = read_settings({"SLIPWAY_RUN_DIR": str(tmp_path), "AIRFLOW_PORT": "8111"})
    with (
        exclusive(settings),
        pytest.raises(RunError, match=f"process {os.getpid()}, http://127.0.0.1:8111"),
        exclusive(settings),
    ):
        pass
    with exclusive(settings):
        pass


def test_a_holder_that_wrote_nothing_yet_is_still_a_holder() -> None:
    assert "another process" in describe_holder("", "/x")


class Answers(httpx.MockTransport):
    """An Airflow that answers from a table of paths; every request is noted."""

    def __init__(self, table: dict[str, object]) -> None:
        self.requests: list[httpx.Request] = []
        super().__init__(self._answer)
        self._table = table

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        found = self._table.get(f"{request.method} {request.url.path.removeprefix('/api/v2')}")
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)


def api_with(table: dict[str, object]) -> tuple[AirflowApi, Answers]:
    answers = Answers(table)
    api = AirflowApi("http://127.0.0.1:1")
    api._client = httpx.Client(base_url="http://127.0.0.1:1/api/v2", transport=answers)
    return api, answers


def no_watch() -> None:
    """Nothing is watched here."""


def test_a_dag_file_with_an_error_ends_the_wait_and_shows_the_trace() -> None:
    failure = {
        "filename": "platform_deploy.py",
        "stack_trace": "SyntaxError: oops",
        "timestamp": "2026-03-01T00:00:01Z",
    }
    api, _ = api_with({"GET /importErrors": {"import_errors": [failure]}})
    with pytest.raises(RunError, match=r"platform_deploy.py:\nSyntaxError: oops"):
        follow.wait_parsed(api, "platform_deploy", NOW, no_watch)


def test_what_an_earlier_start_found_does_not_count() -> None:
    old = {"filename": "x.py", "stack_trace": "mended since", "timestamp": "2026-02-28T23:00:00Z"}
    table = {
        "GET /importErrors": {"import_errors": [old]},
        "GET /dags/d": {"last_parsed_time": "2026-03-01T00:00:02Z"},
    }
    follow.wait_parsed(api_with(table)[0], "d", NOW, no_watch)


def test_a_run_that_was_interrupted_is_ended_before_a_new_one_starts() -> None:
    api, answers = api_with(
        {
            "GET /dags/platform_deploy/dagRuns": {"dag_runs": [{"dag_run_id": "old"}]},
            "PATCH /dags/platform_deploy/dagRuns/old": {},
            "PATCH /dags/platform_deploy": {},
            "POST /dags/platform_deploy/dagRuns": {"dag_run_id": "new"},
        }
    )
    assert follow.trigger(api, read_settings({"PLAN_ONLY": "1"})) == "new"
    body = answers.requests[-1].read()
    assert b'"logical_date":null' in body
    assert b'"plan_only":true' in body


def test_only_changes_are_asked_for_page_by_page() -> None:
    api, answers = api_with(
        {"GET /dags/d/dagRuns/r/taskInstances": {"task_instances": [{"task_id": "a"}], "total_entries": 2}}
    )
    assert len(list(api.task_instances("d", "r", NOW))) == 2
    assert [request.url.params["offset"] for request in answers.requests] == ["0", "1"]
    assert answers.requests[0].url.params["updated_at_gte"] == "2026-03-01T00:00:00+00:00"


def test_only_a_404_means_not_found() -> None:
    api, _ = api_with({})
    assert api.dag("x") is None
    with pytest.raises(NotFoundError):
        api.run_state("x", "y")
    api._client = httpx.Client(
        base_url="http://x", transport=httpx.MockTransport(lambda _: httpx.Response(500, text="broken"))
    )
    with pytest.raises(RunError, match="500 to GET /dags/x: broken"):
        api.dag("x")


def test_tasks_come_in_the_order_they_run() -> None:
    tasks = [
        {"task_id": "c", "downstream_task_ids": []},
        {"task_id": "a", "downstream_task_ids": ["b"]},
        {"task_id": "b", "downstream_task_ids": ["c"]},
    ]
    assert api_with({"GET /dags/d/tasks": {"tasks": tasks}})[0].tasks("d") == ["a", "b", "c"]
