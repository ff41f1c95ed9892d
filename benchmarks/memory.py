"""Memory of every process that runs for long, against the same processes of an Airflow that has no DAGs and plugins.

Both stand idle for half a minute after they have parsed what there is. Proportional memory (PSS) of each process with
all below it. What a bare Airflow does not have stands alone.

    python benchmarks/memory.py [FIRST_PORT]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from airflow_stack import Shape, stack, tree_megabytes
from common import RESULTS, Result, machine, note, record

FIRST_PORT = 6780
IDLE_SECONDS = 30.0
AIM = "at most 1.5"
EMPTY = "from airflow.sdk import DAG\nwith DAG(dag_id='empty', schedule=None):\n    pass\n"


def idle(scratch: Path, first_port: int, bare: bool) -> dict[str, float]:
    """Megabytes by process."""
    scratch.mkdir()
    settings, env, dag = {}, {}, "platform_deploy"
    if bare:
        for name in ("dags", "plugins"):
            (scratch / name).mkdir()
        (scratch / "dags" / "empty.py").write_text(EMPTY)
        settings, env, dag = (
            {"AIRFLOW__CORE__PLUGINS_FOLDER": str(scratch / "plugins")},
            {"SLIPWAY_DAGS_FOLDER": str(scratch / "dags")},
            "empty",
        )
    with stack(scratch / "run", first_port, Shape(slots=8, settings=settings), env, with_cloud=not bare) as found:
        found.wait_parsed(dag)
        time.sleep(IDLE_SECONDS)
        return {child.name: tree_megabytes(child.process.pid)[0] for child in found.run.supervisor.children}


def main() -> int:
    first = int(sys.argv[1]) if len(sys.argv) > 1 else FIRST_PORT
    with tempfile.TemporaryDirectory() as folder:
        bare = idle(Path(folder) / "bare", first, bare=True)
        ours = idle(Path(folder) / "ours", first, bare=False)
    for name, megabytes in sorted(ours.items()):
        if name in bare:
            record(Result(f"memory-{name}", name, "without DAGs and plugins", megabytes, bare[name], 1, AIM, unit="MB"))
    both = sum(megabytes for name, megabytes in ours.items() if name in bare), sum(bare.values())
    record(Result("memory-all", "all of these", "without DAGs and plugins", *both, 1, AIM, unit="MB"))
    rest = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in sorted(ours.items()) if name not in bare)
    note("memory-all", f"besides: {rest}")
    document = {"ours": ours, "bare": bare, "machine": machine()}
    (RESULTS.parent / "memory.json").write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
