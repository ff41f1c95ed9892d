"""Stops a run's processes when its driver was killed: `python -m rehearsal.run.guard RUN_ID`, fed by a pipe.

The driver writes the pid of each child on a line of its own, and `done` when it has stopped them itself. An end of
the input without `done` means that the driver is gone, and that nobody else will stop the children.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

GRACE = 5.0


def main(run_id: str) -> int:
    """Wait for the driver's word or its end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "done":
            return 0
        pids.add(int(word))
    for number in (signal.SIGTERM, signal.SIGKILL):
        stop(run_id, pids, number)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and living(run_id, pids):
            time.sleep(0.1)
    return 1


def living(run_id: str, pids: set[int]) -> list[int]:
    """Processes of the run that still exist."""
    # Imported here: the guard waits for hours and should weigh little until it is needed.
    from rehearsal.run.processes import find_leftovers

    return [process.pid for process in find_leftovers(run_id, pids)]


def stop(run_id: str, pids: set[int], number: signal.Signals) -> None:
    """Send one signal to all of them."""
    for pid in living(run_id, pids):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
