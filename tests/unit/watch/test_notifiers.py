"""Messages as they arrive: a real SMTP server with TLS, and servers that accept what Slack and PagerDuty would.

The servers refuse what the services' documents say is refused; the clients are the providers' own, over TLS, with
nothing replaced but the address.
"""

from __future__ import annotations

import email
import email.policy
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from slipway.decisions.telling import Message, MessageKind
from slipway.hooks.notifiers import send
from slipway.model.health import Verdict
from slipway.model.policies import Channel

from rehearsal.kubernetes.certificates import issue

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
TEXT = "slipway-dev (us-east-1) is Degraded.\n- crash-loop: apps/maze: exit <1> & again"


def message(channel: Channel, kind: MessageKind = MessageKind.WORSE, verdict: Verdict = Verdict.DEGRADED) -> Message:
    title = "slipway-dev (us-east-1) is Degraded"
    return Message(channel, kind, title, TEXT, verdict, "slipway-dev 20261122T120000")


@dataclass
class Trust:
    """A certificate for loopback that this process's clients trust."""

    context: ssl.SSLContext


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    made = issue("notifiers")
    authority, chain, key = tmp_path / "authority.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    authority.write_text(made.authority)
    chain.write_text(made.certificate)
    key.touch(mode=0o600)
    key.write_text(made.key)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    return Trust(context)


@dataclass
class Service:
    """An HTTPS server that judges each request as its service would.

    :param judge: from path, headers and body to status and answer.
    """

    judge: Callable[[str, Any, bytes], tuple[int, str]]
    context: ssl.SSLContext
    taken: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Service:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = outer.judge(self.path, self.headers, body)
                if status < 300:
                    outer.taken.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if answer.startswith("{") else "text/html")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def slack(path: str, headers: Any, body: bytes) -> tuple[int, str]:
    """An incoming webhook: JSON with ``text``, ``&<>`` escaped, 40,000 characters at most; the answer is ``ok``."""
    if not path.startswith("/services/T0/B0/"):
        return 404, "no_service"
    if not headers["Content-Type"].startswith("application/json"):
        return 400, "invalid_payload"
    found = json.loads(body)
    if set(found) != {"text"} or not found["text"] or len(found["text"]) > 40_000:
        return 400, "no_text"
    bare = found["text"].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    return (400, "invalid_payload") if set(bare) & set("&<>") else (200, "ok")


def pagerduty(path: str, headers: Any, body: bytes) -> tuple[int, str]:
    """Events API v2: https://developer.pagerduty.com/docs/send-alert-event."""
    found = json.loads(body)
    payload = found.get("payload") or {}
    errors = [
        problem
        for problem, wrong in {
            "path": path != "/v2/enqueue",
            "content type": headers["Content-Type"] != "application/json",
            "routing_key": len(found.get("routing_key", "")) != 32,
            "event_action": found.get("event_action") not in {"trigger", "acknowledge", "resolve"},
            "dedup_key": not 0 < len(found.get("dedup_key", "")) <= 255,
            "summary": not 0 < len(payload.get("summary", "")) <= 1024,
            "source": not payload.get("source"),
            "severity": payload.get("severity") not in {"critical", "error", "warning", "info"},
            "custom_details": not isinstance(payload.get("custom_details", {}), dict),
        }.items()
        if wrong
    ]
    if errors:
        return 400, json.dumps({"status": "invalid event", "errors": errors})
    return 202, json.dumps({"status": "success", "message": "Event processed", "dedup_key": found["dedup_key"]})


def test_slack(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(kind="slack", connection="slack_platform")
    with Service(slack, trust.context) as service:
        url = f"https://127.0.0.1:{service.port}/services"
        monkeypatch.setenv(
            "AIRFLOW_CONN_SLACK_PLATFORM",
            json.dumps({"conn_type": "slackwebhook", "host": url, "password": "T0/B0/secret"}),
        )
        send(message(channel), "us-east-1", {})
    (taken,) = service.taken
    assert taken["text"] == TEXT.replace("exit <1> & again", "exit &lt;1&gt; &amp; again")


def test_slack_refusal_is_an_error(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    with Service(slack, trust.context) as service:
        connection = {"conn_type": "slackwebhook", "password": f"https://127.0.0.1:{service.port}/services/gone"}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
        with pytest.raises(Exception, match="404"):
            send(message(Channel(kind="slack")), "us-east-1", {})


@pytest.fixture
def events(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    import pagerduty as client

    connection = {"conn_type": "pagerduty_events", "password": ROUTING_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT", json.dumps(connection))
    with Service(pagerduty, trust.context) as service:
        address = property(lambda _: f"https://127.0.0.1:{service.port}")
        monkeypatch.setattr(client.EventsApiV2Client, "default_base_url", address)
        yield service


def test_pagerduty_opens_and_resolves_one_incident(events: Service) -> None:
    channel = Channel(kind="pagerduty")
    send(message(channel, verdict=Verdict.DOWN), "us-east-1", {})
    send(message(channel, MessageKind.RECOVERED, Verdict.HEALTHY), "us-east-1", {})
    opened, resolved = events.taken
    assert (opened["event_action"], opened["payload"]["severity"]) == ("trigger", "critical")
    assert opened["payload"]["summary"] == "slipway-dev (us-east-1) is Degraded"
    assert opened["payload"]["custom_details"] == {"text": TEXT}
    assert resolved["event_action"] == "resolve"
    assert opened["dedup_key"] == resolved["dedup_key"] == "slipway-dev 20261122T120000"


def test_smtp(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    server = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed: SMTP is not tried here")
    smtp = pytest.importorskip("aiosmtpd.smtp")
    taken: list[Any] = []

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            taken.append((session.ssl is not None, session.auth_data, envelope))
            return "250 Message accepted for delivery"

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        right = (data.login, data.password) == (b"slipway", b"a secret")
        return smtp.AuthResult(success=right, auth_data=data.login)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    post = server.Controller(
        Mailbox(), hostname="127.0.0.1", port=port, ready_timeout=30, tls_context=trust.context, require_starttls=True,
        auth_required=True, authenticator=login,
    )  # fmt: skip
    post.start()
    try:
        connection = {
            "conn_type": "smtp", "host": "127.0.0.1", "port": port, "login": "slipway", "password": "a secret",
            "extra": {"disable_ssl": True, "from_email": "connection@example.com"},
        }  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        targets = "team@example.com, oncall@example.com"
        send(message(Channel(kind="smtp", target=targets, sender="slipway@example.com")), "us-east-1", {})
        send(message(Channel(kind="smtp", target="team@example.com")), "us-east-1", {})
    finally:
        post.stop()
    (encrypted, user, first), (_, _, second) = taken
    assert (encrypted, user) == (True, b"slipway")
    assert first.rcpt_tos == ["team@example.com", "oncall@example.com"]
    assert (first.mail_from, second.mail_from) == ("slipway@example.com", "connection@example.com")
    found = email.message_from_bytes(first.content, policy=email.policy.default)
    assert found["Subject"] == "slipway-dev (us-east-1) is Degraded"
    (page,) = [part for part in found.walk() if part.get_content_type() == "text/html"]
    assert "exit &lt;1&gt; &amp; again" in page.get_content()
