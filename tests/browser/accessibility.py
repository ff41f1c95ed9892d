"""axe over a document."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

AXE = Path(str(importlib.util.find_spec("axe_playwright_python").origin)).parent / "axe.min.js"  # type: ignore[union-attr]
SERIOUS = {"serious", "critical"}


def issues(document: Any) -> list[str]:
    """Serious issues of a page or a frame of it."""
    document.evaluate(AXE.read_text() + "; undefined")
    found = document.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['impact']} {one['id']}: {one['nodes'][0]['target']} {one['nodes'][0].get('failureSummary', '')}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]
