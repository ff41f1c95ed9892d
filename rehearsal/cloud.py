"""The rehearsal cloud as one thing: start and stop its two processes, and let clients find it.

    python -m rehearsal.cloud up                       start; prints what to export; Ctrl-C stops
    python -m rehearsal.cloud kubeconfig [NAME] > FILE   a kubeconfig for one cluster, or for all there are
    python -m rehearsal.cloud token NAME               what kubectl calls to authenticate (an ExecCredential)

From Python: ``with Cloud() as cloud: boto3.client("eks", endpoint_url=cloud.env["AWS_ENDPOINT_URL"])``.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

from rehearsal.kubeconfig import CloudError, exec_credential, kubeconfig
from rehearsal.speed import from_environment, parse

__all__ = ["Cloud", "CloudError"]

HOST = "127.0.0.1"
REGION = "us-east-1"
_ROOT = Path(__file__).parents[1]
_START_TIMEOUT = 180.0
_STOP_TIMEOUT = 10.0
_CLUSTERS = {
    "emulated": "rehearsal.kubernetes",
    "control-plane": "rehearsal.controlplane",
    "real": "rehearsal.node",
    "attached": "rehearsal.attached",
}


class Cloud:
    """The two processes of the rehearsal cloud.

    A port of 0 means any free one; a port that is None comes from its environment variable
    (``REHEARSAL_AWS_PORT``, ``REHEARSAL_KUBERNETES_PORT``, ``REHEARSAL_ADMIN_PORT``) or is the usual one.

    :param kubernetes_port: port of the first cluster's API server; further clusters take the following ones.
    :param state: folder in which everything survives a restart; None keeps it in memory.
    :param speed: how many times faster than AWS work proceeds; None reads ``REHEARSAL_SPEED`` (60).
    :param cluster: what is behind EKS: ``emulated``, ``control-plane`` for Kubernetes' own processes with simulated
        nodes, ``real`` for nodes that run containers, or ``attached`` for a Kubernetes that somebody else runs, whose
        kubeconfig ``REHEARSAL_KUBECONFIG`` names; None reads ``CLUSTER`` (emulated).
    :param policy: what the credentials in :attr:`env` may do, as a template with managed policies; everything without.
    :param policy_parameters: of that template.
    :raises CloudError: no such kind of cluster.
    """

    def __init__(
        self,
        *,
        aws_port: int | None = None,
        kubernetes_port: int | None = None,
        admin_port: int | None = None,
        state: Path | None = None,
        speed: float | None = None,
        cluster: str | None = None,
        policy: Path | None = None,
        policy_parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.aws_port = _port("REHEARSAL_AWS_PORT", 5555, aws_port)
        self.kubernetes_port = _port("REHEARSAL_KUBERNETES_PORT", 6443, kubernetes_port)
        self.admin_port = _port("REHEARSAL_ADMIN_PORT", 6440, admin_port)
        self.state = state
        self.policy = policy
        self.policy_parameters = dict(policy_parameters or {})
        self.speed = speed if speed is not None else from_environment()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        kind = cluster or os.environ.get("CLUSTER") or "emulated"
        if kind not in _CLUSTERS:
            raise CloudError(f"CLUSTER={kind} is not known; choose one of {', '.join(_CLUSTERS)}")
        self._kubernetes = _CLUSTERS[kind]

    @property
    def env(self) -> dict[str, str]:
        """How AWS SDKs and the rehearsal's own tools find this cloud. The credentials open nothing."""
        return {
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.aws_port}",
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_DEFAULT_REGION": REGION,
            "REHEARSAL_AWS_PORT": str(self.aws_port),
            "REHEARSAL_KUBERNETES_PORT": str(self.kubernetes_port),
            "REHEARSAL_ADMIN_PORT": str(self.admin_port),
            "REHEARSAL_SPEED": f"{self.speed:g}",
        }

    @property
    def admin_url(self) -> str:
        """The Kubernetes side's admin API."""
        return f"http://{HOST}:{self.admin_port}"

    def start(self) -> None:
        """Start both processes and return when both answer.

        :raises CloudError: when a port is taken or a process ends or does not answer in time.
        """
        self._require_free_ports()
        aws = f"http://{HOST}:{self.aws_port}"
        common = ["--speed", f"{self.speed:g}"]
        aws_options = ["--port", str(self.aws_port), "--kubernetes-admin", self.admin_url]
        if self.policy is not None:
            aws_options += ["--enforce-policy", str(self.policy)]
            aws_options += [f"--policy-parameter={name}={value}" for name, value in self.policy_parameters.items()]
        self._spawn("rehearsal.aws", [*aws_options, *self._state("aws"), *common])
        kubernetes_options = ["--admin-port", str(self.admin_port), "--port", str(self.kubernetes_port)]
        kubernetes_options += ["--sts-endpoint", aws]
        self._spawn(self._kubernetes, [*kubernetes_options, *self._state("kubernetes"), *common])
        try:
            self._wait_until_ready(
                {"rehearsal.aws": f"{aws}/_rehearsal/health", self._kubernetes: f"{self.admin_url}/healthz"}
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both processes; they save their state if they keep it. Stopping twice is fine."""
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + _STOP_TIMEOUT
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()

    def require_running(self) -> None:
        """Raise `CloudError` when one of the processes has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise CloudError(f"{name} ended with code {child.returncode}; its messages are above")

    def __enter__(self) -> Cloud:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _require_free_ports(self) -> None:
        for variable, port in (
            ("REHEARSAL_AWS_PORT", self.aws_port),
            ("REHEARSAL_ADMIN_PORT", self.admin_port),
            ("REHEARSAL_KUBERNETES_PORT", self.kubernetes_port),
        ):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise CloudError(
                        f"port {port} is taken on {HOST}; stop what listens there, or choose another with "
                        f"{variable}=<port>"
                    ) from error

    def _state(self, folder: str) -> list[str]:
        return ["--state", str(self.state / folder)] if self.state else []

    def _spawn(self, module: str, arguments: list[str]) -> None:
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._children[module] = subprocess.Popen(
            [sys.executable, "-m", "rehearsal.cloud", "child", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "REHEARSAL_PARENT": str(os.getpid())},
            # Ctrl-C in a terminal reaches this process only, which then stops both in order.
            start_new_session=True,
        )

    def _wait_until_ready(self, addresses: Mapping[str, str]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        waiting = dict(addresses)
        while waiting:
            self.require_running()
            waiting = {name: address for name, address in waiting.items() if not _answers(address)}
            if waiting and time.monotonic() > deadline:
                raise CloudError(f"{', '.join(waiting)} did not answer within {_START_TIMEOUT:.0f} s")
            time.sleep(0.05)


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; returns the exit code."""
    argv = sys.argv[1:] if arguments is None else arguments
    if argv[:1] == ["child"]:
        return _run_child(argv[1], argv[2:])
    options = _parser().parse_args(argv)
    try:
        if options.command == "up":
            return _up(options)
        found = kubeconfig(options.name) if options.command == "kubeconfig" else exec_credential(options.name)
        print(found)
    except CloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _up(options: argparse.Namespace) -> int:
    cloud = Cloud(
        aws_port=options.aws_port,
        kubernetes_port=options.kubernetes_port,
        admin_port=options.admin_port,
        state=options.state,
        speed=options.speed,
    )
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with cloud:
        for name, value in cloud.env.items():
            print(f"export {name}={value}")
        print("# kubectl: python -m rehearsal.cloud kubeconfig > kubeconfig && export KUBECONFIG=$PWD/kubeconfig")
        print(f"ready, {cloud.speed:g} times as fast as AWS; Ctrl-C stops", file=sys.stderr, flush=True)
        sys.stdout.flush()
        while not stopping.wait(0.5):
            cloud.require_running()
    return 0


def _run_child(module: str, arguments: list[str]) -> int:
    """Run one of the processes, and end it when whoever started it is gone."""
    parent = int(os.environ["REHEARSAL_PARENT"])
    threading.Thread(target=_follow_parent, args=(parent,), name="follow-parent", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _follow_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_TIMEOUT)
    os._exit(1)


def _port(variable: str, usual: int, asked: int | None) -> int:
    if asked is None:
        return int(os.environ.get(variable) or usual)
    return asked or _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
        json.loads(answer.read() or b"{}")
        return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal.cloud", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start both processes and keep them until Ctrl-C")
    up.add_argument("--aws-port", type=int, default=None, help="default: $REHEARSAL_AWS_PORT or 5555")
    up.add_argument("--kubernetes-port", type=int, default=None, help="default: $REHEARSAL_KUBERNETES_PORT or 6443")
    up.add_argument("--admin-port", type=int, default=None, help="default: $REHEARSAL_ADMIN_PORT or 6440")
    state = os.environ.get("REHEARSAL_STATE")
    up.add_argument("--state", type=Path, default=Path(state) if state else None, help="default: $REHEARSAL_STATE")
    up.add_argument("--speed", type=parse, default=None, help="default: $REHEARSAL_SPEED or 60")
    kubeconfig = commands.add_parser("kubeconfig", help="print a kubeconfig")
    kubeconfig.add_argument("name", nargs="?", help="a cluster's name; all clusters without")
    token = commands.add_parser("token", help="print an ExecCredential for a cluster")
    token.add_argument("name")
    return parser


if __name__ == "__main__":
    sys.exit(main())
