"""``python -m rehearsal.kubernetes``: serve until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from rehearsal.kubernetes.admin import Admin
from rehearsal.kubernetes.server import Listener, Supervisor
from rehearsal.kubernetes.settings import Settings
from rehearsal.speed import from_environment, parse


def _settings(arguments: list[str] | None) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m rehearsal.kubernetes", description=__doc__)
    parser.add_argument("--admin-port", type=int, default=6440, help="port of the admin API (default 6440)")
    parser.add_argument("--port", type=int, default=6443, help="port of the first cluster (default 6443)")
    parser.add_argument("--sts-endpoint", default="http://127.0.0.1:5555", help="where EKS tokens are verified")
    parser.add_argument("--state", type=Path, help="directory of the snapshots; without it nothing is kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default loopback)")
    parser.add_argument("--speed", type=parse, default=from_environment(), help="default: $REHEARSAL_SPEED or 60")
    given = parser.parse_args(arguments)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return Settings(
        sts_endpoint=given.sts_endpoint,
        host=given.host,
        admin_port=given.admin_port,
        first_port=given.port,
        speed=given.speed,
        state=given.state,
        secrets={key: secret} if key and secret else {},
    )


async def serve(settings: Settings) -> None:
    """Serve until a signal arrives."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    supervisor = Supervisor(settings)
    admin = Listener(Admin(supervisor).application(), settings.host, settings.admin_port)
    try:
        await supervisor.start()
        await admin.start()
        print(
            f"ready admin=http://{settings.host}:{settings.admin_port} clusters={len(supervisor.clusters)}", flush=True
        )
        await stop.wait()
    finally:
        await admin.stop()
        await supervisor.stop()


def main(arguments: list[str] | None = None) -> int:
    """Entry point; the result is the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(_settings(arguments)))
    except (OSError, ValueError) as error:
        print(f"rehearsal.kubernetes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
