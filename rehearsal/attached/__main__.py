"""``python -m rehearsal.attached``: the admin API of the rehearsal over a Kubernetes that somebody else runs."""

from __future__ import annotations

import sys

from rehearsal.attached.plane import AttachedPlane
from rehearsal.controlplane.__main__ import main as serve


def main() -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    return serve(AttachedPlane, programs=())


if __name__ == "__main__":
    sys.exit(main())
