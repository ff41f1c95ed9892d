"""EC2 instance type offerings: read for a region when it is asked about.

moto parses the offerings of 30 regions in three groupings at import: 150,000 dicts, 100 MB and a second of
start-up for a platform that lives in one region.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, overload

from moto.utilities import utils

_FOLDER = "instance_type_offerings"
_MODULE = "moto.ec2.models.instance_types"


def install() -> None:
    """Import moto's instance types without the offerings; has no effect when they are imported already."""
    if _MODULE in sys.modules:
        return
    original = utils.load_resource
    paths: list[str] = []

    def load_resource(path: str) -> Any:
        if _FOLDER not in path:
            return original(path)
        paths.append(path)
        return []

    utils.load_resource = load_resource
    try:
        from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
    finally:
        utils.load_resource = original
    sys.modules[_MODULE].load_resource = original  # type: ignore[attr-defined]
    for path in paths:
        location_type, name = path.split("/")[-2:]
        INSTANCE_TYPE_OFFERINGS[location_type][name.split(".")[0]] = _Offerings(path, location_type)


class _Offerings(Sequence[dict[str, Any]]):
    """The offerings of one region and grouping, read on first use."""

    def __init__(self, path: str, location_type: str) -> None:
        self._path = path
        self._location_type = location_type

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return [{**row, "LocationType": self._location_type} for row in utils.load_resource(self._path)]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        return self._rows[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
