"""The settings of the rehearsal's CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rehearsal.speed import from_environment


class Judge(Protocol):
    """Says whether whoever started a stack may do what the stack does."""

    def refusal(
        self, service: str, operation: str, region: str, account: str, params: Mapping[str, Any], via: str
    ) -> str | None:
        """Why not; ``None`` when allowed."""


@dataclass
class Settings:
    """Set once at start-up.

    :param speed: how many times faster than AWS work proceeds; 1 is real time.
    :param judge: asked about every call that makes, changes or deletes a resource; ``None`` allows all.
    """

    speed: float = field(default_factory=from_environment)
    judge: Judge | None = None


SETTINGS = Settings()
