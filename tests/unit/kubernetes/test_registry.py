"""Digests from a registry on this machine that hands out tokens as public ones do; and what is made of its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from slipway import image_digests
from slipway.catalog.paths import manifests_dir
from slipway.catalog.pins import by_digest, load_pins
from slipway.decisions.image_pins import PinState, summary
from slipway.hooks.registry import RegistryHook, Served, locate
from slipway.model.images import Pin, Pins

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Registry(ThreadingHTTPServer):
    """A registry with one repository, ``team/app``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.manifests = {"1.0": OLD, OLD: OLD}
        self.tokens_given = 0
        self.anonymous = False

    @property
    def host(self) -> str:
        """Host and port, as they stand in a reference."""
        return f"127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """The few requests that a client makes for a digest."""

    server: Registry

    def do_GET(self) -> None:
        """Give a token to whoever asks for pulling."""
        asked = parse_qs(urlsplit(self.path).query)
        assert asked["scope"] == ["repository:team/app:pull"]
        self.server.tokens_given += 1
        body = json.dumps({"token": "for-everyone"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Answer for a manifest, by tag or digest, to who has a token."""
        assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
        if not self.server.anonymous and self.headers.get("Authorization") != "Bearer for-everyone":
            self.send_response(401)
            realm = f'realm="http://{self.server.host}/token",service="fake",scope="repository:team/app:pull"'
            self.send_header("WWW-Authenticate", f"Bearer {realm}")
            self.end_headers()
            return
        digest = self.server.manifests.get(self.path.rpartition("/")[2])
        self.send_response(200 if digest else 404)
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


def hook_for(registry: Registry) -> RegistryHook:
    return RegistryHook({registry.host: "http"})


def test_a_tag_leads_to_a_digest_with_the_token_that_was_asked_for(registry: Registry) -> None:
    hook = hook_for(registry)
    image = f"{registry.host}/team/app:1.0"
    assert hook.digest_of(image).digest == OLD
    assert hook.digest_of(f"{registry.host}/team/app@{OLD}").served is Served.YES
    assert registry.tokens_given == 1, "a token is used again"
    gone = hook.digest_of(f"{registry.host}/team/app:2.0")
    assert (gone.served, gone.digest) == (Served.NO, "")


def test_what_cannot_be_asked_is_unknown_and_never_gone() -> None:
    answer = RegistryHook({"127.0.0.1:9": "http"}).digest_of("127.0.0.1:9/team/app:1.0")
    assert answer.served is Served.UNKNOWN
    assert "127.0.0.1:9 cannot be reached" in answer.reason


@pytest.mark.parametrize(
    ("name", "host", "repository"),
    [
        ("mongo", "registry-1.docker.io", "library/mongo"),
        ("apache/kafka", "registry-1.docker.io", "apache/kafka"),
        ("docker.io/apache/kafka", "registry-1.docker.io", "apache/kafka"),
        ("quay.io/prometheus/prometheus", "quay.io", "prometheus/prometheus"),
        ("localhost:5000/a/b", "localhost:5000", "a/b"),
    ],
)
def test_names_lead_to_registries(name: str, host: str, repository: str) -> None:
    assert locate(name) == (host, repository)


def test_every_state_is_told_apart(registry: Registry) -> None:
    current, moved, gone, unpinned = (f"{registry.host}/team/app:{tag}" for tag in ("1.0", "1.1", "1.2", "1.3"))
    lost = "127.0.0.1:9/team/app:1.0"
    registry.manifests |= {"1.1": NEW, NEW: NEW, "1.3": NEW}
    today = date(2026, 11, 22)
    nowhere = "sha256:" + "c" * 64
    pins = Pins(
        pins={
            current: Pin(digest=OLD, found=today, seen=2),
            moved: Pin(digest=OLD, found=today),
            gone: Pin(digest=nowhere, found=today),
            lost: Pin(digest=OLD, found=today),
        },
        unpinned={unpinned: "not known"},
    )
    hook = RegistryHook({registry.host: "http", "127.0.0.1:9": "http"})
    verdicts = {one.image: one for one in image_digests.ask([current, moved, gone, unpinned, lost], pins, hook)}
    states = {image: verdict.state for image, verdict in verdicts.items()}
    assert states == {
        current: PinState.CURRENT,
        moved: PinState.MOVED,
        gone: PinState.GONE,
        unpinned: PinState.UNPINNED,
        lost: PinState.UNKNOWN,
    }
    assert summary(verdicts.values()) == {"current": 1, "moved": 1, "gone": 1, "unpinned": 1, "unknown": 1}

    kept = image_digests.updated(pins, verdicts.values(), date(2026, 12, 1), move=False)
    assert kept.pins[current] == Pin(digest=OLD, found=date(2026, 12, 1)), "confirmed by its registry"
    assert kept.pins[moved].digest == OLD
    assert kept.pins[gone].digest == nowhere
    assert kept.pins[unpinned].digest == NEW
    assert kept.unpinned == {}
    followed = image_digests.updated(pins, verdicts.values(), date(2026, 12, 1), move=True)
    assert followed.pins[moved].digest == NEW


def test_the_list_is_written_as_it_is_read(tmp_path: Path) -> None:
    pins = load_pins()
    before = (manifests_dir() / "images.yaml").read_text()
    file = tmp_path / "images.yaml"
    file.write_text(image_digests.text_of(pins, before))
    assert load_pins(tmp_path) == pins
    assert file.read_text().startswith("# Digests of the images")


def test_every_image_has_a_digest_or_a_reason() -> None:
    pins = load_pins()
    assert set(pins.pins) & set(pins.unpinned) == set()
    missing = sorted(set(image_digests.tagged_images()) - set(pins.pins) - set(pins.unpinned))
    assert not missing, f"add to include/manifests/images.yaml, with a digest or under unpinned: {missing}"


def test_a_pin_goes_behind_the_tag_and_only_once() -> None:
    pins = Pins(pins={"a/b:1.0": Pin(digest=OLD, found=date(2026, 11, 22))})
    assert by_digest("a/b:1.0", pins) == f"a/b:1.0@{OLD}"
    assert by_digest(f"a/b:1.0@{NEW}", pins) == f"a/b:1.0@{NEW}"
    assert by_digest("a/b:1.1", pins) == "a/b:1.1"
