"""The FastAPI app that Airflow mounts: the API, and the files of the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from slipway.page.api import router
from slipway.page.cache import Cache
from slipway.page.files import Files
from slipway.page.security import GuardedApp

STATIC = Path(__file__).parent / "static"


def build_app() -> FastAPI:
    """The app; its files need no login, all its data does."""
    app = FastAPI(title="Slipway platform page", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.cache = Cache()
    app.add_middleware(GuardedApp)
    app.include_router(router)
    app.mount("/", Files(STATIC), name="page")
    return app
