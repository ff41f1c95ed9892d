"""The page where people meet it: in Airflow's own frame, signed in, while a platform is deployed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from accessibility import issues
from conftest import IMAGES
from playwright.sync_api import Browser, Frame, Page, expect

pytestmark = pytest.mark.live

SignIn = Callable[..., Page]
DEPLOY_SECONDS = 600
READ_AGAIN_MS = 120_000
STAGES = ("infrastructure", "base services", "data layer", "applications", "validation")


@pytest.fixture
def sign_in(browser: Browser, airflow: dict[str, Any]) -> Iterator[SignIn]:
    """Signs in through Airflow's own form; what the browser complains of in the page's frame fails the test."""
    contexts = []
    complaints: list[str] = []

    def of(user: str, path: str = "", **context: Any) -> Page:
        made = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(180_000)
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type == "error"
                and "/slipway/" in str(said.location.get("url"))
                and "Failed to load" not in said.text
                else None
            ),
        )
        page.goto(f"{airflow['url']}/{path}", wait_until="commit")
        page.locator("input[name=username]").fill(user)
        page.locator("input[name=password]").fill(airflow["passwords"][user])
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield of
    for one in contexts:
        one.close()
    assert not complaints


def _frame(page: Page) -> Frame:
    element = page.locator("iframe[title=Platform]").element_handle()
    frame = element.content_frame()
    assert frame is not None
    return frame


def _open(page: Page, airflow: dict[str, Any], where: str) -> Frame:
    page.goto(f"{airflow['url']}/plugin/platform/slipway/{where}", wait_until="commit")
    return _frame(page)


def test_airflows_navigation_leads_to_it_and_its_theme_is_airflows(sign_in: SignIn, airflow: dict[str, Any]) -> None:
    page = sign_in("operator")
    page.get_by_role("link", name="Platform", exact=True).click()
    frame = _frame(page)
    expect(frame.locator("[data-component=kafka]")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/plugin/platform.*environment=dev&region=us-east-1#now$"))

    for theme, entry in (("dark", "Dark Mode"), ("light", "Light Mode")):
        _choose_theme(page, entry)
        expect(page.locator("html")).to_have_class(re.compile(rf"\b{theme}\b"))
        expect(frame.locator("html")).to_have_attribute("data-theme", theme)
        _rest(page)
        page.screenshot(path=IMAGES / f"page-in-airflow{'-dark' if theme == 'dark' else ''}.png")
        assert issues(frame) == []


def _rest(page: Page) -> None:
    """Point at nothing and focus nothing, for a picture."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(500)


def _choose_theme(page: Page, entry: str) -> None:
    page.get_by_role("button", name="User", exact=True).click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name=entry).or_(page.get_by_role("menuitem", name=entry)).click()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")


def test_a_view_is_sent_to_others_by_airflows_address(sign_in: SignIn, airflow: dict[str, Any]) -> None:
    page = sign_in("viewer")
    frame = _open(page, airflow, "?environment=dev&region=us-east-1#cost")
    expect(frame.locator("[data-month]")).to_be_visible()
    frame.get_by_role("tab", name="SLOs").click()
    expect(frame.get_by_text("metrics collection")).to_be_visible()
    expect(page).to_have_url(re.compile(r"environment=dev&region=us-east-1#slos$"))
    page.reload()
    expect(_frame(page).get_by_role("tab", selected=True)).to_have_text("SLOs")


def test_a_viewer_may_start_nothing_and_airflow_itself_refuses(sign_in: SignIn, airflow: dict[str, Any]) -> None:
    page = sign_in("viewer")
    frame = _open(page, airflow, "?environment=dev&region=us-east-1#act")
    expect(frame.locator("[data-viewer]")).to_be_visible()
    status = frame.evaluate(
        """async () => (await fetch('/api/v2/dags/platform_deploy/dagRuns', {method: 'POST',
             headers: {'Content-Type': 'application/json'}, body: '{"logical_date": null, "conf": {}}'})).status"""
    )
    assert status == 403


def _trigger(frame: Frame) -> str:
    """Start a deploy of staging from the page's own form; returns its run."""
    frame.get_by_role("tab", name="Act").click()
    frame.get_by_role("button", name="Deploy…", exact=True).click()
    dialog = frame.get_by_role("dialog")
    expect(dialog.get_by_label("Environment")).to_have_value("staging")
    expect(dialog.get_by_label("Region")).to_have_value("us-east-1")
    dialog.get_by_role("button", name="Trigger").click()
    expect(dialog.get_by_text("Started:")).to_be_visible()
    run = dialog.get_by_role("status").get_by_role("link").inner_text()
    dialog.get_by_role("button", name="Close").click()
    frame.get_by_role("tab", name="Now").click()
    expect(frame.locator(f"[data-run='{run}']")).to_be_visible()
    return run


def test_a_deploy_is_started_and_followed_without_reloading(sign_in: SignIn, airflow: dict[str, Any]) -> None:
    page = sign_in("operator")
    frame = _open(page, airflow, "?environment=staging&region=us-east-1#act")
    expect(frame.get_by_text("Start a run for staging")).to_be_visible()
    frame.evaluate("window.notReloaded = true")

    run = _trigger(frame)
    card = frame.locator(f"[data-run='{run}']")
    expect(card).to_contain_text("no earlier run to expect a time from")
    seen = _watch(page, frame, run)
    assert frame.evaluate("window.notReloaded") is True
    # A short one may come and go between two looks.
    assert set(STAGES) == seen["going on"] | seen["proven"]
    assert len(seen["going on"]) >= 3
    assert {"namespaces / deploy", "storage classes / deploy", "kafka / deploy"} & seen["components"], seen[
        "components"
    ]
    assert len(seen["elapsed"]) > 10
    assert seen["done"] == sorted(seen["done"])
    assert len(set(seen["done"])) > 5

    again = _trigger(frame)
    card = frame.locator(f"[data-run='{again}']")
    expect(card).to_contain_text(re.compile(r"usually \d+ (s|min) \(median of 1\)"))
    expect(card.get_by_label("Going on now")).to_contain_text(re.compile(r"usually \d+ (s|min)"))
    # What the first run proved is read again by itself; the server keeps it for a while.
    for stage in ("infrastructure", "data-layer", "validation"):
        section = frame.get_by_label(f"Stage {stage}", exact=True)
        expect(section.get_by_text("gate green")).to_be_visible(timeout=READ_AGAIN_MS)
    expect(frame.locator("[data-component=kafka]")).to_contain_text("release 1", timeout=READ_AGAIN_MS)
    assert frame.evaluate("window.notReloaded") is True


def _watch(page: Page, frame: Frame, run: str) -> dict[str, Any]:
    """What the page showed of a run until it ended well."""
    seen: dict[str, Any] = {"going on": set(), "proven": set(), "components": set(), "elapsed": set(), "done": []}
    card = frame.locator(f"[data-run='{run}']")
    ended = frame.locator("[data-run=none]")
    deadline = time.monotonic() + DEPLOY_SECONDS
    drawn = False
    while ended.count() == 0:
        assert time.monotonic() < deadline, card.inner_text()
        text = card.inner_text() if card.count() else ""
        for stage in STAGES:
            for word in ("going on", "proven"):
                if re.search(rf"{stage}\s+{word}", text):
                    seen[word].add(stage)
        seen["components"] |= {one.strip() for one in re.findall(r"[a-z -]+ / (?:deploy|check [a-z -]+)", text)}
        seen["elapsed"] |= set(re.findall(r"(\d+ (?:s|min)) so far", text))
        seen["done"] += [int(found) for found in re.findall(r"(\d+) of \d+ tasks done", text)]
        if not drawn and "data layer" in seen["going on"]:
            _rest(page)
            page.screenshot(path=IMAGES / "page-live.png")
            drawn = True
        page.wait_for_timeout(400)
    expect(ended).to_contain_text("ended: success")
    return seen
