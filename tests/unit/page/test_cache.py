"""The cache: one reader asks, nobody waits for what is a little old, failures are said and rested from."""

from __future__ import annotations

import asyncio

import pytest
from slipway.page import cache as module
from slipway.page.cache import Cache


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        self.asked += 1
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("the cloud is away")
        return self.asked


def test_many_readers_ask_once() -> None:
    async def scene() -> None:
        cache, source = Cache(Clock()), Source()
        answers = await asyncio.gather(*(cache.get("k", 10, source) for _ in range(20)))
        assert {one.value for one in answers} == {1}
        assert source.asked == 1

    asyncio.run(scene())


def test_what_is_old_is_given_at_once_and_asked_anew_behind() -> None:
    async def scene() -> None:
        clock, source = Clock(), Source()
        cache = Cache(clock)
        await cache.get("k", 10, source)
        clock.now = 11
        source.gate.clear()
        assert (await cache.get("k", 10, source)).value == 1
        source.gate.set()
        await asyncio.sleep(0.01)
        assert (await cache.get("k", 10, source)).value == 2

    asyncio.run(scene())


def test_what_is_too_old_is_waited_for() -> None:
    async def scene() -> None:
        clock, source = Clock(), Source()
        cache = Cache(clock)
        await cache.get("k", 10, source)
        clock.now = module.TOO_OLD_SECONDS + 1
        assert (await cache.get("k", 10, source)).value == 2

    asyncio.run(scene())


def test_a_failure_keeps_the_last_value_and_rests() -> None:
    async def scene() -> None:
        clock, source = Clock(), Source()
        cache = Cache(clock)
        await cache.get("k", 10, source)
        source.fails, clock.now = True, 11
        await cache.get("k", 10, source)
        await asyncio.sleep(0.01)
        for _ in range(5):
            found = await cache.get("k", 10, source)
            assert (found.value, found.problem) == (1, "the cloud is away")
        assert source.asked == 2
        clock.now = 11 + module.FAILURE_SECONDS
        source.fails = False
        await cache.get("k", 10, source)
        await asyncio.sleep(0.01)
        assert (await cache.get("k", 10, source)).problem == ""

    asyncio.run(scene())


def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)

    async def scene() -> None:
        cache, source = Cache(Clock()), Source()
        source.gate.clear()
        found = await cache.get("k", 10, source)
        assert found.value is None
        assert "still being asked for" in found.problem
        source.gate.set()
        await asyncio.sleep(0.01)
        assert (await cache.get("k", 10, source)).value == 1
        assert source.asked == 1

    asyncio.run(scene())


def test_the_longest_unread_entry_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 2)

    async def scene() -> None:
        cache, source = Cache(Clock()), Source()
        for key in ("a", "b", "a", "c", "a"):
            await cache.get(key, 10, source)
        assert source.asked == 3
        await cache.get("b", 10, source)
        assert source.asked == 4

    asyncio.run(scene())
