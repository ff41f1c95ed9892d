"""Settings of the process, shared by its clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    :ivar first_port: port of the first cluster; each further one takes the next free.
    :ivar speed: simulated durations are divided by this.
    :ivar state: directory of the snapshots; None keeps everything in memory.
    :ivar secrets: AWS secret keys by access key id, to verify token signatures where known.
    """

    sts_endpoint: str = "http://127.0.0.1:5555"
    host: str = "127.0.0.1"
    admin_port: int = 6440
    first_port: int = 6443
    speed: float = 60.0
    state: Path | None = None
    secrets: dict[str, str] = field(default_factory=dict)

    def seconds(self, simulated: float) -> float:
        """Real seconds a simulated duration takes."""
        return simulated / self.speed
