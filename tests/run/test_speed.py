"""The clock factor is read the same way everywhere, and a bad one is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rehearsal.speed import from_environment


@pytest.mark.parametrize(
    ("given", "factor"), [({}, 60.0), ({"REHEARSAL_SPEED": ""}, 60.0), ({"REHEARSAL_SPEED": "1"}, 1.0)]
)
def test_empty_is_absent(given: dict[str, str], factor: float) -> None:
    assert from_environment(given) == factor


@pytest.mark.parametrize("bad", ["fast", "0", "-1", "nan", "inf"])
def test_a_bad_factor_is_named(bad: str) -> None:
    with pytest.raises(SystemExit, match=f"REHEARSAL_SPEED='{bad}': give a number greater than 0"):
        from_environment({"REHEARSAL_SPEED": bad})


@pytest.mark.parametrize("module", ["rehearsal.aws", "rehearsal.kubernetes", "rehearsal.controlplane"])
def test_each_process_refuses_a_bad_factor(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--speed", "0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--speed" in done.stderr
    assert "Traceback" not in done.stderr
