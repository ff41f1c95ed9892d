"""The images every node begins with: one containerd root, filled once from what `make images` has built."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.images.containerd import Containerd, ContainerdError
from rehearsal.images.layers import Built, Layers
from rehearsal.images.sources import SourceError
from rehearsal.images.table import Image, Nearness, TableError, load
from rehearsal.node.configuration import PAUSE
from rehearsal.node.simulation import BUSYBOX

COREDNS = "registry.k8s.io/coredns/coredns:v1.14.2"
# Without these no pod starts and no name resolves; everything else may be missing.
REQUIRED = (PAUSE, COREDNS, BUSYBOX)
_START_SECONDS = 30.0
_LIST = "images.txt"


class StoreError(RuntimeError):
    """containerd did not start, or an image that every node needs could not be had."""


def default_folder() -> Path:
    """In the cache, outside the repository."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "slipway" / "images" / "containerd"


def fill(folder: Path) -> list[str]:
    """Import the images that are built and not in the store yet; returns the references of all that are in it.

    Those in `REQUIRED` are built when they are missing.

    :raises StoreError: containerd does not start, or one of the required ones cannot be built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "containerd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _containerd(folder) as containerd:
            for image, layers in _built():
                try:
                    if containerd.ensure(image, layers):
                        print(f"imported {image.name}", file=sys.stderr, flush=True)
                except ContainerdError as error:
                    raise StoreError(f"{image.name}: {error}") from error
            found = sorted(containerd.digests())
        (folder / _LIST).write_text("\n".join(found))
        return found


def references(folder: Path) -> list[str]:
    """The images that the store held when it was last filled."""
    kept = folder / _LIST
    return kept.read_text().split() if kept.is_file() else []


def main() -> int:
    """``python -m rehearsal.node.store``: fill the store, which takes minutes the first time."""
    try:
        print(f"{len(fill(default_folder()))} images are in {default_folder()}")
    except (StoreError, TableError, SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _built() -> Iterator[tuple[Image, list[Built]]]:
    table, layers = load(), Layers()
    for name in REQUIRED:
        for layer in table.layers_of(table.find(name)):
            layers.build(layer)
    for image in table.images:
        if image.nearness is Nearness.CANNOT:
            continue
        found = [layers.find(layer) for layer in table.layers_of(image)]
        whole = [layer for layer in found if layer is not None]
        if found and len(whole) == len(found):
            yield image, whole


@contextmanager
def _containerd(root: Path) -> Iterator[Containerd]:
    """A containerd over the store for a moment, with its mounts in a namespace of its own."""
    with tempfile.TemporaryDirectory(prefix="slipway-store-") as scratch:
        socket, log = Path(scratch, "socket"), Path(scratch, "log")
        settings = Path(scratch, "containerd.toml")
        settings.write_text(
            f'version = 2\nroot = "{root}"\nstate = "{scratch}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n'
        )
        command = ["unshare", "--mount", "containerd", "--config", str(settings)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StoreError(f"containerd did not start: {log.read_text(errors='replace')[-1000:]}")
                time.sleep(0.1)
            yield Containerd(str(socket))
        finally:
            process.terminate()
            process.wait(60)


def forget(folder: Path) -> None:
    """Delete the store; the next start fills it anew."""
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
