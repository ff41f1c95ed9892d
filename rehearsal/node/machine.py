"""One node: its folder, its process 1, its link, and what is left of it when it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from rehearsal.controlplane.binaries import Binaries
from rehearsal.controlplane.processes import Processes
from rehearsal.node import configuration
from rehearsal.node.configuration import Credentials, Wanted
from rehearsal.node.network import Network, Place, child_of

CGROUPS = Path("/sys/fs/cgroup")
SCRIPT = Path(__file__).with_name("machine.sh")


class Machine:
    """A node that runs, or can.

    :param folder: all it keeps; removed by `destroy`.
    :param store: a containerd root with the images, of which it gets a copy.
    :ivar started: when, on the monotonic clock.
    :ivar pid: its process 1, as this machine counts.
    """

    def __init__(self, folder: Path, wanted: Wanted, place: Place, store: Path) -> None:
        self.folder = folder
        self.wanted = wanted
        self.place = place
        self._store = store
        self.started = 0.0
        self.pid = 0
        self._processes = Processes(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.wanted.name

    @property
    def runs(self) -> bool:
        """Whether its process 1 is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, network: Network, credentials: Credentials, binaries: Binaries, plugins: str) -> None:
        """Start it; returns before its kubelet has registered.

        :raises NetworkError: its link could not be made.
        """
        self.end(network)
        self.started = time.monotonic()
        configuration.write(self.folder, self.wanted, credentials, plugins)
        (self.folder / "network").unlink(missing_ok=True)
        copy_store(self._store, self.folder / "lib" / "containerd")
        command = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc", "env"]
        command += [f"KUBELET={binaries.path('kubelet')}", f"KUBE_PROXY={binaries.path('kube-proxy')}"]
        command += [f"ADDRESS={self.wanted.address}", "sh", str(SCRIPT), str(self.folder), self.wanted.name]
        self._process = self._processes.start("machine", command, lambda: True, 1)
        self.pid = child_of(self._process.pid)
        network.join(self.pid, self.place)
        (self.folder / "network").touch()

    def end(self, network: Network) -> None:
        """End it and all that runs in it. Twice is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            network.leave(self.place)
        remove_cgroups(self.wanted.name)

    def destroy(self, network: Network) -> None:
        """End it and remove all it kept."""
        self.end(network)
        remove_tree(self.folder)


def copy_store(store: Path, target: Path) -> None:
    """Have the images of ``store`` in a containerd root of the node's own.

    Files are hard links: containerd never changes what it has unpacked, and a container's writes go to a layer of its
    own. Its databases are copied. Across file systems everything is copied.
    """
    # What an earlier start left is of no use: its containers ended with it, and its images may be older.
    remove_tree(target)
    target.mkdir(parents=True)
    if not _copied("-al", store, target):
        remove_tree(target)
        target.mkdir(parents=True)
        if not _copied("-a", store, target):
            raise OSError(f"the images in {store} could not be copied to {target}: is the disk full?")
    for database in target.rglob("*.db"):
        if database.is_relative_to(target / "io.containerd.snapshotter.v1.overlayfs" / "snapshots"):
            continue
        partial = database.with_name(f"{database.name}.partial")
        shutil.copy2(database, partial)
        partial.replace(database)


def _copied(option: str, store: Path, target: Path) -> bool:
    command = ["cp", option, f"{store}/.", str(target)]
    return subprocess.run(command, capture_output=True, check=False, timeout=1800).returncode == 0


def remove_cgroups(node: str, seconds: float = 5.0) -> None:
    """Remove the control groups of a node that has ended; the kernel needs a moment to empty them."""
    deadline = time.monotonic() + seconds
    for root in [*CGROUPS.glob("*/slipway"), CGROUPS / "slipway"]:
        top = root / node
        while top.is_dir():
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            if time.monotonic() > deadline:
                print(f"control groups are left under {top}", file=sys.stderr)
                break
            time.sleep(0.05)
        with suppress(OSError):
            root.rmdir()


def remove_tree(folder: Path) -> None:
    """Remove a folder, files of any owner and mode in it included."""
    shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, place: Place) -> None:
    """Remember a node's place over a restart."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "place.json").write_text(json.dumps({"index": place.index, "address": place.address}))


def kept(folder: Path) -> Place | None:
    """The place of an earlier start."""
    path = folder / "place.json"
    return Place(**json.loads(path.read_text())) if path.is_file() else None
