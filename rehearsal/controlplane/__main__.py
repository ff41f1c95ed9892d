"""``python -m rehearsal.controlplane``: the admin API of the rehearsal over real control planes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import uvicorn

from rehearsal.controlplane.app import Admin
from rehearsal.controlplane.binaries import Binaries, BinaryError
from rehearsal.controlplane.clusters import Clusters

HOST = "127.0.0.1"


class Server(uvicorn.Server):
    """Says when it serves, as the other processes of the rehearsal do."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Start, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]
        print(f"ready admin=http://{HOST}:{self.config.port}", flush=True)


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.controlplane", description=__doc__)
    parser.add_argument("--admin-port", type=int, default=6440)
    parser.add_argument("--port", type=int, default=6443, help="port of the first cluster's API server")
    parser.add_argument("--sts-endpoint", default="http://127.0.0.1:5555")
    parser.add_argument("--state", type=Path, help="keep clusters here over restarts")
    parser.add_argument("--speed", type=float, default=60.0, help="accepted for symmetry; Kubernetes keeps real time")
    options = parser.parse_args()
    binaries = Binaries()
    try:
        binaries.ensure()
    except BinaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    with tempfile.TemporaryDirectory(prefix="slipway-planes-") as scratch:
        folder = options.state or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)

        def review_url(cluster: str) -> str:
            return f"http://{HOST}:{options.admin_port}/clusters/{cluster}/review"

        clusters = Clusters(folder, options.port, review_url, binaries)
        app = Admin(clusters, options.sts_endpoint).app()
        try:
            Server(uvicorn.Config(app, host=HOST, port=options.admin_port, log_level="warning")).run()
        finally:
            clusters.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
