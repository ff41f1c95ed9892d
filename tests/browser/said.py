"""What a server says of itself, apart from what libraries log to standard output."""

from __future__ import annotations

import os
from typing import TextIO


def apart() -> TextIO:
    """Standard output as it was; what this process and its children write there from now on goes to standard error."""
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return kept
