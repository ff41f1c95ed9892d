"""Reads one YAML file into one model, and turns everything that can be wrong into problems that name file and line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from slipway.catalog import plain
from slipway.model.errors import ConfigurationError, Problem

# Generous for anything a person writes; a file beyond them is a mistake or an attack.
MAX_BYTES = 256 * 1024
MAX_ALIASES = 20
MAX_DEPTH = 40
# What aliases of aliases may grow to. The largest file of ours has some three thousand.
MAX_NODES = 50_000
# Of these, only line breaks and tabs belong in text; the others end up in commands, names and terminals.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


def load_document(path: Path, model: type[Model], shown: str) -> Model:
    """Read ``path`` into ``model``.

    :param shown: the file's name in messages, relative to the project.
    :raises ConfigurationError: the file is missing, too large, not YAML, has duplicate keys, expands too many aliases,
        or does not fit the model. All problems of the model are reported at once.
    """
    text = _text(path, shown)
    value = plain.read(text)
    if isinstance(value, dict) and not any(True for _ in _unfit(value)):
        try:
            return model.model_validate(value)
        except ValidationError:
            pass  # explained below, with line numbers
    document = _parse(text, shown)
    found = _plain(document, shown)
    unfit = [
        Problem(f"{shown}:{_line(document, location)}", _dotted(location), what, allowed, "correct the value")
        for location, what, allowed in _unfit(found)
    ]
    if unfit:
        raise ConfigurationError(unfit)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        problems = [_explain(detail, document, model, shown) for detail in error.errors(include_url=False)]
        raise ConfigurationError(problems) from None


def _refusal(shown: str, found: str, allowed: str, mend: str, line: int | None = None) -> ConfigurationError:
    where = f"{shown}:{line}" if line else shown
    return ConfigurationError([Problem(where, "", found, allowed, mend)])


def _text(path: Path, shown: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise _refusal(shown, "no such file", "an existing file", f"create {shown} or correct its name") from None
    except OSError as error:
        mend = "make it a file that the user of Airflow may read"
        raise _refusal(shown, error.strerror or str(error), "a readable file", mend) from None
    if len(raw) > MAX_BYTES:
        raise _refusal(shown, f"{len(raw)} bytes", f"at most {MAX_BYTES} bytes", "split or shorten the file")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _refusal(shown, f"byte {error.start} is not UTF-8", "UTF-8 text", "save the file as UTF-8") from None


def _parse(text: str, shown: str) -> CommentedMap:
    refuse = partial(_refusal, shown)
    yaml = YAML(typ="rt")
    try:
        # Counted before anything is built: nested aliases grow exponentially when expanded.
        aliases = sum(isinstance(event, AliasEvent) for event in yaml.parse(text))
        if aliases > MAX_ALIASES:
            raise refuse(f"{aliases} YAML aliases", f"at most {MAX_ALIASES}", "write the values out")
        document = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        what = (error.problem or "a duplicate key").splitlines()[0]
        raise refuse(what, "each key once", "remove one of the two", line) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise refuse(error.problem or "broken YAML", "YAML", "correct the syntax at that line", line) from None
    except ConfigurationError:
        raise
    except (YAMLError, ValueError) as error:
        raise refuse((str(error) or "broken YAML").splitlines()[0], "YAML", "correct the syntax") from None
    except Exception as error:  # what a parser trips over is broken, whatever it says of it
        found = f"something that no YAML parser takes ({type(error).__name__})"
        mend = "write aliases, merge keys and nesting out"
        raise refuse(found, "plain YAML", mend) from None
    if not isinstance(document, CommentedMap):
        raise refuse(f"a {type(document).__name__}", "a mapping of fields", "start the file with `name: ...`")
    return document


def _plain(document: Any, shown: str = "") -> Any:
    return _Plain(shown).of(document)


class _Plain:
    """Strips ruamel's wrappers, so that the model sees ordinary values."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._nodes = 0

    def of(self, node: Any, depth: int = 0) -> Any:
        """A node and all below it; an alias becomes a copy of what it stands for.

        :raises ConfigurationError: nested too deep, grown too large, or of a type that only YAML has.
        """
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise _refusal(self._shown, f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}", "nest less deeply")
        if self._nodes > MAX_NODES:
            found = f"more than {MAX_NODES} values once its aliases are written out"
            raise _refusal(self._shown, found, f"at most {MAX_NODES}", "repeat less")
        if isinstance(node, CommentedMap):
            return {self._key(key): self.of(value, depth + 1) for key, value in node.items()}
        if isinstance(node, CommentedSeq):
            return [self.of(value, depth + 1) for value in node]
        if isinstance(node, TaggedScalar):
            return self._foreign(node, f"the tag {node.tag.value}")
        if isinstance(node, bool) or node is None:
            return node
        for kind in (str, int, float):
            if isinstance(node, kind):
                return kind(node)
        if isinstance(node, date):
            # As it was written: what wants a date reads it from text, and text stays text.
            return node.isoformat()
        return self._foreign(node, f"a {type(node).__name__}")

    def _key(self, key: Any) -> str:
        if isinstance(key, str | int | float):
            return str(key)
        return self._foreign(key, f"a {type(key).__name__} as a key")

    def _foreign(self, node: Any, what: str) -> NoReturn:
        mark = getattr(node, "lc", None)
        line = mark.line + 1 if mark is not None and getattr(mark, "line", None) is not None else None
        allowed = "text, numbers, dates, true, false, lists and mappings"
        raise _refusal(self._shown, f"{what}: {_shorten(node)}", allowed, "write it as text, in quotes", line)


def _unfit(node: Any, location: Location = ()) -> Iterator[tuple[Location, str, str]]:
    """Text with control characters in it, which no field of ours has a use for."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, str) and _CONTROL.search(key):
                yield (*location, key), f"the key {_shorten(key)}", "text without control characters"
            yield from _unfit(value, (*location, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _unfit(value, (*location, index))
    elif isinstance(node, str) and _CONTROL.search(node):
        yield location, _shorten(node), "text without control characters"


def _explain(detail: Any, document: CommentedMap, model: type[BaseModel], shown: str) -> Problem:
    location: Location = tuple(detail["loc"])
    found = _shorten(detail.get("input"))
    kind = detail["type"]
    field = _dotted(location)
    where = f"{shown}:{_line(document, location)}"
    if kind == "extra_forbidden":
        known = _fields_at(model, location[:-1]) or ["no keys"]
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        mend = f"did you mean {close[0]}?" if close else "remove it, or correct its name"
        return Problem(where, field, f"unknown key {location[-1]!r}", ", ".join(known), mend)
    if kind == "missing":
        return Problem(where, field, "nothing", "a value; the field is required", f"add `{location[-1]}: ...`")
    message = detail["msg"].removeprefix("Value error, ")
    mend = "correct the value" if field else "see the message"
    if kind == "value_error" and isinstance(detail.get("input"), dict):
        # A rule over several fields: quoting the whole mapping back would bury the message.
        return Problem(where, field, message, "see the rule", "correct the named fields")
    return Problem(where, field, found, message, mend)


def _line(document: CommentedMap, location: Location) -> int:
    """Line of the deepest part of the location that the file has."""
    node: Any = document
    line = 1
    for part in location:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def _fields_at(model: type[BaseModel], location: Location) -> Sequence[str]:
    """Names that the model knows at a location, looking through lists, mappings and unions."""
    current: Any = model
    for part in location:
        current = _step(current, part)
    return [name for one in _alternatives(current) if _is_model(one) for name in one.model_fields]


def _step(annotation: Any, part: int | str) -> Any:
    """What lies at one part of a location: a field of a model, or an item of a list or mapping."""
    for one in _alternatives(annotation):
        if _is_model(one):
            info = one.model_fields.get(str(part))
            if info is not None:
                return info.annotation
        elif get_origin(one) in (list, dict):
            return get_args(one)[-1]
    return None


def _alternatives(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            yield from _alternatives(one)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _shorten(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
