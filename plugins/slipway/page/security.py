"""Who may see what, and what a browser may do with the page.

Apps that a plugin mounts inherit no authentication, so every route of the API names what it needs. Airflow's auth
manager decides, whichever it is: reading a part of the page needs the right to read the DAG it comes from.
"""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page loads nothing from elsewhere, runs no inline script and no text as code, and only Airflow may frame it.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "clipboard-write=(self)",
}

# Parts of the page by the DAG whose reports they show.
DEPLOY, HEALTH, COST, SCALE = "platform_deploy", "platform_health", "platform_nightly_cost", "platform_nightly_scale"

sees_plugins = Depends(requires_access_view(AccessView.PLUGINS))


def reads(dag_id: str) -> list[Any]:
    """Dependencies of a route that shows what a DAG reported."""
    return [sees_plugins, Depends(requires_access_dag("GET", None, dag_id))]


def may_trigger(request: Request, user: GetUserDep, dag_id: str) -> bool:
    """Whether the user may trigger a DAG, by the rule that Airflow's own API applies to ``POST .../dagRuns``."""
    try:
        requires_access_dag("POST", DagAccessEntity.RUN, dag_id)(request, user)
    except HTTPException:
        return False
    return True


class GuardedApp:
    """Middleware: the headers above on everything, and no stored answer of the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stored = "no-store" if "/api/" in scope["path"] else "no-cache"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**HEADERS, "Cache-Control": stored})
            await send(message)

        await self.app(scope, receive, guarded)
