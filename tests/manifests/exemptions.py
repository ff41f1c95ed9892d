"""Reads ``include/manifests/exemptions.yaml``: which object need not meet which rule, and why."""

from __future__ import annotations

from tests.manifests.pod_rules import Violation
from tests.manifests.rendering import MANIFESTS, load

FILE = MANIFESTS / "exemptions.yaml"


def exemptions() -> dict[tuple[str, str], str]:
    """Reasons by object and rule."""
    return {(entry["object"], entry["rule"]): entry["reason"] for entry in load(FILE)[0]["exemptions"]}


def unexcused(violations: list[Violation]) -> list[str]:
    """What no exemption covers, as lines to read."""
    excused = exemptions()
    return sorted({str(one) for one in violations if (one.object, one.rule) not in excused})
