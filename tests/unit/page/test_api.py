"""The API: who gets what, and that everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from slipway.hooks.reports import ReportsHook
from slipway.model.platform import Platform
from slipway.page.app import build_app

from tests.unit.page.conftest import HOSTILE, health_report

Clients = Callable[[str | None], TestClient]
PARTS = ("now", "open", "addresses", "cost", "scale", "slos", "releases")
NOW = "/slipway/api/dev/us-east-1/now"


def _paths() -> list[str]:
    return ["/slipway/api/fleet", *(f"/slipway/api/dev/us-east-1/{part}" for part in PARTS),
            "/slipway/api/dev/us-east-1/releases/kafka?before=1&after=2"]  # fmt: skip


@pytest.mark.parametrize("path", _paths())
def test_nobody_is_answered_without_a_session(client: Clients, path: str) -> None:
    assert client(None).get(path).status_code == 401


def test_every_route_of_the_api_asks_who_is_there() -> None:
    """A route that somebody adds without a right must not slip through."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.routing import APIRoute
    from slipway.page.api import router

    def calls(dependant: object) -> set[object]:
        found = {dependant.call}  # type: ignore[attr-defined]
        for one in dependant.dependencies:  # type: ignore[attr-defined]
            found |= calls(one)
        return found

    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) == 9
    for route in routes:
        assert get_user in calls(route.dependant), route.path
        assert route.methods == {"GET"}


def test_a_viewer_sees_and_may_start_nothing(client: Clients, reported: Platform) -> None:
    viewer = client("viewer")
    answer = viewer.get(NOW)
    assert answer.status_code == 200
    assert answer.json()["data"]["report"]["verdict"] == "Degraded"
    assert viewer.get("/slipway/api/fleet").json()["may_trigger"] == []


def test_a_user_may_start_runs(client: Clients) -> None:
    fleet = client("user").get("/slipway/api/fleet").json()
    assert {"platform_deploy", "platform_teardown"} <= set(fleet["may_trigger"])
    assert [one["environment"] for one in fleet["data"]] == ["dev", "prod", "staging"]
    assert fleet["data"][1]["regions"] == ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize("path", ["nowhere/us-east-1", "dev/eu-west-1", "..%2F..%2Fetc/us-east-1", "dev/%3Cscript%3E"])
def test_only_what_the_environments_name_is_answered(client: Clients, path: str) -> None:
    assert client("admin").get(f"/slipway/api/{path}/now").status_code == 404


def test_a_component_that_does_not_exist_has_no_difference(client: Clients) -> None:
    path = "/slipway/api/dev/us-east-1/releases/no-such?before=1&after=2"
    assert client("admin").get(path).status_code == 404


def test_hostile_text_travels_as_json_and_nothing_else(client: Clients, platform: Platform) -> None:
    ReportsHook(platform).write(health_report(platform, datetime.now(UTC), what=HOSTILE), "# page\n")
    answer = client("admin").get(NOW)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["data"]["findings"][0]["what"] == HOSTILE


def test_a_late_report_says_since_when_one_is_missing(client: Clients, platform: Platform) -> None:
    ended = datetime.now(UTC) - timedelta(hours=3)
    ReportsHook(platform).write(health_report(platform, ended), "# page\n")
    report = client("admin").get(NOW).json()["data"]["report"]
    assert report["stale"]
    due = datetime.fromisoformat(report["missing_since"])
    assert timedelta(minutes=9) < due - ended < timedelta(minutes=10)


def test_without_a_report_there_is_still_the_catalog(client: Clients, platform: Platform) -> None:
    data = client("admin").get(NOW).json()["data"]
    assert data["report"] == {"kind": "health", "found": False, "stale": False, "missing": []}
    assert data["stages"][0]["name"] == "infrastructure"
    kafka = next(one for stage in data["stages"] for one in stage["components"] if one["name"] == "kafka")
    assert {check["state"] for check in kafka["checks"]} == {"unknown"}


def test_a_cluster_that_is_not_there_is_said(client: Clients, platform: Platform) -> None:
    answer = client("admin").get("/slipway/api/dev/us-east-1/releases").json()
    assert answer["data"] is None
    assert "EKS cluster slipway-dev" in answer["problem"]


def test_the_interfaces_are_those_of_the_catalog(client: Clients) -> None:
    data = client("admin").get("/slipway/api/dev/us-east-1/open").json()["data"]
    found = {one["name"]: one for one in data["interfaces"]}
    assert {found[name]["address"] for name in ("Grafana", "Kafka UI", "Prometheus", "Spark master", "Maze")} == {
        "localhost:4000", "localhost:8082", "localhost:9090", "localhost:8080", "localhost:8083"
    }  # fmt: skip
    assert "port-forward svc/grafana 4000:3000" in found["Grafana"]["command"]
    assert found["MongoDB"]["url"] is None


def test_nothing_but_airflow_may_frame_it_and_nothing_foreign_runs_in_it() -> None:
    answer = TestClient(build_app()).get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
