"""What the plugin hands to Airflow: an app that is built when it is first asked for anything.

Every Airflow process loads plugins, task processes too. Only an API server has a use for a web app, so only that pays
for importing one.
"""

from __future__ import annotations

from typing import Any

PREFIX = "/slipway"


class PageApp:
    """An ASGI app that becomes the page's on the first request."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            from slipway.page.app import build_app

            self._app = build_app()
        await self._app(scope, receive, send)


FASTAPI_APP = {"app": PageApp(), "url_prefix": PREFIX, "name": "Slipway platform page"}
# Relative, so that it also holds where Airflow lives below a path of its host.
VIEW = {
    "name": "Platform",
    "href": f"{PREFIX[1:]}/",
    "destination": "nav",
    "url_route": "platform",
    "nav_top_level": True,
    "icon": f"{PREFIX[1:]}/icon.svg",
    "icon_dark_mode": f"{PREFIX[1:]}/icon-dark.svg",
}
