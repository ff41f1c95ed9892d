"""Kubernetes quantities as numbers."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$")
_PARTS = {"m": 10**3, "u": 10**6, "n": 10**9}
_SUFFIXES: dict[str, int] = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18} | {
    f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")
}


def parse_quantity(value: str | int | float) -> Decimal:
    """Read a quantity such as ``250m``, ``1Gi`` or ``2``, in its base unit (cores, bytes).

    :raises ValueError: not a Kubernetes quantity.
    """
    match = _QUANTITY.match(str(value))
    if not match:
        raise ValueError(f"{value!r} is not a Kubernetes quantity")
    number, suffix = Decimal(match[1]), match[2] or ""
    # metrics-server measures in nanocores.
    if suffix in _PARTS:
        return number / _PARTS[suffix]
    if suffix[:1] in {"e", "E"} and suffix not in {"E", "Ei"}:
        return number.scaleb(int(suffix[1:]))
    return number * _SUFFIXES[suffix]


def millicores(value: str | int | float) -> int:
    """CPU quantity in thousandths of a core."""
    return int(parse_quantity(value) * 1000)


def mebibytes(value: str | int | float) -> int:
    """Memory quantity in MiB, rounded up: a request is never taken for less than it is."""
    return math.ceil(parse_quantity(value) / (1024 * 1024))
