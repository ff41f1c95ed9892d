"""``python -m rehearsal.aws``: serve the AWS side of the rehearsal until told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

from rehearsal.speed import from_environment, parse

HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Serve; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    listener = _listen(options.port)
    if listener is None:
        print(
            f"port {options.port} is taken on {HOST}; choose another with --port or REHEARSAL_AWS_PORT",
            file=sys.stderr,
        )
        return 1
    port = listener.getsockname()[1]
    # moto builds URLs that lead back to itself with this; it reads the variable when it is imported.
    os.environ["MOTO_PORT"] = str(port)
    # 700 outdated images that every new region would parse and every saved state would hold.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from rehearsal.aws.clock import Clock
    from rehearsal.aws.persistence import StateError
    from rehearsal.aws.server import Cloud

    class QuietHandler(MotoRequestHandler):  # type: ignore[misc]
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: a rehearsal makes thousands of requests."""

    policies = None
    if options.enforce_policy is not None:
        from rehearsal.aws.permissions.documents import load

        policies = load(options.enforce_policy, dict(options.policy_parameter), "us-east-1")
    cloud = Cloud(Clock(options.speed), options.kubernetes_admin, policies)
    try:
        cloud.start(options.state)
    except StateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    server = make_server(HOST, port, cloud, threaded=True, request_handler=QuietHandler, fd=listener.fileno())
    server.daemon_threads = True

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, name="shutdown").start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    print(f"ready aws http://{HOST}:{port} speed {options.speed:g}", flush=True)
    server.serve_forever(poll_interval=0.1)
    cloud.stop()
    return 0


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        return None
    listener.listen(128)
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rehearsal.aws", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("REHEARSAL_AWS_PORT") or 5555), help="0: any free port"
    )
    parser.add_argument("--kubernetes-admin", default="http://127.0.0.1:6440", help="admin API of the Kubernetes side")
    parser.add_argument("--state", type=Path, default=None, help="folder in which state survives a restart")
    parser.add_argument(
        "--enforce-policy",
        type=Path,
        default=None,
        help="refuse what these policies do not allow: a template with managed policies, or a document in JSON",
    )
    parser.add_argument(
        "--policy-parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of that template",
    )
    parser.add_argument("--speed", type=parse, default=from_environment(), help="default: $REHEARSAL_SPEED or 60")
    return parser


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
