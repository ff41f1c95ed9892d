"""The processes of one control plane: started in order, stopped together, their output kept in files."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# An apiserver would wait for its watchers; etcd has what it acknowledged.
_STOP_SECONDS = 2.0


# Linux ends a child with the *thread* that made it, so all children are made by one thread that lives as long as we do.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_PR_SET_PDEATHSIG = 1


class ProcessError(RuntimeError):
    """A process ended, or did not become ready in time; the message has its last words."""


@dataclass
class Running:
    """A started process and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self, lines: int = 8) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """Starts and stops the processes of one control plane.

    :param logs: folder for their output.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Running] = []

    def start(
        self, name: str, command: Sequence[str], ready: Callable[[], bool], seconds: float
    ) -> subprocess.Popen[bytes]:
        """Start one process, wait until it is ready, and return it.

        :raises ProcessError: it ended, or was not ready after ``seconds``.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = _SPAWNER.submit(_spawn, list(command), output).result()
        running = Running(name, process, log)
        self._running.append(running)
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None:
                raise ProcessError(f"{name} ended with code {process.returncode}:\n{running.last_words()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{name} was not ready after {seconds:.0f} s:\n{running.last_words()}")
            time.sleep(0.1)
        return process

    def stop(self) -> None:
        """Stop all at once, but the first one started only after the others, which write to it. Twice is fine."""
        for together in (self._running[1:], self._running[:1]):
            for running in together:
                _signal(running, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            for running in together:
                try:
                    running.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _signal(running, signal.SIGKILL)
                    running.process.wait()
        self._running.clear()


def _spawn(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(running: Running, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.process.pid, number)


def free_port() -> int:
    """A port of loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a port of loopback can be listened on right now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> Callable[[], bool]:
    """A readiness probe: somebody accepts connections on a port of loopback."""

    def ready() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ready
