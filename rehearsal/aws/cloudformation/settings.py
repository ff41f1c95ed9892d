"""The one setting of the rehearsal's CloudFormation."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def _speed() -> float:
    return float(os.environ.get("REHEARSAL_SPEED", "60"))


@dataclass
class Settings:
    """Set once at start-up.

    :param speed: how many times faster than AWS work proceeds; 1 is real time.
    """

    speed: float = field(default_factory=_speed)


SETTINGS = Settings()
