"""Chromium over the page, in an environment of its own (requirements-browser.txt): make browser."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright

    # A busy machine is slow, and what is waited for comes.
    expect.set_options(timeout=60_000)
except ImportError:
    # The default tests have no browser; make browser runs these in an environment that has one.
    collect_ignore_glob = ["test_*.py"]

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
STOP_SECONDS = 60


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The page alone: its address and a token by role. SLIPWAY_PAGE names a file with one that is served already."""
    with _served("light", "SLIPWAY_PAGE", tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A whole Airflow with the page in it: its address and a password by user. SLIPWAY_AIRFLOW names one that is up."""
    with _served("full", "SLIPWAY_AIRFLOW", tmp_path_factory.mktemp("airflow")) as found:
        yield found


@contextmanager
def _served(module: str, given: str, folder: Path) -> Iterator[dict[str, Any]]:
    if os.environ.get(given):
        yield json.loads(Path(os.environ[given]).read_text())
        return
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"}
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", f"tests.browser.{module}", str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                pytest.fail(f"{module} was not served:\n{(folder / 'log').read_text()[-3000:]}")
            yield json.loads(line)
        finally:
            try:
                process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as play:
        # Containers seldom allow the browser its own sandbox; it looks at this machine only.
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def look(browser: Browser, site: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """Opens the page in a context of its own; whatever the browser complains of fails the test."""
    contexts = []
    complaints: list[str] = []

    def of(
        tab: str = "now",
        *,
        platform: str = "dev/us-east-1",
        role: str | None = "user",
        answers: dict[str, Any] | None = None,
        **context: Any,
    ) -> Page:
        made = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        contexts.append(made)
        if role:
            made.add_cookies([{"name": "_token", "value": site["tokens"][role], "url": site["url"]}])
        page = made.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            # Answers of 401 and 404 are part of what is tested; a policy that was broken is not.
            lambda said: (
                complaints.append(said.text) if said.type == "error" and "Failed to load" not in said.text else None
            ),
        )
        if answers is not None:
            page.route("**/api/v2/**", lambda route: _play(route, answers))
        environment, region = platform.split("/")
        page.goto(f"{site['url']}?environment={environment}&region={region}#{tab}")
        return page

    yield of
    for one in contexts:
        one.close()
    assert not complaints


def _play(route: Any, answers: dict[str, Any]) -> None:
    request = route.request
    path = request.url.split("/api/v2/", 1)[1]
    for beginning, answer in answers.items():
        if path.startswith(beginning):
            found = answer(request) if callable(answer) else answer
            route.fulfill(status=200, content_type="application/json", body=json.dumps(found))
            return
    route.fulfill(status=404, content_type="application/json", body='{"detail": "not here"}')
