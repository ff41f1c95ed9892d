"""A deploy's wall time against the longest chain of waits in it: what Airflow and this project add.

    python benchmarks/deploy.py                               starts a rehearsal of its own in an empty folder
    python benchmarks/deploy.py --airflow URL --aws URL       reads the newest run of one that is up (`make run`)

It takes STAGES, ENVIRONMENT and REHEARSAL_SPEED as `make run` does. Waits are weighed by what the cloud took: stacks by
their events, cluster, node groups and add-ons by the rehearsal's durations, divided by its speed. Components and checks
count with the time they were deferred, as nothing else says how long their pods took. Seconds in a worker are those
between Airflow's audit events ``running`` and ``deferred`` (or the end).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any

import boto3
import httpx
from common import ROOT, Result, note, record

from rehearsal.aws import durations
from rehearsal.run import slots
from rehearsal.run.api import AirflowApi
from rehearsal.run.settings import PORTS

DAG = os.environ.get("DAG") or "platform_deploy"
AIM = "at most 1.5"
FIRST_PORT = 6920
LIMIT_SECONDS = 3600
# What AWS takes over one task, in real seconds; stacks are asked instead.
AWS_SECONDS = {
    "infrastructure.cluster": durations.CLUSTER_CREATE,
    "infrastructure.addons_before_nodes": durations.ADDON_CREATE,
    "infrastructure.node_groups.node_group": durations.NODEGROUP_LAUNCH + durations.NODEGROUP_JOIN,
    "infrastructure.addons": durations.ADDON_CREATE,
}


@dataclass
class Spent:
    """Seconds of one task, over all attempts; mapped tasks count with the longest of them."""

    working: float = 0.0
    deferred: float = 0.0


class Airflow:
    """The few questions to Airflow's REST API."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=f"{url}/api/v2", timeout=60, trust_env=False)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """One answer."""
        answer = self._client.get(path, params=params)
        answer.raise_for_status()
        return dict(answer.json())

    def newest_run(self) -> dict[str, Any] | None:
        """The run that was triggered last; ``None`` while there is none."""
        runs = self.get(f"/dags/{DAG}/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
        return runs[0] if runs else None

    def graph(self) -> dict[str, set[str]]:
        """For each task those it waits for."""
        tasks = self.get(f"/dags/{DAG}/tasks")["tasks"]
        needs: dict[str, set[str]] = {task["task_id"]: set() for task in tasks}
        for task in tasks:
            for follower in task["downstream_task_ids"]:
                needs[follower].add(task["task_id"])
        return needs

    def spent(self, run_id: str) -> dict[str, Spent]:
        """Seconds in a worker and deferred, by task."""
        api = AirflowApi(self._url)
        by_task: dict[slots.Key, Spent] = defaultdict(Spent)
        for stay in slots.stays(api.events(run_id)):
            one = by_task[stay.task]
            if stay.state == slots.RUNNING:
                one.working += stay.seconds
            else:
                one.deferred += stay.seconds
        api.close()
        found: dict[str, Spent] = defaultdict(Spent)
        for (task, _), one in by_task.items():
            both = found[task]
            found[task] = Spent(max(both.working, one.working), max(both.deferred, one.deferred))
        return found


def stack_seconds(aws: str, environment: str) -> dict[str, float]:
    """How long each stack took, by the task that makes it."""
    credentials = {"aws_access_key_id": "rehearsal", "aws_secret_access_key": "rehearsal"}
    cloudformation = boto3.client("cloudformation", region_name="us-east-1", endpoint_url=aws, **credentials)
    prefix = f"slipway-{environment}-"
    found: dict[str, float] = {}
    for stack in cloudformation.describe_stacks()["Stacks"]:
        name = stack["StackName"]
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
        times = [
            event["Timestamp"]
            for page in pages
            for event in page["StackEvents"]
            if event["ResourceStatus"] in {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}
        ]
        if times and name.startswith(prefix):
            found[f"infrastructure.{name.removeprefix(prefix)}"] = (max(times) - min(times)).total_seconds()
    return found


def longest_chain(needs: Mapping[str, set[str]], weights: Mapping[str, float]) -> tuple[float, list[str]]:
    """Seconds and tasks of the heaviest path; only tasks that weigh something are named."""
    best: dict[str, tuple[float, list[str]]] = {}
    for task in TopologicalSorter(needs).static_order():
        before = max((best[need] for need in needs[task]), default=(0.0, []))
        weight = weights.get(task, 0.0)
        best[task] = (before[0] + weight, [*before[1], task] if weight else before[1])
    return max(best.values())


def report(airflow: Airflow, aws: str, speed: float, environment: str) -> bool:
    """Record the newest run, which has ended; returns whether it succeeded, as only then it says anything."""
    run = airflow.newest_run()
    if run is None or run["state"] != "success":
        sys.stderr.write(f"The newest run of {DAG} is {run['state'] if run else 'not there'}: nothing is recorded.\n")
        return False
    wall = (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()
    spent = airflow.spent(run["dag_run_id"])
    cloud = {task: seconds / speed for task, seconds in AWS_SECONDS.items() if spent[task].deferred}
    cloud |= stack_seconds(aws, environment)
    weights = cloud | {task: one.deferred for task, one in spent.items() if not task.startswith("infrastructure.")}
    seconds, chain = longest_chain(airflow.graph(), weights)
    if not chain:
        sys.stderr.write("The run waited for nothing (was everything there already?): nothing is recorded.\n")
        return False
    stages = (run["conf"] or {}).get("stages")
    what = f"deploy ({', '.join(stages)})" if stages else "deploy (all stages)"
    name = f"deploy-{'-'.join(stages) if stages else 'all'}-{speed:g}"
    record(Result(name, what, "longest chain of waits", wall, seconds, 1, AIM, f"rehearsal, {speed:g} times real time"))
    waiting = {task: one for task, one in spent.items() if one.deferred}
    links = ", ".join(f"{task.rpartition('.')[2]} {weights[task]:.0f} s" for task in chain)
    note(
        name,
        f"{len(waiting)} waiting tasks were deferred for {sum(one.deferred for one in waiting.values()):.0f} s "
        f"and in workers for {sum(one.working for one in waiting.values()):.0f} s, before and after their waits; "
        f"chain: {links}",
    )
    for task, one in sorted(waiting.items()):
        sys.stdout.write(f"  {one.working:7.1f} s in a worker {one.deferred:7.1f} s deferred  {task}\n")
    return True


@contextmanager
def rehearsal(first_port: int) -> Iterator[tuple[str, str]]:
    """Start a run of the rehearsal in an empty folder; gives the addresses of Airflow and AWS."""
    ports = {name: str(first_port + number) for number, name in enumerate(PORTS)}
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, **ports, "SLIPWAY_RUN_DIR": folder}
        env.pop("ONESHOT", None)
        env["PYTHONPATH"] = f"{ROOT / 'plugins'}:{ROOT}"
        with subprocess.Popen([sys.executable, "-m", "rehearsal.run"], cwd=ROOT, env=env) as child:
            try:
                airflow = Airflow(f"http://127.0.0.1:{ports['AIRFLOW_PORT']}")
                _wait(airflow, child)
                yield f"http://127.0.0.1:{ports['AIRFLOW_PORT']}", f"http://127.0.0.1:{ports['REHEARSAL_AWS_PORT']}"
            finally:
                child.send_signal(signal.SIGINT)


def _wait(airflow: Airflow, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"the rehearsal ended with code {child.returncode}; its messages are above")
        try:
            run = airflow.newest_run()
            if run and run["state"] in {"success", "failed"}:
                return
        except httpx.HTTPError:
            pass  # not up yet
        time.sleep(2)
    raise RuntimeError(f"the run did not end within {LIMIT_SECONDS} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--airflow", help="of a rehearsal that is up, for example http://127.0.0.1:8080")
    parser.add_argument("--aws", default="http://127.0.0.1:5555", help="the rehearsal's AWS API")
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="of seven for a rehearsal of its own")
    options = parser.parse_args()
    speed = float(os.environ.get("REHEARSAL_SPEED") or 60)
    environment = os.environ.get("ENVIRONMENT") or "dev"
    if options.airflow:
        return 0 if report(Airflow(options.airflow), options.aws, speed, environment) else 1
    with rehearsal(options.first_port) as (airflow, aws):
        return 0 if report(Airflow(airflow), aws, speed, environment) else 1


if __name__ == "__main__":
    sys.exit(main())
