"""A running platform as its checks see it: kubectl, the checks' own pods, Prometheus, and ways to break what runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.catalog.render import image_for, render
from slipway.decisions.checks import main_image, proof_in
from slipway.hooks import check_pods
from slipway.model.component import Check, Component

ROOT = Path(__file__).parents[2]
RUN_DIR = Path(os.environ.get("SLIPWAY_RUN_DIR") or ROOT / ".run")
DEADLINE_SECONDS = 420
PASSED, SKIPPED = 0, 100
Found = TypeVar("Found")


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    :ivar code: of its container; 100 means that it could not run here.
    :ivar proof: what it proved, with its numbers; None unless it said so.
    """

    code: int
    output: str
    proof: dict[str, Any] | None


class Running:
    """The platform of ``make run CLUSTER=real``.

    :param folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "dataplane.kubeconfig"
        self._folder = folder
        self._platform = load_platform("dev", None)
        self._components = load_components()

    def require(self) -> None:
        """Fail unless the platform is there.

        :raises AssertionError: with what to start.
        """
        usual = self._folder / "kubeconfig"
        tokens = list(self._folder.glob("cloud/kubernetes/*/admin-token"))
        assert tokens, f"no platform runs in {self._folder}: start make run CLUSTER=real"
        # The usual one asks STS by a process of its own at every call, which takes longer than most calls.
        known = yaml.safe_load(usual.read_text())
        known["users"] = [{"name": one["name"], "user": {"token": tokens[0].read_text()}} for one in known["users"]]
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(known))
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        runtimes = {one["status"]["nodeInfo"]["containerRuntimeVersion"] for one in nodes}
        assert runtimes, "the cluster has no nodes"
        assert all(one.startswith("containerd://") for one in runtimes), f"its nodes are simulated: {runtimes}"

    def kubectl(self, *words: str, stdin: Any = None, seconds: float = 120) -> str:
        """What kubectl prints.

        :raises AssertionError: it failed; the message is kubectl's own.
        """
        beside = Path(sys.executable).with_name("kubectl")
        command = [str(beside) if beside.is_file() else "kubectl", f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(
            command,
            input=json.dumps(stdin) if stdin else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def component(self, name: str) -> Component:
        """A component as Git has it."""
        return self._components[name]

    def checks(self) -> Iterator[tuple[Component, Check]]:
        """Every check of every enabled component."""
        disabled = self._platform.environment.components.disabled
        for component in self._components.values():
            if component.name not in disabled:
                yield from ((component, check) for check in component.spec.checks)

    def check(self, component: str, check: str, **env: str) -> Outcome:
        """Run a check in its pod, as a deploy does.

        :param env: variables that replace the check's own, those from secrets included.
        """
        owner = self.component(component)
        (found,) = (one for one in owner.spec.checks if one.name == check)
        secret = {name: source for name, source in found.secret_env.items() if name not in env}
        found = found.model_copy(update={"env": {**found.env, **env}, "secret_env": secret})
        image = found.image or main_image(owner, render(owner, self._platform))
        name = f"{f'check-{component}-{check}'[:50].rstrip('-')}-{uuid.uuid4().hex[:8]}"
        pod = check_pods.manifest(
            name,
            owner,
            found,
            image=image_for(image, self._platform),
            region=self._platform.region,
            tolerations=(),
            more_labels={},
            deadline_seconds=DEADLINE_SECONDS,
        )
        self.kubectl("create", "-f", "-", stdin=pod)
        where = ("-n", owner.spec.namespace)
        try:
            status = self._ended(name, where)
            output = self.kubectl("logs", *where, name) if status.get("containerStatuses") else ""
        finally:
            self.kubectl("delete", "pod", *where, name, "--grace-period=0", "--wait=false")
        statuses = status.get("containerStatuses") or [{}]
        code = statuses[0].get("state", {}).get("terminated", {}).get("exitCode", -1)
        return Outcome(code, output, proof_in(output.splitlines(), check))

    def _ended(self, pod: str, where: tuple[str, ...]) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            status: dict[str, Any] = json.loads(self.kubectl("get", "pod", *where, pod, "-o", "json"))["status"]
            return status if status.get("phase") in {"Succeeded", "Failed"} else None

        return eventually(ended, DEADLINE_SECONDS + 60, pause=2)

    @contextmanager
    def scaled(self, namespace: str, workload: str, replicas: int) -> Iterator[None]:
        """Have another number of replicas for a while, and all of the usual ones Ready again afterwards.

        :param workload: ``statefulset/kafka`` or ``deployment/...``.
        """
        where = ("-n", namespace, workload)
        usual = self.kubectl("get", *where, "-o", "jsonpath={.spec.replicas}")
        selector = self._selector(namespace, workload)
        self.kubectl("scale", *where, f"--replicas={replicas}")
        try:
            eventually(lambda: len(self._pods(namespace, selector)) <= replicas, 180)
            yield
        finally:
            self.kubectl("scale", *where, f"--replicas={usual}")
            self.settled(namespace, workload)

    def settled(self, namespace: str, workload: str) -> None:
        """Return when a workload has all its replicas."""
        self.kubectl("rollout", "status", "-n", namespace, workload, "--timeout=400s", seconds=420)

    def _selector(self, namespace: str, workload: str) -> str:
        labels = json.loads(self.kubectl("get", "-n", namespace, workload, "-o", "json"))["spec"]["selector"]
        return ",".join(f"{key}={value}" for key, value in labels["matchLabels"].items())

    def _pods(self, namespace: str, selector: str) -> list[str]:
        return self.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "name").split()

    @cached_property
    def simulated(self) -> set[str]:
        """Components whose pods are simulated for want of an image."""
        pods = json.loads(self.kubectl("get", "pods", "-A", "-l", "slipway.dev/simulated", "-o", "json"))["items"]
        labels = [one["metadata"]["labels"] for one in pods]
        return {one["slipway.dev/component"] for one in labels if one.get("slipway.dev/role") != "check"}

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[httpx.Client]:
        """An HTTP client for a port of a pod or Service."""
        beside = Path(sys.executable).with_name("kubectl")
        command = [str(beside), f"--kubeconfig={self.kubeconfig}", "port-forward", "-n", namespace, target, f":{port}"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", child.stdout.readline())
            assert found, f"port-forward to {target} did not begin"
            with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=60, trust_env=False) as client:
                yield client
        finally:
            child.terminate()
            child.communicate(timeout=20)


def eventually(ask: Callable[[], Found | None], seconds: float, pause: float = 1) -> Found:
    """The first answer that is true.

    :raises AssertionError: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"not so within {seconds:.0f} s; last answer {found!r}"
        time.sleep(pause)


def failed_with(outcome: Outcome, *words: str) -> None:
    """The check failed, proved nothing, and its message has what a person needs to act.

    :raises AssertionError: otherwise.
    """
    assert outcome.code not in (PASSED, SKIPPED), f"it ended with {outcome.code}:\n{outcome.output}"
    assert outcome.proof is None, outcome.output
    missing = [word for word in words if not re.search(word, outcome.output)]
    assert not missing, f"its message lacks {missing}:\n{outcome.output}"


def proved(outcome: Outcome, **wanted: Any) -> None:
    """The check passed and proved these numbers.

    :raises AssertionError: otherwise.
    """
    assert outcome.code == PASSED, outcome.output
    proof: Mapping[str, Any] = outcome.proof or {}
    assert {key: proof.get(key) for key in wanted} == wanted, proof
