"""What is remembered of a rendered folder: by its contents, and only where nobody else can write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from slipway.catalog import rendered


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def counted() -> tuple[list[int], object]:
    calls: list[int] = []

    def make() -> list[dict[str, object]]:
        calls.append(1)
        return [{"kind": "ConfigMap"}]

    return calls, make


def test_second_process_does_not_render(scratch: Path) -> None:
    calls, make = counted()
    assert rendered.remembered("key", make) == rendered.remembered("key", make) == [{"kind": "ConfigMap"}]
    assert len(calls) == 1


def test_broken_file_is_made_anew(scratch: Path) -> None:
    calls, make = counted()
    rendered.remembered("key", make)
    next(scratch.glob("*/key.json")).write_text("{")
    assert rendered.remembered("key", make) == [{"kind": "ConfigMap"}]
    assert len(calls) == 2


def test_folder_others_may_write_is_not_trusted(scratch: Path) -> None:
    calls, make = counted()
    rendered.remembered("key", make)
    next(scratch.iterdir()).chmod(0o777)
    rendered.remembered("key", make)
    assert len(calls) == 2


def test_edit_rename_and_new_file_change_the_contents(tmp_path: Path) -> None:
    folder = tmp_path / "component"
    folder.mkdir()
    (folder / "a").write_text("1")
    seen = {rendered.contents(folder)}
    (folder / "a").write_text("2")
    seen.add(rendered.contents(folder))
    (folder / "a").rename(folder / "b")
    seen.add(rendered.contents(folder))
    (folder / "c").write_text("")
    seen.add(rendered.contents(folder))
    assert len(seen) == 4


def test_oldest_are_forgotten(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered, "MOST_FILES", 3)
    _, make = counted()
    for key in "abcdef":
        rendered.remembered(key, make)
    assert len(list(scratch.glob("*/*.json"))) == 3
