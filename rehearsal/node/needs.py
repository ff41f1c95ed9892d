"""What a machine must have to run nodes, and how to get what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from rehearsal.controlplane.binaries import NODE, Binaries, BinaryError
from rehearsal.node.configuration import CNI_PLUGINS

# Program: Debian package.
_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "sysctl": "procps",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
_PLUGINS = ("ptp", "host-local", "portmap", "loopback")


class NeedError(RuntimeError):
    """This machine cannot run nodes; the message lists why and what helps."""


def plugins() -> str:
    """Folder of the CNI plugins.

    :raises NeedError: there is none.
    """
    for folder in CNI_PLUGINS:
        if all(Path(folder, name).is_file() for name in _PLUGINS):
            return folder
    raise NeedError(
        f"no CNI plugins ({', '.join(_PLUGINS)}) in {', '.join(CNI_PLUGINS)}: apt-get install "
        "containernetworking-plugins"
    )


def require() -> None:
    """Look for all that is needed but Kubernetes' own programs.

    :raises NeedError: with every reason at once.
    """
    if reasons := list(_missing()):
        listed = "\n".join(f"- {reason}" for reason in reasons)
        raise NeedError(
            f"CLUSTER=real cannot run here:\n{listed}\nCLUSTER=control-plane has the same control plane with simulated "
            "nodes, and needs none of this"
        )


def _missing() -> Iterator[str]:
    if sys.platform != "linux":
        yield f"Linux is needed, this is {sys.platform}"
        return
    if os.geteuid() != 0:
        yield "root is needed, for namespaces, mounts and control groups; run it as root, or in a virtual machine"
    absent = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    if absent:
        yield f"programs are missing: apt-get install {' '.join(sorted(absent))}"
    try:
        plugins()
    except NeedError as error:
        yield str(error)


def main() -> int:
    """``python -m rehearsal.node.needs``: exit code 0 if CLUSTER=real can run here; else 1, and why not."""
    try:
        require()
        Binaries().require_possible(NODE)
    except (NeedError, BinaryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
