"""Time in the rehearsal: today's date, but work that AWS needs minutes for takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """Wall clock plus one factor that shortens durations of work.

    Dates (support calendars, the seven days in which a version can be rolled back) are not compressed:
    a rehearsal happens today.

    :param speed: how many times faster than AWS work proceeds; 1 is real time.
    """

    speed: float = 60.0

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed is {self.speed}; it must be above 0 (1 = as slow as AWS)")

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    def compressed(self, seconds: float) -> float:
        """Seconds of AWS's time as seconds of ours."""
        return seconds / self.speed
