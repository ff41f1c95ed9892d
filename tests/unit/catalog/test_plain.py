"""The quick reader says what the careful one says, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from slipway.catalog import plain
from slipway.catalog.documents import _plain
from slipway.catalog.paths import include_dir

FILES = sorted([*include_dir().glob("environments/*.yaml"), *include_dir().glob("manifests/*/*/component.yaml")])

_MARKS = r"""a b : :_ -_ [ ] { } , ' " # &a_ *a !!str_ ? @ ` << = --- ... _ é"""
_SCALARS = """~ null yes on True 0 -1 +1 007 0x1F 0o7 1_000 1:30 1e3 1. .5 .inf 1.36 15m 30d 10.0.0.0/16 2026-01-01"""
_BREAKS = ["\n", "\n  ", "|\n", ">\n", "%YAML 1.1\n", "\t", "\x85"]
_PIECES = st.sampled_from([*(mark.replace("_", " ") for mark in _MARKS.split()), *_SCALARS.split(), *_BREAKS])


def carefully(text: str) -> Any:
    """What the careful parser makes of a text."""
    return _plain(YAML(typ="rt").load(text))


def same(quick: Any, careful: Any) -> bool:
    """Equal in value and type, all the way down."""
    if type(quick) is not type(careful):
        return False
    if isinstance(quick, dict):
        return list(quick) == list(careful) and all(same(quick[key], careful[key]) for key in quick)
    if isinstance(quick, list):
        return len(quick) == len(careful) and all(map(same, quick, careful))
    return bool(quick == careful)


@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=20).map("a: ".__add__))
@example("a: 1\na: 2")
@example("a: &x [1]\nb: *x")
@example("a: &x [1]\nb: &y [*x, *x]\nc: [*y, *y]")
@example("a: &x {b: 1}\nc:\n  <<: *x")
@example("a: 1\n---\nb: 2")
def test_agrees_or_is_unsure(text: str) -> None:
    quick = plain.read(text)
    if quick is not plain.UNSURE:
        try:
            careful = carefully(text)
        except YAMLError as error:
            pytest.fail(f"{text!r} was read as {quick!r}, and is refused: {error}")
        assert same(quick, careful), text


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_projects_own_files_are_read_quickly(file: Path) -> None:
    text = file.read_text()
    quick = plain.read(text)
    assert quick is not plain.UNSURE, f"{file} would be read slowly"
    assert same(quick, carefully(text))


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_deep_nesting_is_left_to_the_careful_parser(opening: str) -> None:
    assert plain.read(opening * 20_000) is plain.UNSURE
