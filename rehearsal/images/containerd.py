"""Images into containerd, through its own client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from rehearsal.images import archive
from rehearsal.images.layers import Built
from rehearsal.images.table import Image

ADDRESS_VARIABLE = "CONTAINERD_ADDRESS"
NAMESPACE = "k8s.io"
_SECONDS = 600
_ATTEMPTS = 2
"""containerd's garbage collector may take a layer away that an import is about to build upon; the next one sends it."""


class ContainerdError(RuntimeError):
    """containerd is not there or refused; the message says what it said."""


class Containerd:
    """One containerd and the namespace that its kubelet uses.

    :param address: its socket; by default what ``CONTAINERD_ADDRESS`` says, else the system's.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address or os.environ.get(ADDRESS_VARIABLE) or "/run/containerd/containerd.sock"

    def command(self, *arguments: str) -> list[str]:
        """A call of ``ctr`` for this containerd."""
        return ["ctr", f"--address={self._address}", f"--namespace={NAMESPACE}", *arguments]

    def digests(self) -> dict[str, str]:
        """Reference -> digest of the images that are there.

        :raises ContainerdError: containerd does not answer.
        """
        rows = self._call("images", "list").decode().splitlines()[1:]
        return {row.split()[0]: row.split()[2] for row in rows}

    def ensure(self, image: Image, layers: Sequence[Built]) -> bool:
        """Have the image; returns whether it had to be imported.

        :raises ContainerdError: containerd does not answer or refuses the image.
        """
        if self.digests().get(image.reference) == archive.digest(image, layers):
            return False
        said = ""
        for _ in range(_ATTEMPTS):
            ended, said = self._import(image, layers)
            if ended == 0:
                return True
        raise ContainerdError(f"{image.name} was not imported: {said.strip()[-1000:]}")

    def _import(self, image: Image, layers: Sequence[Built]) -> tuple[int, str]:
        call = self.command("images", "import", "-")
        process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - likewise
        try:
            archive.write(image, layers, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # ctr gave up; its output says why
        said = process.stdout.read().decode()
        return process.wait(timeout=_SECONDS), said

    def _call(self, *arguments: str) -> bytes:
        if not shutil.which("ctr"):
            raise ContainerdError("ctr is not installed; it comes with containerd (apt-get install containerd)")
        done = subprocess.run(self.command(*arguments), capture_output=True, check=False, timeout=_SECONDS)
        if done.returncode != 0:
            raise ContainerdError(f"containerd at {self._address} does not answer: {done.stderr.decode().strip()}")
        return done.stdout
