"""``python -m rehearsal.node``: the admin API of the rehearsal over a real control plane with real nodes."""

from __future__ import annotations

import sys

from rehearsal.controlplane.__main__ import main as serve
from rehearsal.controlplane.binaries import NODE, Binaries
from rehearsal.node import needs, store
from rehearsal.node.plane import RealPlane


def _prepare(_binaries: Binaries) -> None:
    store.fill(store.default_folder())


def main() -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    try:
        needs.require()
        return serve(RealPlane, NODE, _prepare)
    except (needs.NeedError, store.StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
