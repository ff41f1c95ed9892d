"""The one clock factor of the rehearsal, as the environment or a command line states it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

DEFAULT = 60.0


def parse(text: str) -> float:
    """How many times faster than AWS work proceeds; 1 is real time. Fit as argparse's `type`.

    :raises ValueError: the text is no finite number greater than 0.
    """
    factor = float(text)
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(text)
    return factor


def from_environment(environ: Mapping[str, str] = os.environ) -> float:
    """``REHEARSAL_SPEED``, or 60. Empty counts as absent: that is how many a tool passes on what nobody set.

    :raises SystemExit: the variable is no number greater than 0.
    """
    found = environ.get("REHEARSAL_SPEED", "").strip()
    if not found:
        return DEFAULT
    try:
        return parse(found)
    except ValueError:
        raise SystemExit(
            f"REHEARSAL_SPEED={found!r}: give a number greater than 0; 1 is real time, {DEFAULT:g} the usual"
        ) from None
