"""``python -m rehearsal.controlplane``: the admin API of the rehearsal over real control planes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rehearsal.controlplane.app import Admin
from rehearsal.controlplane.binaries import PLANE, Binaries, BinaryError
from rehearsal.controlplane.clusters import Clusters, MakePlane
from rehearsal.controlplane.plane import Plane
from rehearsal.controlplane.processes import ProcessError
from rehearsal.kubernetes.server import Listener
from rehearsal.speed import parse

HOST = "127.0.0.1"
Prepare = Callable[[Binaries], None]


def main(make_plane: MakePlane = Plane, programs: Sequence[str] = PLANE, prepare: Prepare | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    :param programs: that are needed.
    :param prepare: is called with them, before anything is started.
    """
    parser = argparse.ArgumentParser(prog="python -m rehearsal.controlplane", description=__doc__)
    parser.add_argument("--admin-port", type=int, default=6440)
    parser.add_argument("--port", type=int, default=6443, help="port of the first cluster's API server")
    parser.add_argument("--sts-endpoint", default="http://127.0.0.1:5555")
    parser.add_argument("--state", type=Path, help="keep clusters here over restarts")
    parser.add_argument("--speed", type=parse, default=60.0, help="accepted for symmetry; Kubernetes keeps real time")
    options = parser.parse_args()
    binaries = Binaries()
    try:
        binaries.ensure(programs)
        if prepare is not None:
            prepare(binaries)
        with tempfile.TemporaryDirectory(prefix="slipway-planes-") as scratch:
            folder = options.state or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            asyncio.run(_serve(options, folder, binaries, make_plane))
    except (BinaryError, ProcessError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(options: argparse.Namespace, folder: Path, binaries: Binaries, make_plane: MakePlane) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    def review_url(cluster: str) -> str:
        return f"http://{HOST}:{options.admin_port}/clusters/{cluster}/review"

    clusters = Clusters(folder, options.port, review_url, binaries, make_plane)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    admin = Admin(clusters, options.sts_endpoint, {key: secret} if key and secret else {})
    listener = Listener(admin.app(), HOST, options.admin_port)
    tending: asyncio.Task[None] | None = None
    try:
        await asyncio.to_thread(clusters.restore)
        await listener.start()
        tending = asyncio.create_task(admin.tend())
        print(f"ready admin=http://{HOST}:{options.admin_port}", flush=True)
        await stopping.wait()
    finally:
        if tending is not None:
            tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending
        # API servers ask the listener who a token's bearer is, so it goes after them.
        await asyncio.to_thread(clusters.stop)
        await listener.stop()


if __name__ == "__main__":
    sys.exit(main())
