"""Port-forwards: the five that people know, and one that is made anew when it breaks."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slipway import forward
from slipway.catalog.components import load_components
from slipway.forward import Forward, forwards

KNOWN = {"Kafka UI": 8082, "Grafana": 4000, "Airflow": 9999, "Spark master": 8080, "Mongo Express": 8081}


def test_the_known_five_have_their_ports() -> None:
    found = {one.name: one.local for one in forwards(load_components().values())}
    assert found.items() >= KNOWN.items()


def test_only_what_is_named_and_nothing_unknown() -> None:
    assert [one.local for one in forwards(load_components().values(), ["grafana", "Airflow"])] == [4000, 9999]
    with pytest.raises(ValueError, match=r"no interface is called nope; there are .*Grafana"):
        forwards(load_components().values(), ["nope"])


def test_the_command_listens_on_this_machine_only() -> None:
    one = Forward("Grafana", "monitoring", "grafana", 3000, 4000, "http://localhost:4000/")
    assert one.command("kubectl", "dev") == [
        *("kubectl", "--context", "dev", "port-forward", "--address", "127.0.0.1"),
        *("--namespace", "monitoring", "service/grafana", "4000:3000"),
    ]


def test_listing_forwards_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert forward.main(["--list", "Grafana"]) == 0
    assert "http://localhost:4000/" in capsys.readouterr().out
    assert forward.main(["--list", "nope"]) == 2


def test_a_broken_forward_is_made_anew(tmp_path: Path) -> None:
    """Its kubectl ends at once; a run of a few seconds starts it more than once, and Ctrl-C ends everything."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\necho x >>{tmp_path}/started\necho 'lost connection to pod' >&2\nexit 1\n")
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    program = (
        # A shell's background job, which a test run may be, begins with SIGINT ignored.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from slipway import forward\n"
        "forward.PAUSE_SECONDS, forward.LOOK_SECONDS = 0.2, 0.05\n"
        "one = forward.Forward('Grafana', 'monitoring', 'grafana', 3000, 4000, '')\n"
        f"forward.run([one], {str(kubectl)!r})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            deadline = time.monotonic() + 20
            started = tmp_path / "started"
            while time.monotonic() < deadline and (not started.exists() or len(started.read_text().split()) < 3):
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert len(started.read_text().split()) >= 3
    assert said.count("lost connection to pod") == 1
