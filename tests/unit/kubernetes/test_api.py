"""The client's manners: what it retries, what it does not, how it pages and discovers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from slipway.decisions.inventory import ObjectRef
from slipway.hooks import kubernetes_async
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError

from tests.unit.kubernetes.scripted import Scripted, api_for


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_async, "BACKOFF_SECONDS", 0.001)


def run(script: Scripted, body: Callable[[KubernetesApi], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with api_for(script) as api:
            return await body(api)

    return asyncio.run(main())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_throttling_and_server_errors_are_retried(status: int) -> None:
    script = Scripted().on("GET", "/x", status, Retry_After="0").on("GET", "/x", 200, {"a": 1})
    assert run(script, lambda api: api.get("/x")) == {"a": 1}
    assert len(script.sent("GET")) == 2


def test_it_gives_up_in_the_end_with_the_servers_words() -> None:
    script = Scripted().on("GET", "/x", 503, {"reason": "ServiceUnavailable", "message": "etcd is away"})
    with pytest.raises(KubernetesApiError, match="503 ServiceUnavailable: etcd is away"):
        run(script, lambda api: api.get("/x"))
    assert len(script.sent("GET")) == kubernetes_async.ATTEMPTS


@pytest.mark.parametrize("status", [400, 403, 405, 422])
def test_refusals_are_not_retried(status: int) -> None:
    script = Scripted().on("GET", "/x", status)
    with pytest.raises(KubernetesApiError) as caught:
        run(script, lambda api: api.get("/x"))
    assert caught.value.status == status
    assert len(script.sent("GET")) == 1


def test_write_races_are_retried_and_field_conflicts_are_not() -> None:
    race = Scripted().on("PATCH", "/x", 409, {"reason": "Conflict"}).on("PATCH", "/x", 200)
    run(race, lambda api: api.request("PATCH", "/x", body={}))
    assert len(race.sent("PATCH")) == 2
    causes = [{"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".data.a"}]
    conflict = Scripted().on("PATCH", "/x", 409, {"reason": "Conflict", "details": {"causes": causes}})
    with pytest.raises(KubernetesApiError) as caught:
        run(conflict, lambda api: api.request("PATCH", "/x", body={}))
    assert caught.value.field_conflicts == causes
    assert len(conflict.sent("PATCH")) == 1


def test_a_refused_token_is_renewed() -> None:
    script = Scripted().on("GET", "/x", 401).on("GET", "/x", 200, {"a": 1})
    assert run(script, lambda api: api.get("/x")) == {"a": 1}
    assert script.tokens == ["Bearer token-0", "Bearer token-1"]
    with pytest.raises(KubernetesApiError, match="401"):
        run(Scripted().on("GET", "/x", 401), lambda api: api.get("/x"))


def test_only_not_found_is_absent() -> None:
    assert run(Scripted(), lambda api: api.get("/nothing")) is None
    with pytest.raises(KubernetesApiError):
        run(Scripted().on("GET", "/x", 403), lambda api: api.get("/x"))


def test_lists_are_read_to_the_last_page() -> None:
    script = Scripted()
    script.on("GET", "/x", 200, {"items": [1, 2], "metadata": {"continue": "more"}}).on(
        "GET", "/x", 200, {"items": [3]}
    )
    assert run(script, lambda api: api.items("/x", {"labelSelector": "a=b"})) == [1, 2, 3]
    assert [query.get("continue") for _, query, _ in script.sent("GET")] == [None, "more"]
    assert all(query["labelSelector"] == "a=b" for _, query, _ in script.sent("GET"))


def test_paths_come_from_discovery_which_is_asked_once() -> None:
    script = Scripted()

    async def body(api: KubernetesApi) -> list[str | None]:
        return [
            await api.path(ObjectRef("v1", "ConfigMap", "data", "a")),
            await api.path(ObjectRef("v1", "Namespace", "", "data")),
            await api.path(ObjectRef("batch/v1", "Job", "data", "a")),
            await api.path(ObjectRef("example.com/v1", "Unknown", "data", "a")),
        ]

    expected = [
        "/api/v1/namespaces/data/configmaps/a",
        "/api/v1/namespaces/data",
        "/apis/batch/v1/namespaces/data/jobs/a",
    ]
    assert run(script, body) == [*expected, None]
    assert [path for path, _, _ in script.sent("GET")].count("/api/v1") == 1


def test_an_unreachable_cluster_is_named() -> None:
    async def body(api: KubernetesApi) -> Any:
        api.endpoint = type(api.endpoint)("test", "us-east-1", "http://127.0.0.1:1", "")
        return await api.get("/x")

    with pytest.raises(KubernetesApiError, match=r"http://127.0.0.1:1 could not be reached"):
        run(Scripted(), body)


def test_nothing_but_the_clusters_own_authority_is_trusted() -> None:
    with pytest.raises(ssl.SSLError):
        kubernetes_async.tls_context("no certificate")


def test_a_list_that_expires_between_its_pages_is_begun_anew() -> None:
    page = {"items": [{"a": 1}], "metadata": {"continue": "more"}}
    script = Scripted().on("GET", "/x", 200, page).on("GET", "/x", 410, {"reason": "Expired"})
    script.on("GET", "/x", 200, page).on("GET", "/x", 200, {"items": [{"a": 2}]})
    assert run(script, lambda api: api.items("/x")) == [{"a": 1}, {"a": 2}]
    assert ["continue" in query for _, query, _ in script.sent("GET")] == [False, True, False, True]
    gone = Scripted().on("GET", "/x", 200, page).on("GET", "/x", 410)
    with pytest.raises(KubernetesApiError):
        run(gone, lambda api: api.items("/x"))
