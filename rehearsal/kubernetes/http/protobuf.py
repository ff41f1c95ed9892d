"""Reading the protobuf bodies that kubectl's typed commands send, for the kinds of ``data/protobuf.yaml``.

Other kinds are answered with 415, as a server without protobuf does; answers are always JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from rehearsal.kubernetes.errors import bad_request, unsupported_media_type
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.resources import DATA

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@lru_cache(maxsize=1)
def _messages() -> dict[str, dict[int, list[Any]]]:
    loaded: dict[str, dict[int, list[Any]]] = yaml.safe_load((DATA / "protobuf.yaml").read_text())
    return loaded


def decode(raw: bytes) -> Obj:
    """The object in an envelope.

    :raises ApiError: 400 when it is malformed, 415 for a kind without a table.
    """
    if not raw.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(raw[len(_MAGIC) :]))
        type_meta = {number: bytes(value).decode() for number, value in _fields(envelope[1])}
        api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
        if kind not in _messages():
            raise unsupported_media_type(f"{MEDIA} for {kind}", ["application/json", "application/yaml"])
        return {"apiVersion": api_version, "kind": kind, **_message(kind, envelope.get(2, b""))}
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise bad_request("the protobuf body is malformed") from error


def _message(name: str, raw: bytes) -> Obj:
    table = _messages()[name]
    result: Obj = {}
    for number, value in _fields(raw):
        if number not in table:
            continue
        field, kind = table[number]
        if isinstance(kind, list):
            result.setdefault(field, []).append(_value(kind[0], value))
        elif kind in ("map", "bytesmap"):
            entry = dict(_fields(value))
            item = _value("str" if kind == "map" else "bytes", entry.get(2, b""))
            result.setdefault(field, {})[bytes(entry.get(1, b"")).decode()] = item
        elif (decoded := _value(kind, value)) != "":
            # Go writes empty strings for fields that are not set.
            result[field] = decoded
    return result


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "str":
            return bytes(value).decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "int":
            return int(value)
        case "bool":
            return bool(value)
        case _:
            return _message(kind, value)


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(raw):
        key, position = _varint(raw, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(raw, position)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _BYTES:
            size, position = _varint(raw, position)
        if not size and wire != _BYTES:
            raise IndexError(wire)
        if position + size > len(raw):
            raise IndexError(position)
        yield number, raw[position : position + size]
        position += size


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
