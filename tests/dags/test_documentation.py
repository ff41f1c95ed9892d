"""Generated documentation says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_generated_files_are_up_to_date() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "slipway.docs", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": "plugins", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, f"run `make docs`\n{process.stdout}{process.stderr[-2000:]}"
