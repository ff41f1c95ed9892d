"""Reads one YAML file into one model, and turns everything that can be wrong into problems that name file and line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from slipway.catalog import plain
from slipway.model.errors import ConfigurationError, Problem

# Generous for anything a person writes; a file beyond them is a mistake or an attack.
MAX_BYTES = 256 * 1024
MAX_ALIASES = 20

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
    if isinstance(value, dict):
        try:
            return model.model_validate(value)
        except ValidationError:
            pass  # explained below, with line numbers
    document = _parse(text, shown)
    try:
        return model.model_validate(_plain(document))
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
    except (YAMLError, RecursionError, ValueError) as error:
        raise refuse(str(error).splitlines()[0] or "broken YAML", "YAML", "correct the syntax") from None
    if not isinstance(document, CommentedMap):
        raise refuse(f"a {type(document).__name__}", "a mapping of fields", "start the file with `name: ...`")
    return document


def _plain(node: Any, depth: int = 0) -> Any:
    """Strip ruamel's wrappers, so that the model sees ordinary values."""
    if depth > 40:
        return "nested deeper than 40 levels"
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value, depth + 1) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value, depth + 1) for value in node]
    if isinstance(node, str):
        return str(node)
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    return float(node) if isinstance(node, float) else node


def _explain(detail: Any, document: CommentedMap, model: type[BaseModel], shown: str) -> Problem:
    location: Location = tuple(detail["loc"])
    found = _shorten(detail.get("input"))
    kind = detail["type"]
    field = _dotted(location)
    where = f"{shown}:{_line(document, location)}"
    if kind == "extra_forbidden":
        known = _fields_at(model, location[:-1])
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
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = current.model_fields.get(str(part))
            current = info.annotation if info else None
        current = _model_within(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _model_within(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _model_within(argument)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return annotation


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _shorten(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
