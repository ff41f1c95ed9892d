"""The page's API: one route per tab, read only, each behind Airflow's own authorisation, each from the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request

from slipway.catalog.components import load_components
from slipway.catalog.environments import environment_names, load_environment
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform
from slipway.page import data, live, money, sizes
from slipway.page.cache import Cache
from slipway.page.security import COST, DEPLOY, HEALTH, SCALE, may_trigger, reads, sees_plugins

# Seconds for which an answer is new. Reports come every ten minutes or every night; the cluster is asked sparingly.
LIFETIME = {"now": 20, "open": 300, "cost": 300, "scale": 300, "live": 30, "diff": 3600, "fleet": 30}
# What a person may start from the page.
ACTIONS = (DEPLOY, "platform_upgrade", "platform_rollback", "platform_teardown", "platform_drift", HEALTH, COST, SCALE)

router = APIRouter(prefix="/api")


async def platform_of(environment: str, region: str) -> Platform:
    """The platform that a path names: only what ``include/environments`` has, whatever the path says.

    :raises HTTPException: 404 for any other, 500 for a file that does not load.
    """
    return await asyncio.to_thread(_load, environment, region)


def _load(environment: str, region: str) -> Platform:
    if environment not in environment_names():
        raise HTTPException(404, "no such environment")
    try:
        found = load_environment(environment)
    except ConfigurationError as error:
        raise HTTPException(500, str(error)) from error
    if region not in found.regions:
        raise HTTPException(404, f"{environment} has no such region; it has {', '.join(found.regions)}")
    return Platform(found, region)


PlatformDep = Annotated[Platform, Depends(platform_of)]


@router.get("/fleet", dependencies=[sees_plugins])
async def fleet(request: Request, user: GetUserDep) -> dict[str, Any]:
    """Environments, regions, and what this user may start."""
    answer = await _answer(request, ("fleet",), LIFETIME["fleet"], _blocking(data.fleet))
    allowed = await asyncio.to_thread(lambda: [dag for dag in ACTIONS if may_trigger(request, user, dag)])
    return {**answer, "may_trigger": allowed, "user": user.get_name()}


@router.get("/{environment}/{region}/now", dependencies=reads(HEALTH))
async def now(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """The Now tab."""
    return await _part(request, "now", platform, LIFETIME["now"], _blocking(data.now_part, platform))


@router.get("/{environment}/{region}/open", dependencies=reads(DEPLOY))
async def interfaces(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """The Open tab, without load balancers."""
    return await _part(request, "open", platform, LIFETIME["open"], _blocking(data.open_part, platform))


@router.get("/{environment}/{region}/addresses", dependencies=reads(DEPLOY))
async def addresses(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """Load balancers, from the cluster."""
    return await _part(request, "addresses", platform, LIFETIME["live"], lambda: live.addresses_part(platform))


@router.get("/{environment}/{region}/cost", dependencies=reads(COST))
async def cost(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """The Cost tab."""
    return await _part(request, "cost", platform, LIFETIME["cost"], _blocking(money.cost_part, platform))


@router.get("/{environment}/{region}/scale", dependencies=reads(SCALE))
async def scale(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """The Scale tab."""
    return await _part(request, "scale", platform, LIFETIME["scale"], _blocking(sizes.scale_part, platform))


@router.get("/{environment}/{region}/slos", dependencies=reads(HEALTH))
async def slos(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """The SLOs tab, from the cluster's Prometheus."""
    return await _part(request, "slos", platform, LIFETIME["live"], lambda: live.slos_part(platform))


@router.get("/{environment}/{region}/releases", dependencies=reads(DEPLOY))
async def releases(request: Request, platform: PlatformDep) -> dict[str, Any]:
    """Releases of every component, from the cluster."""
    return await _part(request, "releases", platform, LIFETIME["live"], lambda: live.releases_part(platform))


@router.get("/{environment}/{region}/releases/{component}", dependencies=reads(DEPLOY))
async def diff(
    request: Request,
    platform: PlatformDep,
    component: Annotated[str, Path(max_length=63)],
    before: Annotated[int, Query(ge=1)],
    after: Annotated[int, Query(ge=1)],
) -> dict[str, Any]:
    """What changed between two releases of a component."""
    if component not in await asyncio.to_thread(load_components):
        raise HTTPException(404, "no such component")
    key = f"diff {component} {before} {after}"
    return await _part(
        request, key, platform, LIFETIME["diff"], lambda: live.diff_part(platform, component, before, after)
    )


def _blocking(function: Callable[..., Any], *arguments: Any) -> Callable[[], Awaitable[Any]]:
    return lambda: asyncio.to_thread(function, *arguments)


async def _part(
    request: Request, part: str, platform: Platform, lifetime: float, ask: Callable[[], Awaitable[Any]]
) -> dict[str, Any]:
    return await _answer(request, (part, platform.environment.name, platform.region), lifetime, ask)


async def _answer(
    request: Request, key: tuple[str, ...], lifetime: float, ask: Callable[[], Awaitable[Any]]
) -> dict[str, Any]:
    cache: Cache = request.app.state.cache
    found = await cache.get(key, lifetime, ask)
    return {
        "data": found.value,
        "read_at": found.as_of.isoformat() if found.as_of else None,
        "problem": found.problem,
    }
