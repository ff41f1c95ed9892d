"""A deploy against a plain script that makes the same calls with boto3 and kubectl and waits: the floor.

Both build an environment of their own, like dev, on one rehearsal cloud, in turns. Slipway's time is the DAG run's, so
Airflow is up before; the script's (plain.py) begins after its imports.

    python benchmarks/floor.py [--stages infrastructure,base-services] [--rounds 1] [--first-port 6820]

REHEARSAL_SPEED says how much faster than AWS the cloud works (60): the faster, the more of the time is Airflow's own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import yaml
from airflow_stack import Shape, Stack, stack
from common import RESULTS, ROOT, Result, note, record

from rehearsal.run import slots

FIRST_PORT = 6820
AIM = "at most 1.5"
LIMIT = 1500.0
DAG = "platform_deploy"


def describe(include: Path, names: list[str]) -> None:
    """Copy ``include/`` with one environment of each name, each like dev and with dev's overlays."""
    shutil.copytree(ROOT / "include", include)
    like = yaml.safe_load((include / "environments" / "dev.yaml").read_text())
    for number, name in enumerate(names):
        cidr = {"cidr": f"10.{30 + number}.0.0/16"}
        text = {**like, "name": name, "network": {**like["network"], **cidr}}
        (include / "environments" / f"{name}.yaml").write_text(yaml.safe_dump(text))
        for overlay in include.glob("manifests/*/*/overlays/dev"):
            shutil.copytree(overlay, overlay.with_name(name))


def plainly(found: Stack, environment: str, stages: list[str], folder: Path) -> float:
    """Seconds of the script."""
    folder.mkdir()
    env = {**os.environ, **found.run.env, "PLAIN_FOLDER": str(folder)}
    command = [sys.executable, str(ROOT / "benchmarks" / "plain.py"), environment, *stages]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def deployed(found: Stack, environment: str, stages: list[str]) -> float:
    """Seconds of the DAG run."""
    run_id, state = found.run_dag(DAG, {"environment": environment, "stages": stages}, LIMIT)
    if state != "success":
        rows = found.query(
            "select task_id from task_instance where dag_id=%s and run_id=%s and state='failed'", DAG, run_id
        )
        raise RuntimeError(f"the deploy of {environment} ended {state}: {rows}; {found.settings.logs}")
    keep_stays(found, run_id)
    rows = found.query(
        "select extract(epoch from end_date - start_date) from dag_run where dag_id=%s and run_id=%s", DAG, run_id
    )
    return float(rows[0][0])


def keep_stays(found: Stack, run_id: str) -> None:
    """Keep how long each task was in a worker, turn by turn, for realtime.py; of mapped tasks the longest."""
    by_task: dict[tuple[str, int], list[float]] = defaultdict(list)
    for stay in sorted(slots.stays(found.run.api.events(run_id)), key=lambda one: one.begin):
        if stay.state == slots.RUNNING:
            by_task[stay.task].append(round(stay.seconds, 2))
    stays: dict[str, list[float]] = {}
    for (task, _), turns in by_task.items():
        stays[task] = max(stays.get(task, []), turns, key=sum)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    (RESULTS.parent / "deploy-stays.json").write_text(json.dumps(stays, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default="infrastructure,base-services")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--first-port", type=int, default=FIRST_PORT)
    options = parser.parse_args()
    stages = options.stages.split(",")
    speed = float(os.environ.get("REHEARSAL_SPEED") or 60)
    mine: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        include = Path(scratch) / "include"
        pairs = [(f"plain{number}", f"ours{number}") for number in range(options.rounds)]
        describe(include, [name for pair in pairs for name in pair])
        env = {"SLIPWAY_INCLUDE_DIR": str(include), "REHEARSAL_SPEED": f"{speed:g}"}
        with stack(Path(scratch) / "run", options.first_port, Shape(slots=8), env) as found:
            found.wait_parsed(DAG)
            for number, (plain, ours) in enumerate(pairs):
                theirs.append(plainly(found, plain, stages, Path(scratch) / f"plain{number}"))
                mine.append(deployed(found, ours, stages))
                sys.stdout.write(f"round {number}: script {theirs[-1]:.1f} s, Slipway {mine[-1]:.1f} s\n")
                sys.stdout.flush()
            memory = ", ".join(f"{name} {size:.0f} MB" for name, size in sorted(found.memory.items()))
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    name = f"floor-{'-'.join(stages)}-{speed:g}"
    record(
        Result(
            name,
            f"deploy ({', '.join(stages)})",
            "the same calls by boto3 and kubectl",
            statistics.median(mine),
            statistics.median(theirs),
            options.rounds,
            AIM,
            f"rehearsal, {speed:g} times real time",
            spread=(min(ratios), max(ratios)),
        )
    )
    note(name, f"peak memory meanwhile, with all tasks: {memory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
