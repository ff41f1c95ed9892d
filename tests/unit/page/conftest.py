"""The page's app over a real (moto) bucket, with users of Airflow's simple auth manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from slipway.hooks.reports import ReportsHook
from slipway.model.health import Finding, FindingKind, HealthBody, Verdict
from slipway.model.platform import Platform
from slipway.model.report import Report

from tests.unit.reports.conftest import platform as platform  # the fixture

HOSTILE = "<img src=x onerror=alert(1)>"


def health_report(platform: Platform, ended: datetime, what: str = "2 of 3 ready") -> Report[HealthBody]:
    """A report with one finding."""
    finding = Finding(
        kind=FindingKind.WORKLOAD_SHORT,
        severity=Verdict.DEGRADED,
        subject="StatefulSet data-layer/mongodb",
        what=what,
        runbook="docs/runbooks/MongodbMemberDown.md",
    )
    return Report[HealthBody](
        kind="health",
        environment=platform.environment.name,
        region=platform.region,
        run_id="scheduled__1",
        started=ended - timedelta(seconds=20),
        ended=ended,
        verdict="Degraded",
        summary="1 finding",
        body=HealthBody(findings=[finding], counts={"nodes": 6}, calls={}, seconds=1.0, version="1.36"),
    )


@pytest.fixture
def reported(platform: Platform) -> Platform:
    """A platform whose newest health report is a minute old."""
    ReportsHook(platform).write(health_report(platform, datetime.now(UTC) - timedelta(minutes=1)), "# page\n")
    return platform


@pytest.fixture(scope="session")
def tables() -> None:
    """What Airflow's own authorisation asks its database: revoked tokens, and teams of DAGs."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def client(tables: None) -> Iterator[Callable[[str | None], TestClient]]:
    """Clients by role; ``None`` is nobody. The session cookie is what a browser would send."""
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from slipway.page.app import build_app

    before = airflow_app._AuthManagerState.instance
    manager = SimpleAuthManager()
    airflow_app._AuthManagerState.instance = manager
    parent = FastAPI()
    parent.mount("/slipway", build_app())

    def of(role: str | None) -> TestClient:
        cookies = {}
        if role is not None:
            user = SimpleAuthManagerUser(username=f"{role} <b>{HOSTILE}</b>", role=role)
            cookies["_token"] = manager.generate_jwt(user)
        return TestClient(parent, cookies=cookies)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "a-secret-of-the-tests-that-is-long-enough-for-sha512-signatures-of-jwt"
        )
        yield of
    airflow_app._AuthManagerState.instance = before
