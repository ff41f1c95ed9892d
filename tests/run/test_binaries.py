"""Kubernetes' programs come from the first place that has them, and a download counts only when its sum is right."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rehearsal.controlplane import binaries_release
from rehearsal.controlplane.binaries import KUBERNETES_VERSION, VARIABLE, Binaries, BinaryError
from rehearsal.controlplane.binaries_release import Release

NAME = "kube-scheduler"
PROGRAM = b"#!/bin/sh\necho Kubernetes\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Go or any of the programs."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(binaries_release.platform, "system", lambda: "Linux")
    monkeypatch.setattr(binaries_release.platform, "machine", lambda: "x86_64")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The folder that a mirror serves."""
    folder = tmp_path / "mirror" / KUBERNETES_VERSION / "bin" / "linux" / "amd64"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(PROGRAM)
    (folder / f"{NAME}.sha256").write_text(hashlib.sha256(PROGRAM).hexdigest())
    return folder


@pytest.fixture
def release(published: Path) -> Iterator[Release]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(published.parents[3])))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Release(KUBERNETES_VERSION, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_official_release_is_downloaded_once_and_can_be_run(
    tmp_path: Path, release: Release, published: Path
) -> None:
    binaries = Binaries(tmp_path / "cache", release)
    binaries.require_possible([NAME])
    path = Path(binaries.path(NAME))
    assert path == tmp_path / "cache" / NAME
    assert path.read_bytes() == PROGRAM
    assert os.access(path, os.X_OK)
    (published / NAME).unlink()
    assert binaries.path(NAME) == str(path)


def test_what_is_not_what_was_published_is_not_kept(tmp_path: Path, release: Release, published: Path) -> None:
    (published / NAME).write_bytes(PROGRAM + b"# and more\n")
    with pytest.raises(BinaryError, match=r"has SHA-256 .*, not "):
        Binaries(tmp_path / "cache", release).path(NAME)
    assert not list((tmp_path / "cache").iterdir())


def test_a_pinned_sum_decides_over_the_published_one(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(binaries_release.PINNED, (KUBERNETES_VERSION, "amd64", NAME), "0" * 64)
    with pytest.raises(BinaryError, match="not 0000"):
        Binaries(tmp_path / "cache", release).path(NAME)


def test_a_folder_that_was_named_comes_first(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / NAME).touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert Binaries(tmp_path / "cache", release).path(NAME) == str(tmp_path / "mine" / NAME)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
def test_offline_and_without_go_it_says_how_to_get_them(tmp_path: Path, url: str) -> None:
    binaries = Binaries(tmp_path / "cache", Release(KUBERNETES_VERSION, url))
    for ask in (lambda: binaries.require_possible([NAME]), lambda: binaries.ensure([NAME])):
        with pytest.raises(BinaryError, match="KUBERNETES_BIN_DIR, or install Go"):
            ask()


def test_what_kubernetes_does_not_release_is_never_asked_for(release: Release) -> None:
    assert not release.has("etcd")
