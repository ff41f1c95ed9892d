"""What a forking component holds in memory, and when its forks forget it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, sys
from functools import partial
from pathlib import Path
from rehearsal.run.preloaded import forget_changed, import_behind, newest

folder, module = Path(sys.argv[1]), Path(sys.argv[1]) / "behind_the_dag.py"

def fork(expected):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        import behind_the_dag
        os._exit(behind_the_dag.VALUE)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == expected

import_behind(folder)
assert "behind_the_dag" in sys.modules
os.register_at_fork(after_in_child=partial(forget_changed, [folder], newest([folder])))
module.write_text("VALUE = 1  # not seen by a look at the time\\n")
os.utime(module, ns=(0, 0))
fork(1)
module.write_text("VALUE = 22\\n")
fork(22)
"""


def test_a_fork_inherits_modules_and_forgets_those_that_changed(tmp_path: Path) -> None:
    (tmp_path / "dag.py").write_text("import behind_the_dag\n")
    (tmp_path / "broken.py").write_text("raise ValueError('Airflow reports this')\n")
    (tmp_path / "behind_the_dag.py").write_text("VALUE = 1\n")
    past = time.time_ns() - 10**10
    for file in [*tmp_path.iterdir(), tmp_path]:
        os.utime(file, ns=(past, past))
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "broken.py is not read ahead: ValueError('Airflow reports this')" in done.stderr
