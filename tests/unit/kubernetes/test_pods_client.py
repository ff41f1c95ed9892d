"""The provider's Kubernetes clients as we feed them: a refused token is replaced once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubernetes import client
from kubernetes_asyncio import client as async_client
from slipway.hooks import pods
from slipway.hooks.kubernetes import EksAccess


class Access(EksAccess):
    """Counts the tokens it was told to forget."""

    def __init__(self) -> None:
        super().__init__("slipway-dev", "us-east-1")
        self.forgotten = 0

    def forget_token(self) -> None:
        self.forgotten += 1


@pytest.mark.parametrize(("status", "refusals", "forgotten"), [(401, 1, 1), (401, 2, 1), (403, 1, 0)])
def test_a_refused_token_is_replaced_once(
    monkeypatch: pytest.MonkeyPatch, status: int, refusals: int, forgotten: int
) -> None:
    access, calls = Access(), iter(range(9))

    def call(self: Any, *args: Any, **kwargs: Any) -> str:
        if next(calls) < refusals:
            raise client.ApiException(status=status)
        return "answer"

    async def call_async(self: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return call(self)
        except client.ApiException as error:
            raise async_client.ApiException(status=error.status) from error

    monkeypatch.setattr(client.ApiClient, "call_api", call)
    monkeypatch.setattr(async_client.ApiClient, "call_api", call_async)
    made = pods._EksApiClient(client.Configuration(host="https://127.0.0.1:1"), access)
    assert _outcome(lambda: made.call_api("/api", "GET")) == ("answer" if refusals == forgotten else status)
    assert access.forgotten == forgotten

    access, calls = Access(), iter(range(9))
    assert _outcome(lambda: asyncio.run(_ask(access))) == ("answer" if refusals == forgotten else status)
    assert access.forgotten == forgotten


async def _ask(access: Access) -> Any:
    async with pods._AsyncEksApiClient(async_client.Configuration(host="https://127.0.0.1:1"), access) as made:
        return await made.call_api("/api", "GET")


def _outcome(ask: Any) -> Any:
    try:
        return ask()
    except (client.ApiException, async_client.ApiException) as error:
        return error.status
