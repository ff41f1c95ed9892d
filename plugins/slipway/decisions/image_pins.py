"""What registries' answers mean for pinned images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class PinState(StrEnum):
    """State of one image.

    ``moved`` is news, not damage: upstream built the tag anew, and the pinned build is still served.
    """

    CURRENT = "current"
    MOVED = "moved"
    GONE = "gone"
    UNPINNED = "unpinned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One image.

    :param digest: what the registry says of the tag now; empty when not known.
    """

    image: str
    state: PinState
    digest: str = ""
    note: str = ""


def judge_pin(image: str, pinned: str, tag: Mapping[str, str], held: Mapping[str, str]) -> Verdict:
    """Judge one image.

    :param pinned: digest in the list, or empty.
    :param tag: the registry's answer for the tag: ``served`` (yes, no, unknown), ``digest``, ``reason``.
    :param held: likewise for the pinned digest; not looked at without one.
    """
    now = tag["digest"]
    if not pinned:
        state = PinState.UNPINNED if now else PinState.UNKNOWN
        return Verdict(image, state, now, tag["reason"] or "has no digest in images.yaml")
    if held["served"] == "no":
        return Verdict(
            image, PinState.GONE, now, f"{pinned} is not served any more: nodes without a copy cannot start it"
        )
    if now == pinned:
        return Verdict(image, PinState.CURRENT, now)
    if now:
        return Verdict(image, PinState.MOVED, now, f"the tag leads to {now} now; {pinned} is still served")
    return Verdict(image, PinState.UNKNOWN, "", tag["reason"] or held["reason"])


def summary(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many images are in which state; every state is named."""
    found = [verdict.state for verdict in verdicts]
    return {state.value: found.count(state) for state in PinState}
