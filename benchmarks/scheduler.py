"""What Airflow adds to each task: a chain of tasks that do nothing, under its own settings and under those of make run.

One Airflow, whose scheduler is replaced before every measurement: the settings in question are the scheduler's and its
workers'. Also the memory of the bare Airflow's processes, to compare those of a full one with (see memory.py).

    python benchmarks/scheduler.py [FIRST_PORT]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from airflow_stack import Shape, Stack, stack
from common import Result, note, record

FIRST_PORT = 6740
LENGTH = 12
WIDTH = 16
ROUNDS = 3
LIMIT = 300.0
AIM = "at most 0.5"
# Airflow's defaults, where make run has others.
DEFAULTS = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}
DAG = f"""
from datetime import datetime, timezone
from airflow.sdk import DAG, chain, task

@task
def nothing():
    pass

for name in ("warm", "chain", "wide"):
    with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False) as dag:
        if name == "wide":
            [nothing.override(task_id=f"t{{number}}")() for number in range({WIDTH})]
        else:
            chain(*[nothing.override(task_id=f"t{{number}}")() for number in range({LENGTH} if name == "chain" else 1)])
    globals()[name] = dag
"""


def per_task(found: Stack, dag: str, count: int) -> float:
    """Seconds of wall time for each task of a run, by the run's own record."""
    run_id, state = found.run_dag(dag, {}, LIMIT)
    assert state == "success", f"{dag} ended {state}"
    rows = found.query(
        "select extract(epoch from max(end_date) - min(queued_dttm)) from task_instance where dag_id=%s and run_id=%s",
        dag,
        run_id,
    )
    return float(rows[0][0]) / count


def main() -> int:
    first = int(sys.argv[1]) if len(sys.argv) > 1 else FIRST_PORT
    seen: dict[str, list[tuple[float, float]]] = {"defaults": [], "ours": []}
    with tempfile.TemporaryDirectory() as scratch:
        dags, plugins = Path(scratch) / "dags", Path(scratch) / "plugins"
        for folder in (dags, plugins):
            folder.mkdir()
        (dags / "nothing.py").write_text(DAG)
        shape = Shape(slots=8, settings={"AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)})
        env = {"SLIPWAY_DAGS_FOLDER": str(dags)}
        with stack(Path(scratch) / "run", first, shape, env, with_cloud=False) as found:
            for _ in range(ROUNDS):
                for who, settings in (("defaults", DEFAULTS), ("ours", {})):
                    found.restart_scheduler(settings, preloaded=who == "ours")
                    found.run_dag("warm", {}, LIMIT)
                    seen[who].append((per_task(found, "chain", LENGTH), per_task(found, "wide", WIDTH)))
    for number, (name, what) in enumerate((("chain", f"{LENGTH} in a chain"), ("wide", f"{WIDTH} side by side"))):
        mine, theirs = ([row[number] for row in seen[who]] for who in ("ours", "defaults"))
        ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
        result = Result(
            f"scheduler-{name}",
            f"a task that does nothing, {what}",
            "Airflow's default settings",
            statistics.median(mine),
            statistics.median(theirs),
            ROUNDS,
            AIM,
            str(shape),
            spread=(min(ratios), max(ratios)),
        )
        record(result)
    note("scheduler-chain", f"{statistics.median(row[0] for row in seen['ours']):.2f} s for each task of a chain")
    return 0


if __name__ == "__main__":
    sys.exit(main())
