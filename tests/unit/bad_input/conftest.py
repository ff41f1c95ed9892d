"""Broken configuration is judged where no call can be made."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog import paths

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects anywhere has made a call."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a call was made before the configuration was found to be in order")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty include folder."""
    folder = tmp_path / "include"
    (folder / "environments").mkdir(parents=True)
    (folder / "manifests" / "data-layer").mkdir(parents=True)
    monkeypatch.setenv(paths.VARIABLE, str(folder))
    paths.include_dir.cache_clear()
    yield folder
    paths.include_dir.cache_clear()


def place_component(include: Path, file: Path, name: str = "thing") -> Path:
    """Put a component.yaml into a folder of its own."""
    folder = include / "manifests" / "data-layer" / name
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text("resources: []\n")
    shutil.copy(file, folder / "component.yaml")
    return folder
