"""Plain PromQL selectors: a name and label matchers. Everything else is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*")
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*')


class QueryError(ValueError):
    """A query that is not answered.

    :param kind: Prometheus' ``errorType``: ``bad_data`` for what cannot be read, ``execution`` for what the rehearsal
        does not compute.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Selector:
    """A parsed selector."""

    tests: tuple[tuple[str, Callable[[str], bool]], ...]

    def picks(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series of that name with those labels is meant; an absent label counts as empty."""
        return all(test(name if label == "__name__" else labels.get(label, "")) for label, test in self.tests)


def parse(query: str) -> Selector:
    """Read a selector.

    :raises QueryError: it is no selector, or an expression that only a real Prometheus computes.
    """
    head = _NAME.match(query)
    name, rest = (head[1] or "", query[head.end() :]) if head else ("", query)
    tests = [("__name__", _test("=", name))] if name else []
    if rest.startswith("{"):
        inside, rest = _matchers(query, rest[1:])
        tests += inside
    if rest.strip():
        raise QueryError("execution", f"the rehearsal's Prometheus answers plain selectors only, not {query!r}")
    if not tests:
        raise QueryError("bad_data", f'invalid parameter "query": 1:1: parse error: no expression found in {query!r}')
    return Selector(tuple(tests))


def _matchers(query: str, text: str) -> tuple[list[tuple[str, Callable[[str], bool]]], str]:
    found = []
    while not text.lstrip().startswith("}"):
        match = _MATCHER.match(text)
        if match is None:
            raise QueryError(
                "bad_data", f'invalid parameter "query": parse error: unexpected {text[:20]!r} in {query!r}'
            )
        found.append((match[1], _test(match[2], json.loads(match[3]))))
        text = text[match.end() :]
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith("}"):
            raise QueryError(
                "bad_data", f'invalid parameter "query": parse error: unexpected {text[:20]!r} in {query!r}'
            )
    return found, text.lstrip()[1:]


def _test(operator: str, wanted: str) -> Callable[[str], bool]:
    if operator in {"=~", "!~"}:
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise QueryError("bad_data", f'invalid parameter "query": parse error: {error}') from error
        return lambda value: (pattern.fullmatch(value) is not None) == (operator == "=~")
    return lambda value: (value == wanted) == (operator == "=")
