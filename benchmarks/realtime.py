"""A deploy in real time, simulated: the DAG's own graph, AWS' own durations, and what Airflow was measured to add.

    python benchmarks/realtime.py [--slots 8]

AWS takes what the rehearsal says it takes at a speed of 1 (stacks: the longest path through their template); pods take
their images' pulls and their probes. How long a task is in a worker before and after its wait is taken from the newest
run of floor.py, and how long it waits for its turn from scheduler.py; both were measured on a loaded machine. Waits are
noticed when the triggers look: that is modelled with their own pauses. Nothing runs here, and nothing waits.
"""

from __future__ import annotations

import argparse
import heapq
import importlib.util
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

import yaml
from common import RESULTS, ROOT, Result, machine, note, record

sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

AIM = "at most 1.05"
STAYS = RESULTS.parent / "deploy-stays.json"
# Of an apply or a call, where nothing was measured.
WORK_SECONDS = 3.0
TURN_SECONDS = 1.5
# CloudFormation works out a change set; a check's script runs.
CHANGE_SET_SECONDS = 6.0
CHECK_SECONDS = 8.0
READY_SECONDS = 3.0


@dataclass
class Task:
    """One task of the graph.

    :param waits: seconds of each wait, in order; between them it is in a worker.
    """

    waits: list[float] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    aws: bool = False


def stack_seconds(name: str) -> float:
    """The longest path through a template, by the durations of its resources."""
    from rehearsal.aws.cloudformation.durations import seconds

    class Loader(yaml.SafeLoader):
        pass

    def tagged(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return {suffix: loader.construct_scalar(node)}
        read = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
        return {suffix: read(node, deep=True)}

    Loader.add_multi_constructor("!", tagged)
    text = (ROOT / "include" / "cloudformation" / f"{name}.yaml").read_text()
    resources = yaml.load(text, Loader)["Resources"]  # noqa: S506 - a safe loader with tags that only nest
    needs = {
        key: {found for found in _names(one) if found in resources and found != key} for key, one in resources.items()
    }
    ends: dict[str, float] = {}
    for key in TopologicalSorter(needs).static_order():
        own = seconds(resources[key]["Type"], resources[key].get("Properties") or {})
        ends[key] = own + max((ends[need] for need in needs[key]), default=0.0)
    return max(ends.values())


def _names(value: Any) -> Iterator[str]:
    """Whatever may be a resource's name."""
    if isinstance(value, str):
        yield value.split(".")[0]
        yield from (found.split(".")[0] for found in re.findall(r"\$\{([\w.]+)\}", value))
    elif isinstance(value, Mapping):
        yield from (name for one in value.values() for name in _names(one))
    elif isinstance(value, list):
        yield from (name for one in value for name in _names(one))


def rollout_seconds(manifests: list[dict[str, Any]]) -> float:
    """How long a component's pods take: pulls, probes, and one after the other where a StatefulSet says so."""
    from rehearsal.kubernetes.kubelet.images import pull_seconds

    longest = 0.0
    for item in manifests:
        spec = item.get("spec") or {}
        if item["kind"] not in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            continue
        pod = spec["template"]["spec"]
        pulls = sum(pull_seconds(one["image"]) for one in pod.get("initContainers") or [])
        pulls += max(pull_seconds(one["image"]) for one in pod["containers"])
        ready = max(
            READY_SECONDS + ((one.get("readinessProbe") or {}).get("initialDelaySeconds") or 0)
            for one in pod["containers"]
        )
        ordered = item["kind"] == "StatefulSet" and spec.get("podManagementPolicy") != "Parallel"
        times = int(spec.get("replicas", 1)) if ordered else 1
        if times:
            longest = max(longest, pulls + times * ready)
    return longest


def graph() -> dict[str, Task]:
    """The deploy's tasks with what they wait for."""
    path = ROOT / "dags" / "platform_deploy.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    DagContext.current_autoregister_module_name = path.stem
    spec.loader.exec_module(module)
    dag = next(dag for dag, _ in DagContext.autoregistered_dags)
    tasks = {name: Task(needs=set(task.upstream_task_ids)) for name, task in dag.task_dict.items()}
    _aws_waits(tasks)
    _cluster_waits(tasks, dag.task_dict)
    return tasks


def _aws_waits(tasks: dict[str, Task]) -> None:
    from rehearsal.aws import durations

    seconds = {name: stack_seconds(name) for name in ("state", "encryption", "network", "identity", "audit", "budget")}
    group = durations.NODEGROUP_LAUNCH + durations.NODEGROUP_JOIN
    waits = {
        "acquire_lease": [CHANGE_SET_SECONDS, seconds.pop("state")],
        "infrastructure.cluster": [durations.CLUSTER_CREATE],
        "infrastructure.addons_before_nodes": [durations.ADDON_CREATE],
        "infrastructure.node_groups.node_group": [CHANGE_SET_SECONDS, stack_seconds("nodegroup"), group],
        "infrastructure.addons": [durations.ADDON_CREATE],
        **{f"infrastructure.{name}": [CHANGE_SET_SECONDS, one] for name, one in seconds.items()},
    }
    for name, found in waits.items():
        if name in tasks:
            tasks[name].waits, tasks[name].aws = found, True


def _cluster_waits(tasks: dict[str, Task], operators: Mapping[str, Any]) -> None:
    from slipway.catalog.environments import load_platform
    from slipway.catalog.render import render

    from rehearsal.kubernetes.kubelet.images import pull_seconds

    platform = load_platform("dev")
    rendered: dict[str, list[dict[str, Any]]] = {}
    for name, operator in operators.items():
        component, check = getattr(operator, "component", None), getattr(operator, "check", None)
        if component is None or component.name in platform.environment.components.disabled:
            continue
        objects = rendered.setdefault(component.name, list(render(component, platform)))
        if check is None:
            seconds = rollout_seconds(objects)
            tasks[name].waits = [seconds] if seconds else []
        else:
            # The component's own image is on its nodes already.
            pull = pull_seconds(check.image) if check.image else 1
            tasks[name].waits = [pull + CHECK_SECONDS]


def noticed(wait: float, first: float, growth: float, longest: float) -> float:
    """When a trigger that looks at growing intervals sees the end of a wait."""
    at, pause = 0.0, first
    while at < wait:
        at += pause
        pause = min(pause * growth, longest)
    return at


class Simulation:
    """Turns are taken first come, first served.

    :param slots: tasks at work at once.
    :param turn: seconds from when a task may go on until it does.
    :param stays: how long each task is at work, turn by turn.
    """

    def __init__(self, tasks: Mapping[str, Task], slots: int, turn: float, stays: Mapping[str, list[float]]) -> None:
        self._tasks = tasks
        self._free = slots
        self._turn = turn
        self._stays = stays
        self._usual = statistics.median([one for stay in stays.values() for one in stay]) if stays else WORK_SECONDS
        self._left = {name: set(task.needs) for name, task in tasks.items()}
        self._count = itertools.count()
        # (time, order, whether it gives a slot back rather than wants one, task, which of its turns)
        self._events: list[tuple[float, int, bool, str, int]] = []

    def run(self) -> dict[str, float]:
        """When each task ends."""
        ends: dict[str, float] = {}
        queue: list[tuple[str, int]] = []
        for name, needs in self._left.items():
            if not needs:
                self._push(self._turn, False, name, 0)
        while self._events:
            now, _, leaves, name, step = heapq.heappop(self._events)
            if not leaves:
                queue.append((name, step))
            else:
                self._free += 1
                self._after(now, name, step, ends)
            while queue and self._free:
                self._free -= 1
                self._work(now, *queue.pop(0))
        return ends

    def _push(self, at: float, leaves: bool, name: str, step: int) -> None:
        heapq.heappush(self._events, (at, next(self._count), leaves, name, step))

    def _work(self, now: float, name: str, step: int) -> None:
        measured = self._stays.get(name, [])
        self._push(now + (measured[step] if step < len(measured) else self._usual), True, name, step)

    def _after(self, now: float, name: str, step: int, ends: dict[str, float]) -> None:
        """It waits, or it is done and others may begin."""
        from slipway.triggers import component as of_pods
        from slipway.triggers import polling

        task = self._tasks[name]
        if step < len(task.waits):
            pauses = (polling.FIRST_PAUSE, polling.GROWTH, polling.LONGEST_PAUSE)
            if not task.aws:
                pauses = (of_pods.FIRST_POLL_SECONDS, of_pods.POLL_GROWTH, of_pods.LONGEST_POLL_SECONDS)
            self._push(now + noticed(task.waits[step], *pauses) + self._turn, False, name, step + 1)
            return
        ends[name] = now
        for follower, needs in self._left.items():
            if name in needs:
                needs.discard(name)
                if not needs:
                    self._push(now + self._turn, False, follower, 0)


def longest_chain(tasks: Mapping[str, Task]) -> tuple[float, list[str]]:
    """Seconds of the heaviest path of waits, and its tasks."""
    best: dict[str, tuple[float, list[str]]] = {}
    for name in TopologicalSorter({name: task.needs for name, task in tasks.items()}).static_order():
        before = max((best[need] for need in tasks[name].needs), default=(0.0, []))
        own = sum(tasks[name].waits)
        best[name] = (before[0] + own, [*before[1], name] if own else before[1])
    return max(best.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=8)
    options = parser.parse_args()
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp())
    stays: dict[str, list[float]] = json.loads(STAYS.read_text()) if STAYS.exists() else {}
    turn_file = RESULTS / "scheduler-chain.json"
    turn = float(json.loads(turn_file.read_text())["ours_seconds"]) if turn_file.exists() else TURN_SECONDS
    tasks = graph()
    gate = "infrastructure.gate"
    inside = {name: task for name, task in tasks.items() if _leads_to(tasks, name, gate)}
    foundation = {name: task for name, task in inside.items() if task.aws or not task.waits}
    document: dict[str, Any] = {"turn_seconds": turn, "slots": options.slots, "machine": machine()}
    parts = (
        ("aws", "deploy in real time up to the last AWS wait, simulated", _closed(foundation)),
        ("all", "deploy in real time, all stages, simulated", dict(tasks)),
    )
    for key, what, some in parts:
        ends = Simulation(some, options.slots, turn, stays).run()
        wall = max(ends.values())
        seconds, chain = longest_chain(some)
        record(
            Result(
                f"realtime-{key}", what, "longest chain of waits", wall, seconds, 1, AIM, "simulated, 1 times real time"
            )
        )
        links = ", ".join(
            f"{name.rpartition('.')[2] if some[name].aws else name} {sum(some[name].waits):.0f} s" for name in chain
        )
        source = "measured" if stays else f"not measured, taken as {WORK_SECONDS:g} s"
        note(f"realtime-{key}", f"{turn:.1f} s for a turn; work {source}; chain: {links}")
        document[key] = {
            "wall": wall,
            "waits": seconds,
            "chain": {name: some[name].waits for name in chain},
            "ends": ends,
        }
    (RESULTS.parent / "realtime.json").write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _leads_to(tasks: Mapping[str, Task], name: str, end: str) -> bool:
    seen, todo = set(), [end]
    while todo:
        one = todo.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            todo += tasks[one].needs
    return False


def _closed(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The same without needs that lie outside."""
    return {name: Task(task.waits, task.needs & tasks.keys(), task.aws) for name, task in tasks.items()}


if __name__ == "__main__":
    sys.exit(main())
