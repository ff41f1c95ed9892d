"""Images whose program can be run on this machine.

A runner is registered for an image repository and runs a container's command and arguments as a local
process, nothing else of the image. Everything without a runner is simulated or refused by the kubelet.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from rehearsal.kubernetes.kubelet.logs import ContainerLog
from rehearsal.kubernetes.kubelet.references import expand
from rehearsal.kubernetes.objects import Obj

NOT_RUNNABLE = 100
_LONGEST = 600.0
_KILLED = 137


@dataclass(frozen=True)
class Launch:
    """One container to run.

    :ivar environment: its ``env`` with references resolved.
    :ivar kubeconfig: makes a kubeconfig with the pod's service account token, None without a token.
    :ivar seconds: the longest it may run.
    """

    container: Obj
    environment: dict[str, str]
    kubeconfig: Callable[[], Obj | None]
    seconds: float


class NotRunnable(Exception):
    """The command needs more of the image than its one program."""


class KubectlRunner:
    """``registry.k8s.io/kubectl``: the image holds kubectl alone, so kubectl alone is run."""

    repository = "registry.k8s.io/kubectl"
    _program = "kubectl"

    def argv(self, container: Obj) -> list[str]:
        """The process arguments.

        :raises NotRunnable: when the command is another program.
        """
        words = [*(container.get("command") or [self._program]), *(container.get("args") or [])]
        if Path(words[0]).name != self._program:
            raise NotRunnable(f"{words[0]} is not in the image {container['image']}")
        return words[1:]

    def executable(self) -> str:
        """The kubectl of this Python environment.

        :raises NotRunnable: when there is none.
        """
        beside = Path(sys.executable).parent / self._program
        found = str(beside) if beside.exists() else shutil.which(self._program)
        if not found:
            raise NotRunnable("kubectl is not installed beside this Python")
        return found

    async def run(self, launch: Launch, log: ContainerLog) -> int:
        """Run to the end; output goes to the log.

        :returns: the exit code; 137 after the time limit.
        :raises NotRunnable: when it cannot be started.
        """
        arguments = [expand(word, launch.environment) for word in self.argv(launch.container)]
        with tempfile.TemporaryDirectory(prefix="rehearsal-pod-") as home:
            environment = {**launch.environment, "HOME": home, "PATH": os.defpath}
            config = launch.kubeconfig()
            if config is not None:
                path = Path(home, "kubeconfig")
                path.touch(mode=0o600)
                path.write_text(yaml.safe_dump(config))
                environment["KUBECONFIG"] = str(path)
            process = await asyncio.create_subprocess_exec(
                self.executable(),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                cwd=home,
            )
            return await _finish(process, launch.seconds, log)


async def _finish(process: asyncio.subprocess.Process, seconds: float, log: ContainerLog) -> int:
    async def copy() -> None:
        if process.stdout is not None:
            async for line in process.stdout:
                log.write(line.decode(errors="replace").rstrip("\n"))

    try:
        async with asyncio.timeout(min(seconds, _LONGEST)):
            await copy()
            return await process.wait()
    except TimeoutError:
        log.write(f"rehearsal: stopped after {min(seconds, _LONGEST):.0f} s")
        return _KILLED
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


RUNNERS = {KubectlRunner.repository: KubectlRunner()}


def runner_for(image: str) -> KubectlRunner | None:
    """The runner of an image, by its repository; any tag or digest."""
    repository = image.split("@")[0]
    head, slash, tail = repository.rpartition("/")
    return RUNNERS.get(head + slash + tail.split(":")[0])
