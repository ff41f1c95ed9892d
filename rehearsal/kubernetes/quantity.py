"""Kubernetes resource quantities (``500m``, ``1Gi``, ``2e3``) as exact integers of thousandths."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_PATTERN = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|n|u|[eE][+-]?\d+)?$")
_SUFFIX = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("0.001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


@lru_cache(maxsize=4096)
def parse(value: str | int | float) -> int:
    """The quantity in thousandths of its unit (millicores, millibytes), rounded up.

    :raises ValueError: when it is not a quantity.
    """
    match = _PATTERN.match(str(value))
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix = match.group(1), match.group(2) or ""
    exponent = suffix[:1] in ("e", "E") and len(suffix) > 1
    scale = Decimal(10) ** int(suffix[1:]) if exponent else _SUFFIX[suffix]
    thousandths = Decimal(number) * scale * 1000
    whole = int(thousandths)
    return whole if whole == thousandths else whole + (1 if thousandths > 0 else 0)


def render(thousandths: int, like: str = "") -> str:
    """The shortest canonical text; binary suffixes when ``like`` (the quantity's source) has one."""
    if thousandths % 1000:
        return f"{thousandths}m"
    whole = thousandths // 1000
    if like.endswith("i"):
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            scale = int(_SUFFIX[suffix])
            if whole and whole % scale == 0:
                return f"{whole // scale}{suffix}"
    return str(whole)
