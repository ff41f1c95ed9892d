"""Certificates of webhooks: a client that trusts exactly one of them can talk to its server, and they renew in time."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slipway.hooks.certificates import CA_ANNOTATION, RENEWED_BEFORE, VALID, new_pair, serves, trusting

NAMES = ["webhook.controllers.svc", "webhook.controllers.svc.cluster.local"]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_client_that_trusts_it_alone_can_talk_to_its_server(tmp_path: Path) -> None:
    pair = new_pair(NAMES, datetime.now(UTC))
    file = tmp_path / "pair.pem"
    file.write_text(pair)
    webhook = {
        "metadata": {"annotations": {CA_ANNOTATION: "webhook/pair.pem"}},
        "webhooks": [{"name": "a", "clientConfig": {"service": {"name": "webhook"}}}],
    }
    (given,) = trusting([webhook], {"webhook": {"pair.pem": pair}})
    bundle = base64.b64decode(given["webhooks"][0]["clientConfig"]["caBundle"]).decode()
    assert "PRIVATE KEY" not in bundle
    assert given["webhooks"][0]["clientConfig"]["service"] == {"name": "webhook"}

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)  # one file for both, as the controller reads it
    client = ssl.create_default_context(cadata=bundle)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=_answer, args=(listening, server))
        answering.start()
        with (
            socket.create_connection(listening.getsockname(), timeout=10) as plain,
            client.wrap_socket(plain, server_hostname=NAMES[0]) as secured,
        ):
            assert secured.recv(2) == b"ok"
        answering.join(timeout=10)


def _answer(listening: socket.socket, context: ssl.SSLContext) -> None:
    with listening.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as secured:
        secured.sendall(b"ok")


def test_it_is_kept_until_it_is_about_to_end_or_its_names_change() -> None:
    pair = new_pair(NAMES, NOW)
    assert serves(pair, NAMES, NOW)
    assert serves(pair, list(reversed(NAMES)), NOW + VALID - RENEWED_BEFORE - timedelta(days=1))
    assert not serves(pair, NAMES, NOW + VALID - RENEWED_BEFORE + timedelta(days=1))
    assert not serves(pair, NAMES[:1], NOW)
    assert not serves(None, NAMES, NOW)
    assert not serves("-----BEGIN CERTIFICATE-----\nbroken", NAMES, NOW)


def test_a_webhook_whose_secret_is_not_known_stays_as_it_is() -> None:
    webhook = {"metadata": {"annotations": {CA_ANNOTATION: "webhook/pair.pem"}}, "webhooks": []}
    other = {"metadata": {}, "webhooks": []}
    assert trusting([webhook, other], {"webhook": {}}) == [webhook, other]
