"""Nothing that was started is left: not after a stop, not after the driver was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rehearsal.run.processes import Supervisor, find_leftovers, tail
from rehearsal.run.settings import ROOT, RunError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]
# A grandchild in a session of its own, as Airflow's components make them.
FOUNDER_SCRIPT = f"""
import subprocess, time
subprocess.Popen({SLEEP!r}, start_new_session=True)
print('up', flush=True)
time.sleep(60)
"""
FOUNDER = [sys.executable, "-c", FOUNDER_SCRIPT]
# Notes its name in a file when it is asked to stop.
NOTING_SCRIPT = """
import signal, sys, time
def stop(*_):
    open(sys.argv[1], 'a').write(sys.argv[2])
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print('up', flush=True)
time.sleep(60)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(f"test-{tmp_path}", tmp_path / "logs", dict(os.environ))
    yield made
    made.stop(grace=0.1)


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_output_goes_to_a_file_and_the_last_one_is_kept(supervisor: Supervisor) -> None:
    for text in ("one", "two"):
        child = supervisor.start("talker", [sys.executable, "-c", f"print({text!r})"])
        child.process.wait()
    assert child.log.read_text() == "two\n"
    assert child.log.with_suffix(".log.1").read_text() == "one\n"


def test_a_child_that_ends_by_itself_is_an_error_with_its_last_words(supervisor: Supervisor) -> None:
    child = supervisor.start("x", [sys.executable, "-c", "import sys; sys.exit('no space left')"])
    child.process.wait()
    with pytest.raises(RunError, match=r"x ended with code 1[\s\S]*no space left"):
        supervisor.require_running()


def test_a_stop_ends_children_and_their_children(supervisor: Supervisor) -> None:
    child = supervisor.start("founder", FOUNDER)
    wait_for(lambda: tail(child.log))
    assert len(supervisor.leftovers()) == 2
    supervisor.stop(grace=5)
    assert find_leftovers(supervisor.run_id, {child.process.pid}) == []


def test_who_does_not_listen_is_killed_and_named(supervisor: Supervisor) -> None:
    child = supervisor.start("stubborn", STUBBORN)
    wait_for(lambda: tail(child.log))
    assert supervisor.stop(grace=0.2) == ["stubborn"]
    assert not child.running


def test_a_second_ctrl_c_ends_the_patience(supervisor: Supervisor) -> None:
    child = supervisor.start("stubborn", STUBBORN)
    wait_for(lambda: tail(child.log))
    began = time.monotonic()
    supervisor.stop(grace=60, hurry=lambda: True)
    assert time.monotonic() - began < 10


def test_rounds_stop_one_after_another(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name, number in (("d", 2), ("c", 1), ("a", 0)):
        command = [sys.executable, "-c", NOTING_SCRIPT, str(order), name]
        child = supervisor.start(name, command, stop_round=number)
        wait_for(lambda log=child.log: tail(log))  # type: ignore[misc]
    supervisor.stop(grace=10)
    assert order.read_text() == "acd"


def test_nothing_survives_a_driver_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves the driver no chance: the guard has to notice."""
    script = (
        "import os, time; from pathlib import Path; from rehearsal.run.processes import Supervisor\n"
        f"s = Supervisor('killed', Path({str(tmp_path)!r}), dict(os.environ))\n"
        f"print(s.start('founder', {FOUNDER!r}).process.pid, flush=True); time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env, text=True) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        wait_for(lambda: tail(tmp_path / "founder.log"))
        started = [pid, *(child.pid for child in psutil.Process(pid).children())]
        driver.send_signal(signal.SIGKILL)
    assert len(started) == 2
    wait_for(lambda: not any(psutil.pid_exists(each) and _lives(each) for each in started))


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
