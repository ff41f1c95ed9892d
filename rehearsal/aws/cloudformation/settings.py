"""The one setting of the rehearsal's CloudFormation."""

from __future__ import annotations

from dataclasses import dataclass, field

from rehearsal.speed import from_environment


@dataclass
class Settings:
    """Set once at start-up.

    :param speed: how many times faster than AWS work proceeds; 1 is real time.
    """

    speed: float = field(default_factory=from_environment)


SETTINGS = Settings()
