"""What is served under a path, and what is said where nothing is."""

from __future__ import annotations

import httpx
import pytest

NOTHING = "the server could not find the requested resource"
PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/v1/namespaces//configmaps/one", "/apis/apps/v1/namespaces//deployments/one"])
def test_an_object_under_an_empty_namespace_is_a_bad_request(server: httpx.Client, method: str, path: str) -> None:
    content, headers = (b"{}", PATCH) if method == "PATCH" else (None, {})
    answer = server.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert answer.json()["message"] == "Namespace parameter required."


def test_posting_to_an_object_under_an_empty_namespace_is_no_method(server: httpx.Client) -> None:
    answer = server.post("/api/v1/namespaces//configmaps/one", json={})
    assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")


def test_a_list_under_an_empty_namespace_is_of_all_namespaces(server: httpx.Client) -> None:
    answer = server.get("/api/v1/namespaces//serviceaccounts")
    assert answer.status_code == 200
    assert answer.json()["kind"] == "ServiceAccountList"


@pytest.mark.parametrize(
    "path", ["/api/v1/configmaps/one", "/api/v1/namespaces/default/nodes/one", "/apis/apps/v1/nothing"]
)
def test_a_path_that_nothing_serves_is_not_found(server: httpx.Client, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, answer.json()["reason"], answer.json()["message"]) == (404, "NotFound", NOTHING)
