"""Reads YAML of the everyday kind quickly, and says so when a document is of another kind.

libyaml's event parser is some fifty times as fast as one that keeps line numbers, but follows YAML 1.1, where ``no``
is a boolean and ``1:30`` a number. So only what means the same in both versions is taken here; for anything else the
answer is :data:`UNSURE`, and the careful parser has the word. Events rather than nodes: composing nodes recurses in C,
and a deeply nested file would end the process.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import yaml

UNSURE: Any = object()
MAX_DEPTH = 40
MAX_ALIASES = 20
_WORDS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
# What some version of YAML may take for a number, a date, a merge key or a default value.
_DOUBTFUL = re.compile(
    r"[-+.]?[0-9][-+.0-9_:eE]*|[-+.]{1,2}|[-+]?\.[a-zA-Z]{3}|[-+]?0[xXoObB].*|[0-9]{4}-[0-9].*|<<|=",
    re.DOTALL,
)
# Line breaks in YAML 1.1 only; a byte order mark; tabs, which the parsers tell apart differently.
_DOUBTFUL_CHARACTERS = re.compile("[\x85\u2028\u2029\ufeff\t]")


class _UnsureError(Exception):
    pass


def read(text: str) -> Any:
    """Value of a document, or :data:`UNSURE`: it is broken, unusual, or repeats a key."""
    if _DOUBTFUL_CHARACTERS.search(text):
        return UNSURE
    try:
        return _build(text)
    except (_UnsureError, yaml.YAMLError, ValueError):
        return UNSURE


def _build(text: str) -> Any:
    builder = _Builder()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        builder.take(event)
    if len(builder.root) != 1:
        raise _UnsureError
    return builder.root[0]


class _Builder:
    """Puts the value of a document together, event by event."""

    def __init__(self) -> None:
        self.root: list[Any] = []
        # Open collections with the key that waits for its value; UNSURE where none does.
        self._open: list[tuple[Any, Any]] = [(self.root, UNSURE)]
        # For each open collection, whether an alias may repeat it or one around it.
        self._repeatable = [False]
        self._anchored: dict[str, Any] = {}
        self._aliases = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(_scalar(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._repeatable.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._repeat(event)
        elif isinstance(event, yaml.DocumentStartEvent) and (self.root or event.version or event.tags):
            raise _UnsureError

    def _begin(self, event: Any) -> None:
        if event.tag or event.anchor in self._anchored or len(self._open) > MAX_DEPTH:
            raise _UnsureError
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor:
            self._anchored[event.anchor] = value
        self._add(value)
        self._open.append((value, UNSURE))
        self._repeatable.append(self._repeatable[-1] or event.anchor is not None)

    def _repeat(self, event: Any) -> None:
        self._aliases += 1
        # What an alias repeats holds no alias itself, so nothing grows out of hand.
        if self._repeatable[-1] or self._aliases > MAX_ALIASES or event.anchor not in self._anchored:
            raise _UnsureError
        self._add(copy.deepcopy(self._anchored[event.anchor]))

    def _add(self, value: Any) -> None:
        where, key = self._open[-1]
        if isinstance(where, list):
            where.append(value)
        elif key is UNSURE:
            if not isinstance(value, str) or value in where:
                raise _UnsureError
            self._open[-1] = (where, value)
        else:
            where[key] = value
            self._open[-1] = (where, UNSURE)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.anchor or event.tag:
        raise _UnsureError
    if not event.implicit[0]:
        return text  # quoted, or a block
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _DOUBTFUL.fullmatch(text):
        raise _UnsureError
    return text
