"""A platform's life on real nodes, step by step, with a record of what each step did.

    make run CLUSTER=real                                        in one terminal, with SLIPWAY_INCLUDE_DIR (below)
    python -m rehearsal.node.life deploy again drift change rollback teardown     in another: these steps, in this order
    python -m rehearsal.node.life first                                           record what make run itself deployed
    python -m rehearsal.node.life table                          write the record into docs/real-deploy.md

The record is ``life.json`` in the run's folder. It is read from what Airflow keeps of the runs: what tasks returned,
which for checks is their result with its numbers. `change` edits a copy of ``include``, which both terminals name by
SLIPWAY_INCLUDE_DIR; `copy` makes it. The repository's own is never edited.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.node import life_table
from rehearsal.run.api import AirflowApi
from rehearsal.run.cloud import write_kubeconfig
from rehearsal.run.settings import ROOT, RunError, Settings, read_settings

POLL_SECONDS = 3.0
INCLUDE = "SLIPWAY_INCLUDE_DIR"
Step = dict[str, Any]
_FINAL = {"success", "failed"}
# What `change` changes: something that rolls pods and is proven by checks.
CHANGED = Path("manifests/applications/maze/overlays/dev/kustomization.yaml")
_LIMIT = "memory: 288Mi", "memory: 320Mi"
# What `drift` does by hand: an edit that matters, and a deletion.
BY_HAND = (
    ("-n", "data", "scale", "deployment/stream-source", "--replicas=0"),
    ("-n", "monitoring", "delete", "service/blackbox-exporter"),
)


class Life:
    """The steps, against a rehearsal that is up."""

    def __init__(self, settings: Settings, stages: list[str]) -> None:
        self._settings = settings
        self._stages = stages
        self._api = AirflowApi(settings.airflow_url)
        self._path = settings.run_dir / "life.json"

    def do(self, name: str) -> Step:
        """Do one step and record it."""
        steps: Mapping[str, Callable[[], Step]] = {
            "first": self._first,
            "deploy": self._deploy,
            "again": self._deploy,
            "drift": self._drift,
            "change": self._change,
            "rollback": lambda: self._run("platform_rollback", components=["maze"], unattended=True),
            "teardown": lambda: self._run("platform_teardown", unattended=True, keep=[]),
        }
        done = steps[name]()
        kept = json.loads(self._path.read_text()) if self._path.is_file() else []
        self._path.write_text(json.dumps([*kept, {"step": name, **done}], indent=1))
        return done

    def _first(self) -> Step:
        run = self._api.first_run("platform_deploy")
        if run["state"] not in _FINAL:
            raise RunError(f"{run['dag_run_id']} has not ended: it is {run['state']}")
        return self._record(run, list(self._api.task_instances("platform_deploy", run["dag_run_id"], None)))

    def _deploy(self) -> Step:
        chosen: dict[str, Any] = {"stages": self._stages} if self._stages else {}
        return self._run("platform_deploy", **chosen)

    def _drift(self) -> Step:
        path, reason = write_kubeconfig(self._settings, os.environ)
        if path is None:
            raise RunError(reason)
        for words in BY_HAND:
            subprocess.run([_kubectl(), "--kubeconfig", str(path), *words], check=True, timeout=60)
        found = self._run("platform_drift", environment=None, reconcile="auto")
        after = self._run("platform_drift", environment=None, reconcile="suggest")
        return {**found, "by_hand": [" ".join(words) for words in BY_HAND], "after": after["said"]}

    def _change(self) -> Step:
        path = include() / CHANGED
        before = path.read_text()
        if _LIMIT[0] not in before:
            raise RunError(f"{path} does not have {_LIMIT[0]!r}: it was changed already, or is another version")
        path.write_text(before.replace(*_LIMIT))
        return self._run("platform_deploy", stages=["applications"])

    def _run(self, dag_id: str, environment: str | None = "", **conf: Any) -> Step:
        """Run a DAG to its end; returns what is to be said of it.

        :param environment: that of the settings unless given; None for none.
        """
        if environment is not None:
            conf["environment"] = environment or self._settings.environment
        for run_id in self._api.unfinished_runs(dag_id):
            self._api.end_run(dag_id, run_id)
        self._api.unpause(dag_id)
        run_id = self._api.trigger(dag_id, conf, "started by rehearsal.node.life")
        print(f"{dag_id} {run_id}", flush=True)
        said: set[tuple[str, int]] = set()
        while True:
            run = self._api.run(dag_id, run_id)
            tasks = list(self._api.task_instances(dag_id, run_id, None))
            self._tell(dag_id, run_id, tasks, said)
            if run["state"] in _FINAL:
                break
            time.sleep(POLL_SECONDS)
        return self._record(run, tasks)

    def _tell(self, dag_id: str, run_id: str, tasks: list[Step], said: set[tuple[str, int]]) -> None:
        for one in tasks:
            key = (one["task_id"], one["map_index"])
            if key in said or one["state"] not in {"success", "failed", "skipped", "upstream_failed"}:
                continue
            said.add(key)
            if one["state"] in {"upstream_failed", "skipped"} and ".check_" not in one["task_id"]:
                continue
            now = datetime.now(UTC)
            print(f"{now:%H:%M:%S} {one['state']:8} {one['duration'] or 0:6.1f} s  {one['task_id']}", flush=True)
            if one["state"] == "failed":
                self._why(dag_id, run_id, one)

    def _why(self, dag_id: str, run_id: str, task: Step) -> None:
        lines = self._api.log_lines(dag_id, run_id, task["task_id"], max(1, task["try_number"]), task["map_index"])
        for line in lines[-25:]:
            reasons = [str(one.get("exc_value", "")) for one in line.get("error_detail") or []]
            print("    " + " ".join([str(line.get("event", "")), *reasons])[:1500], flush=True)

    def _record(self, run: Step, tasks: list[Step]) -> Step:
        checks, changes, said = [], [], {}
        for one in tasks:
            if one["state"] not in {"success", "skipped", "failed"}:
                continue
            value = self._api.returned(run["dag_id"], run["dag_run_id"], one["task_id"], one["map_index"])
            if isinstance(value, dict) and "check" in value:
                checks.append({**value, "task": one["task_id"]})
            elif isinstance(value, list):
                changes += [item for item in value if isinstance(item, dict) and "action" in item]
            elif isinstance(value, dict) and "summary" in value:
                said[one["task_id"]] = value["summary"]
        states = [one["state"] for one in tasks]
        return {
            "dag": run["dag_id"],
            "run": run["dag_run_id"],
            "state": run["state"],
            "began": run["start_date"],
            "seconds": _seconds(run["start_date"], run["end_date"]),
            "stages": run["conf"].get("stages", []),
            "tasks": {state: states.count(state) for state in sorted({str(one) for one in states})},
            "components": {
                one["task_id"]: _seconds(one["start_date"], one["end_date"])
                for one in tasks
                if one["task_id"].endswith((".deploy", ".roll_back")) and one["state"] == "success"
            },
            "checks": checks,
            "changes": changes,
            "said": said,
        }


def include() -> Path:
    """The copy of ``include`` that may be edited.

    :raises RunError: none is named, or it is the repository's own.
    """
    named = os.environ.get(INCLUDE)
    if not named or Path(named).resolve() == ROOT / "include":
        raise RunError(f"set {INCLUDE} to a folder for a copy of include/, here and for make run")
    path = Path(named)
    if not path.exists():
        shutil.copytree(ROOT / "include", path)
    return path


def _kubectl() -> str:
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.is_file() else "kubectl"


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 1)


def main() -> int:
    """Do the named steps until one fails; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.node.life", epilog=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = ["copy", "first", "deploy", "again", "drift", "change", "rollback", "teardown", "table"]
    parser.add_argument("steps", nargs="+", choices=names)
    options = parser.parse_args()
    settings = read_settings()
    try:
        for name in options.steps:
            if name == "copy":
                include()
            elif name == "table":
                life_table.write(json.loads((settings.run_dir / "life.json").read_text()))
            elif Life(settings, list(settings.stages)).do(name)["state"] != "success":
                print(f"error: {name} failed", file=sys.stderr)
                return 1
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
