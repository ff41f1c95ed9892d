"""Every route that the page's app has, whatever they are: nobody is answered, nor anybody without a right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from slipway.page.app import build_app
from starlette.routing import Mount

from tests.unit.page.conftest import client as client
from tests.unit.page.conftest import tables as tables

Clients = Callable[[str | None], TestClient]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FILLED = {"environment": "dev", "region": "us-east-1", "component": "kafka"}


def walked(routes: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All routes, those of mounted apps and included routers too."""
    for route in routes:
        inner = getattr(route, "routes", None)
        if isinstance(route, APIRoute):
            yield prefix + route.path, route
        elif inner:
            yield from walked(inner, prefix + getattr(route, "path", ""))
        else:
            yield prefix + getattr(route, "path", ""), route


def api() -> list[str]:
    return [path.format(**FILLED) for path, route in walked(build_app().routes) if isinstance(route, APIRoute)]


def test_there_is_nothing_but_the_api_and_the_files() -> None:
    others = [route for _, route in walked(build_app().routes) if not isinstance(route, APIRoute)]
    assert len(api()) >= 9
    assert [(type(route), route.path) for route in others] == [(Mount, "")]
    assert {path.split("/")[1] for path in api()} == {"api"}
    schema = TestClient(build_app())
    assert [schema.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


@pytest.mark.parametrize("path", api())
def test_nobody_is_answered(client: Clients, path: str) -> None:
    for method in METHODS:
        answer = client(None).request(method, f"/slipway{path}", params={"before": 1, "after": 2})
        assert answer.status_code == (401 if method == "GET" else 405), method


@pytest.mark.parametrize("path", api())
def test_whoever_has_no_right_is_refused(client: Clients, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    for right in ("is_authorized_view", "is_authorized_dag"):
        monkeypatch.setattr(SimpleAuthManager, right, lambda *_, **__: False)
    answer = client("viewer").get(f"/slipway{path}", params={"before": 1, "after": 2})
    assert answer.status_code == 403
    assert "dev" not in answer.text


@pytest.mark.parametrize("token", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJBRE1JTiJ9."])
def test_a_forged_session_is_nobody(client: Clients, token: str) -> None:
    """The last one says of itself that it needs no signature."""
    nobody = client(None)
    nobody.cookies["_token"] = token
    answers = {nobody.get(f"/slipway{path}", params={"before": 1, "after": 2}).status_code for path in api()}
    assert answers <= {401, 403}


@pytest.mark.parametrize(
    "path", ["../page/security.py", "%2e%2e/security.py", "..%2f..%2fmodel/lease.py", "/etc/passwd", "static/../api.py"]
)
def test_the_files_are_those_of_the_folder(client: Clients, path: str) -> None:
    assert client("admin").get(f"/slipway/{path}").status_code == 404
