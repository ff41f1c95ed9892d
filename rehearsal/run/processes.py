"""Children of a run: started in sessions of their own, watched, and stopped so that none is left.

A terminal's Ctrl-C reaches the driver only, as each child leads its own session; the driver then stops them in
order. Airflow's workers and parsers are grandchildren: they are found by the session they inherited, and by the
marker variable in their environment where a process made a session of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rehearsal.run.settings import RunError

MARKER = "SLIPWAY_RUN_ID"
LAST_LINES = 25
# Seconds. Tasks that run are put back by the next start, triggers too, so a long wait gains nothing.
GRACE = 6.0


@dataclass
class Child:
    """A started process with the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_round: int = 0
    """Rounds of a stop, lowest first: what others need while they end, such as a database, comes in a later one."""

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def require_running(self) -> None:
        """Raise `RunError` with the end of its log if it has ended."""
        code = self.process.poll()
        if code is not None:
            raise RunError(f"{self.name} ended with code {code}. The end of {self.log}:\n{tail(self.log)}")


@dataclass
class Supervisor:
    """Starts children of one run and answers for their end, also when this process is killed."""

    run_id: str
    logs: Path
    env: Mapping[str, str]
    children: list[Child] = field(default_factory=list)
    _guard: subprocess.Popen[bytes] | None = None

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_round: int = 0,
    ) -> Child:
        """Start one child with its output in `<logs>/<name>.log`; the previous run's file becomes `.1`."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**(self.env if env is None else env), MARKER: self.run_id},
                cwd=cwd,
                start_new_session=True,
            )
        child = Child(name, process, log, stop_signal, stop_round)
        self.children.append(child)
        self._tell_guard(process.pid)
        return child

    def require_running(self) -> None:
        """Raise `RunError` for the first child that has ended on its own."""
        for child in self.children:
            child.require_running()

    def stop(self, grace: float = GRACE, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop all children and whatever they started; returns what had to be killed.

        `grace` is in seconds and for each round. `hurry` is asked all the while; once it says yes, no more time
        is given to anyone.
        """
        killed: list[str] = []
        for number in sorted({child.stop_round for child in self.children}):
            killed += _stop_together([child for child in self.children if child.stop_round == number], grace, hurry)
        killed += self._kill_leftovers()
        self.children.clear()
        self._dismiss_guard()
        return killed

    def leftovers(self) -> list[psutil.Process]:
        """Processes of this run that still exist: by session, or by the marker in their environment."""
        return find_leftovers(self.run_id, {child.process.pid for child in self.children})

    def _kill_leftovers(self) -> list[str]:
        left = self.leftovers()
        _, alive = psutil.wait_procs(left, timeout=3)
        names = [describe(process) for process in alive]
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=5)
        return names

    def _tell_guard(self, pid: int) -> None:
        if self._guard is None:
            # Outlives this process by design: when the pipe closes without a word, it stops what was started.
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "rehearsal.run.guard", self.run_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**self.env, "PYTHONPATH": str(Path(__file__).parents[2])},
                start_new_session=True,
            )
        assert self._guard.stdin is not None  # noqa: S101 - narrows the type, PIPE was asked for
        with suppress(BrokenPipeError):
            self._guard.stdin.write(f"{pid}\n".encode())
            self._guard.stdin.flush()

    def _dismiss_guard(self) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        with suppress(BrokenPipeError):
            self._guard.stdin.write(b"done\n")
            self._guard.stdin.close()
        self._guard.wait(timeout=10)
        self._guard = None


def _stop_together(children: Sequence[Child], grace: float, hurry: Callable[[], bool]) -> list[str]:
    for child in children:
        if child.running:
            with suppress(ProcessLookupError):
                child.process.send_signal(child.stop_signal)
    deadline = time.monotonic() + grace
    while any(child.running for child in children) and time.monotonic() < deadline and not hurry():
        time.sleep(0.05)
    killed = []
    for child in children:
        if child.running:
            killed.append(child.name)
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
    return killed


def find_leftovers(run_id: str, sessions: set[int]) -> list[psutil.Process]:
    """Living processes that carry the run's marker or belong to one of its sessions, this process excluded."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid() or process.pid == os.getppid():
            continue
        with suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if os.getsid(process.pid) in sessions or process.environ().get(MARKER) == run_id:
                found.append(process)
    return found


def describe(process: psutil.Process) -> str:
    """`name (pid N)` of a process that may end meanwhile."""
    try:
        return f"{process.name()} (pid {process.pid})"
    except psutil.Error:
        return f"pid {process.pid}"


def tail(path: Path, lines: int = LAST_LINES) -> str:
    """The last lines of a text file, empty when there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
