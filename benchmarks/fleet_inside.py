"""The fleet DAGs over 50 environments in two regions each, in one process: what the tasks themselves take.

    python benchmarks/fleet_inside.py [--environments 50] [--dags platform_health,...]

As `fleet.py`, with the same platforms and DAGs, but run by ``dag.test()``: every task executes, maps, pushes XComs to a
database and is judged, one after the other, without schedulers, executors and a process for each. It needs a tenth of
the CPU, so a small or busy machine gets through all of it. What a deployment with so many slots then takes is reckoned,
from the tasks' own seconds and from what Airflow adds to each of them (scheduler.py), and shown as reckoned.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

# Airflow reads these when it is first imported.
HOME = Path(os.environ.get("SLIPWAY_FLEET_HOME") or tempfile.mkdtemp(prefix="slipway-fleet-"))
ROOT = Path(__file__).resolve().parents[1]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(HOME / "logs"),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

from common import RESULTS, Result, machine, note, record  # noqa: E402
from fleet import CLUSTER_PORT, DAGS, DUE_SECONDS, REGIONS, Builder, describe  # noqa: E402

from rehearsal.cloud import Cloud  # noqa: E402

SLOTS = (8, 16, 64)
# What a task costs beside its own seconds, where scheduler.py has not been run: its turn, process and imports.
ADDED_SECONDS = 1.5


def observe(dag_id: str, run: Any, seconds: float) -> dict[str, Any]:
    """Counts, seconds and bytes of one run."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    by_task: dict[str, list[float]] = defaultdict(list)
    states: dict[str, int] = defaultdict(int)
    for ti in run.get_task_instances():
        states[str(ti.state)] += 1
        by_task[ti.task_id].append(float(ti.duration or 0.0))
    with create_session() as session:
        size = func.length(XComModel.value)
        asked = select(func.count(), func.coalesce(func.sum(size), 0), func.coalesce(func.max(size), 0))
        rows, total, largest = session.execute(asked.where(XComModel.run_id == run.run_id)).one()
    return {
        "dag": dag_id,
        "state": str(run.state),
        "seconds_one_after_the_other": round(seconds, 1),
        "tasks": sum(states.values()),
        "states": dict(states),
        "seconds": {task: round(sum(one) / len(one), 3) for task, one in by_task.items()},
        "counts": {task: len(one) for task, one in by_task.items()},
        "xcom_rows": rows,
        "xcom_bytes": total,
        "largest_xcom_bytes": largest,
    }


def reckoned(seen: dict[str, Any], slots: int, added: float) -> float:
    """Wall time with so many slots: each task's instances in rounds of as many as there are slots."""
    return sum(math.ceil(count / slots) * (seen["seconds"][task] + added) for task, count in seen["counts"].items())


def calls(aws: str) -> int:
    """Calls to AWS so far."""
    with urllib.request.urlopen(f"{aws}/_rehearsal/stats", timeout=30) as answer:  # noqa: S310 - loopback
        return sum(int(entry["count"]) for entry in json.load(answer)["calls"].values())


def measure(dag_id: str, aws: str, platforms: int, added: float) -> dict[str, Any]:
    """Parse one DAG, run it, record it."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    began = time.perf_counter()
    bag = DagBag(str(ROOT / "dags" / f"{dag_id}.py"))
    parsed = time.perf_counter() - began
    assert not bag.import_errors, bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    before, began = calls(aws), time.perf_counter()
    run = bag.dags[dag_id].test()
    seen = observe(dag_id, run, time.perf_counter() - began)
    seen |= {"parse_seconds": round(parsed, 2), "aws_calls": calls(aws) - before}
    seen["reckoned_wall_seconds"] = {str(slots): round(reckoned(seen, slots, added), 1) for slots in SLOTS}
    seen["peak_megabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    name = f"fleet-{dag_id}-{platforms}-reckoned"
    wall = seen["reckoned_wall_seconds"]["16"]
    setting = "16 slots, reckoned from its tasks"
    label = f"{dag_id} over {platforms} platforms"
    record(Result(name, label, "time until its next run is due", wall, DUE_SECONDS[dag_id], 1, "at most 0.8", setting))
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen["states"].items()))
    note(
        name,
        f"{seen['tasks']} tasks ({states}) took {seen['seconds_one_after_the_other']:.0f} s one after the other in one "
        f"process; {seen['aws_calls']} calls of AWS; {seen['xcom_rows']} XComs of {seen['xcom_bytes'] / 1024:.0f} KiB, "
        f"the largest {seen['largest_xcom_bytes']} bytes; process {seen['peak_megabytes']} MB at its peak; with "
        f"{added:.1f} s added to each task",
    )
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=50)
    parser.add_argument("--dags", default=",".join(DAGS))
    options = parser.parse_args()
    turn = RESULTS / "scheduler-chain.json"
    added = float(json.loads(turn.read_text())["ours_seconds"]) if turn.exists() else ADDED_SECONDS
    platforms = options.environments * len(REGIONS)
    document: dict[str, Any] = {"platforms": platforms, "added_seconds": added, "machine": machine()}
    kept = RESULTS.parent / f"fleet-inside-{platforms}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    names = describe(HOME / "include", options.environments)
    os.environ["SLIPWAY_INCLUDE_DIR"] = str(HOME / "include")
    with Cloud(aws_port=0, kubernetes_port=CLUSTER_PORT + 2000, admin_port=0, speed=100_000) as cloud:
        os.environ.update(cloud.env)
        aws = cloud.env["AWS_ENDPOINT_URL"]
        began = time.monotonic()
        builder = Builder(aws)
        for name in names:
            for region in REGIONS:
                builder.make(name, region)
        sys.stdout.write(f"{platforms} platforms made in {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.utils.db import initdb

        initdb()
        DagBundlesManager().sync_bundles_to_db()
        for dag_id in options.dags.split(","):
            document[dag_id] = measure(dag_id, aws, platforms, added)
            # What was measured stays, whatever becomes of the next one.
            kept.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(document[dag_id]["state"] == "success" for dag_id in options.dags.split(",")) else 1


if __name__ == "__main__":
    sys.exit(main())
