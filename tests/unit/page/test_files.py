"""The page's files as they are served: compressed once, revalidated, and none but themselves."""

from __future__ import annotations

import gzip

import pytest
from fastapi.testclient import TestClient
from slipway.page.app import STATIC, build_app

MAIN = "/js/main.js"


@pytest.fixture
def client() -> TestClient:
    return TestClient(build_app())


def test_every_file_is_served_as_it_is(client: TestClient) -> None:
    for path in (one for one in STATIC.rglob("*") if one.is_file()):
        answer = client.get(f"/{path.relative_to(STATIC).as_posix()}")
        assert answer.status_code == 200
        assert answer.content == path.read_bytes()


def test_the_address_alone_is_the_page(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.content == (STATIC / "index.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_scripts_are_compressed_for_who_understands(client: TestClient) -> None:
    with client.stream("GET", MAIN, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["content-type"].startswith("text/javascript")
        assert gzip.decompress(b"".join(packed.iter_raw())) == (STATIC / MAIN[1:]).read_bytes()
    assert "content-encoding" not in client.get(MAIN, headers={"Accept-Encoding": "identity"}).headers


def test_what_is_known_is_not_sent_again(client: TestClient) -> None:
    first = client.get(MAIN)
    again = client.get(MAIN, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/js/../../api.py", "/%2e%2e/api.py", "/..%2fapi.py", "//etc/passwd", "/js", "/js/"])
def test_nothing_else_exists(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_files_are_read_only(client: TestClient) -> None:
    assert client.post(MAIN).status_code == 405
