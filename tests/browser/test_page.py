"""The page in a browser: every tab, every state, every kind of reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from accessibility import issues
from conftest import IMAGES
from playwright.sync_api import Browser, Page, expect

Look = Callable[..., Page]
# What each tab shows when it has loaded.
TABS = {
    "now": "[data-component=kafka]",
    "open": "[data-interface=Grafana]",
    "cost": "[data-month]",
    "scale": "text=Limits ahead",
    "slos": "text=metrics collection",
    "releases": "text=Difference",
    "act": "text=Start a run",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_every_tab_shows_and_has_no_serious_accessibility_issue(look: Look, tab: str, theme: str) -> None:
    page = look(tab, color_scheme=theme)
    expect(page.locator(TABS[tab]).first).to_be_visible()
    expect(page.get_by_role("tab", selected=True)).to_have_attribute("id", f"tab-{tab}")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert issues(page) == []
    IMAGES.mkdir(exist_ok=True)
    if theme == "light" or tab == "cost":
        suffix = "" if theme == "light" else "-dark"
        page.screenshot(path=IMAGES / f"page-{tab}{suffix}.png")


def test_the_address_names_platform_and_tab(look: Look) -> None:
    page = look("cost", platform="dev/us-east-1")
    expect(page.locator("[data-month]")).to_be_visible()
    page.get_by_label("Environment and region").select_option("staging/us-east-1")
    expect(page.get_by_text("No cost report yet.")).to_be_visible()
    assert page.url.endswith("?environment=staging&region=us-east-1#cost")
    page.reload()
    expect(page.get_by_text("No cost report yet.")).to_be_visible()


def test_an_address_that_names_nothing_known_falls_back(look: Look) -> None:
    page = look("no-such-tab", platform="nowhere/mars-1")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Now")
    page.wait_for_url("**?environment=dev&region=us-east-1#now")


def test_tabs_by_keyboard(look: Look) -> None:
    page = look("now")
    page.get_by_role("tab", selected=True).focus()
    for expected in ("Open", "Cost", "Scale", "SLOs", "Releases", "Act", "Now"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", selected=True)).to_have_text(expected)
        expect(page.get_by_role("tab", selected=True)).to_be_focused()


def test_commands_are_copied(look: Look) -> None:
    page = look("open", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the command for Grafana").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith("-n monitoring port-forward svc/grafana 4000:3000")


def test_the_theme_follows_airflow_while_it_changes(look: Look) -> None:
    page = look("now")
    expect(page.locator("[data-component=kafka]")).to_be_visible()
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("tab", TABS)
def test_it_fits_a_phone(look: Look, tab: str) -> None:
    page = look(tab, viewport={"width": 360, "height": 740})
    expect(page.locator(TABS[tab]).first).to_be_visible()
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if tab == "now":
        page.screenshot(path=IMAGES / "page-phone.png")


def test_a_late_report_says_so(look: Look) -> None:
    page = look("now", platform="staging/us-east-1")
    expect(page.get_by_text("report missing since")).to_be_visible()
    page.screenshot(path=IMAGES / "page-stale.png")


def test_no_report_says_who_writes_it(look: Look) -> None:
    page = look("scale", platform="staging/us-east-1")
    expect(page.get_by_text("No scale report yet.")).to_be_visible()
    assert "platform_nightly_scale" in page.inner_text("#panel")


def test_a_platform_that_does_not_exist_is_an_empty_page_and_no_error(look: Look) -> None:
    page = look("now", platform="prod/eu-west-1")
    expect(page.get_by_text("No health report yet.")).to_be_visible()
    expect(page.get_by_text("Releases are unknown")).to_be_visible()


@pytest.mark.parametrize("tab", ["now", "cost", "scale"])
def test_hostile_names_are_text(look: Look, tab: str) -> None:
    page = look(tab, platform="prod/us-east-1")
    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("#page img, #page script").count() == 0


def test_no_other_site_may_frame_it(browser: Browser, site: dict[str, Any]) -> None:
    document = f'<title>elsewhere</title><iframe src="{site["url"]}"></iframe>'.encode()

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
            page.goto(f"http://127.0.0.1:{server.server_port}/")
        assert page.frames[1].url.startswith("chrome-error:")
        page.close()
        server.shutdown()


def test_loading_shows_its_shape_and_a_failure_says_so(look: Look) -> None:
    """The server is slow at first, then it breaks, then it answers again."""
    page = look("open")
    expect(page.locator("[data-interface=Grafana]")).to_be_visible()
    held: list[Any] = []
    page.route("**/api/dev/us-east-1/cost", lambda route: held.append(route))
    page.get_by_role("tab", name="Cost").click()
    expect(page.locator("[aria-busy=true] .skeleton").first).to_be_visible()
    expect(page.get_by_text("Loading The cost of the platform")).to_be_attached()
    held[0].fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")
    expect(page.get_by_text("The cost of the platform could not be read.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("HTTP 502")
    assert issues(page) == []
    page.unroute("**/api/dev/us-east-1/cost")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-month]")).to_be_visible()


def test_what_was_read_stays_when_reading_it_again_fails(look: Look, site: dict[str, Any]) -> None:
    page = look("open")
    expect(page.locator("[data-interface=Grafana]")).to_be_visible()

    def late(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "problem": "S3 is away"})

    page.route("**/api/dev/us-east-1/scale", late)
    page.get_by_role("tab", name="Scale").click()
    expect(page.get_by_text("reading it again failed: S3 is away")).to_be_visible()
    expect(page.get_by_text("Limits ahead")).to_be_visible()


def test_who_may_not_read_a_report_is_told_why(look: Look) -> None:
    page = look("open")
    expect(page.locator("[data-interface=Grafana]")).to_be_visible()
    page.route("**/api/dev/us-east-1/cost", lambda route: route.fulfill(status=403, json={"detail": "Forbidden"}))
    page.get_by_role("tab", name="Cost").click()
    expect(page.get_by_text("You may not see The cost of the platform")).to_be_visible()


def test_load_balancers_have_addresses(look: Look) -> None:
    page = look("open")
    expect(page.get_by_text("https://k8s-public-0d51e7aa.elb.us-east-1.amazonaws.com")).to_be_visible()
    expect(page.get_by_text("Ingress apps/maze-public")).to_be_visible()


def test_objectives_have_all_their_numbers(look: Look) -> None:
    page = look("slos")
    row = page.get_by_role("row", name="maze: requests succeed")
    expect(row).to_contain_text("99.5 %, 30 days")
    expect(row).to_contain_text("-20.0 %")
    expect(row).to_contain_text("10.0")
    expect(row).to_contain_text("critical")


def test_dialogs_by_keyboard(look: Look) -> None:
    params = {"environment": {"value": "dev", "schema": {"type": "string", "enum": ["dev", "staging", "prod"]}}}
    page = look("act", answers={"dags/platform_deploy/details": {"params": params, "is_paused": True}})
    button = page.get_by_role("button", name="Plan…", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_text("The DAG is paused")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_airflows_refusal_is_told(look: Look) -> None:
    params = {"environment": {"value": "dev", "schema": {"type": "string", "enum": ["dev", "staging", "prod"]}}}
    page = look("act", answers={"dags/platform_teardown/details": {"params": params, "is_paused": False}})
    page.route("**/dagRuns", lambda route: route.fulfill(status=403, json={"detail": "Forbidden"}))
    page.get_by_role("button", name="Teardown…", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    expect(page.get_by_text("Airflow says that you may not trigger this DAG.")).to_be_visible()


def test_nobody_is_told_to_sign_in(look: Look) -> None:
    page = look("now", role=None)
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_a_viewer_sees_everything_and_may_start_nothing(look: Look) -> None:
    page = look("act", role="viewer")
    expect(page.locator("[data-viewer]")).to_be_visible()
    page.get_by_role("tab", name="Releases").click()
    expect(page.get_by_role("heading", name="Difference")).to_be_visible()
    assert page.get_by_role("button", name="Roll").count() == 0


def test_two_releases_are_compared_and_the_way_back_is_prefilled(look: Look) -> None:
    sent: list[dict[str, Any]] = []

    def runs(request: Any) -> dict[str, Any]:
        sent.append(json.loads(request.post_data))
        return {"dag_run_id": "manual__1"}

    params = {
        "environment": {"value": "staging", "schema": {"type": "string", "enum": ["dev", "staging", "prod"]}},
        "region": {"value": None, "schema": {"type": ["null", "string"]}},
        "components": {"value": None, "schema": {"type": ["null", "array"], "items": {"type": "string"}}},
        "release": {"value": None, "schema": {"type": ["null", "integer"]}},
        "plan_only": {"value": False, "schema": {"type": "boolean"}},
    }
    page = look(
        "releases",
        answers={
            "dags/platform_rollback/details": {"params": params, "is_paused": False},
            "dags/platform_rollback/dagRuns": runs,
        },
    )
    page.get_by_label("Component").select_option("kafka")
    expect(page.locator("[data-difference]")).to_contain_text("apache/kafka:4.3.0")
    page.get_by_role("button", name="Roll kafka back to release 1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("release")).to_have_value("1")
    assert issues(page) == []
    page.screenshot(path=IMAGES / "page-trigger.png")
    dialog.get_by_role("button", name="Trigger").click()
    expect(dialog.get_by_text("Started:")).to_be_visible()
    assert sent == [
        {
            "logical_date": None,
            "conf": {
                "environment": "dev",
                "region": "us-east-1",
                "components": ["kafka"],
                "release": 1,
                "plan_only": False,
            },
        }
    ]


def test_a_run_in_progress_is_followed_without_reloading(look: Look) -> None:
    """With Airflow's answers played back: no scheduler runs here."""
    now = datetime.now(UTC)
    state = {"done": 3}
    conf = {"environment": "dev", "region": "us-east-1"}
    run = {
        "dag_id": "platform_deploy", "dag_run_id": "manual__now", "state": "running", "conf": conf,
        "run_after": now.isoformat(), "start_date": (now - timedelta(minutes=4)).isoformat(), "end_date": None,
    }  # fmt: skip
    old = {**run, "dag_run_id": "manual__old", "state": "success", "end_date": (now + timedelta(minutes=5)).isoformat()}
    names = ["preflight", "infrastructure.network", "infrastructure.gate", "base_services.prometheus.deploy",
             "base_services.gate", "data_layer.kafka.deploy", "data_layer.gate"]  # fmt: skip

    def tasks(_: Any) -> dict[str, Any]:
        def one(index: int, name: str) -> dict[str, Any]:
            word = "success" if index < state["done"] else "deferred" if index == state["done"] else None
            return {"task_id": name, "state": word, "start_date": now.isoformat(), "end_date": None}

        return {"task_instances": [one(*entry) for entry in enumerate(names)], "total_entries": len(names)}

    def runs(request: Any) -> dict[str, Any]:
        if "state=success" in request.url:
            return {"dag_runs": [old], "total_entries": 1}
        return {"dag_runs": [run] if state["done"] < len(names) else [], "total_entries": 1}

    page = look(
        "now",
        answers={
            "dags/platform_deploy/dagRuns/manual__now/taskInstances": tasks,
            "dags/platform_deploy/dagRuns/manual__old/taskInstances": {"task_instances": [], "total_entries": 0},
            "dags/platform_deploy/dagRuns/manual__now": {**run, "state": "success"},
            "dags/platform_deploy/dagRuns?": runs,
        },
    )
    card = page.locator("[data-run=manual__now]")
    expect(card).to_contain_text("3 of 7 tasks done")
    expect(card).to_contain_text("usually 9 min (median of 1)")
    expect(card).to_contain_text("base services / prometheus / deploy")
    page.screenshot(path=IMAGES / "page-running.png")
    state["done"] = 5
    expect(card).to_contain_text("5 of 7 tasks done")
    state["done"] = 7
    expect(page.locator("[data-run=none]")).to_contain_text("ended: success")
