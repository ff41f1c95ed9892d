"""The network between the machine and its nodes: routed, and without a way out.

One namespace is the VPC's router. The machine is linked to it, and so is each node; a node has the address EC2 gave
its instance, its pods a /24 behind it. There is no default route beyond the router, so nothing a pod does leaves.
Everything lives in the router's and the nodes' namespaces but one link and its routes, and those go with the router.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehearsal.controlplane.processes import Processes

PODS = "10.244.0.0/16"
# What every link calls the router; link-local, as nobody routes to it.
_ROUTER = "169.254.77.1"
_SECONDS = 20


class NetworkError(RuntimeError):
    """A link or route could not be made; the message has ip's own words."""


@dataclass(frozen=True)
class Place:
    """Where a node is.

    :ivar index: 1 to 254, its own among the nodes of the cluster.
    :ivar address: what EC2 gave its instance.
    """

    index: int
    address: str

    @property
    def pods(self) -> str:
        """Addresses of its pods."""
        return f"10.244.{self.index}.0/24"


class Network:
    """The router of one cluster and the machine's link to it.

    :param name: of the link, 1 to 11 letters; unique on this machine.
    :param address: of the machine on the link; API servers listen on it.
    :param logs: folder for what the router's process says.
    """

    def __init__(self, name: str, address: str, logs: Path) -> None:
        self.name = name
        self.address = address
        self._processes = Processes(logs)
        self._pid = 0

    def up(self) -> None:
        """Make the router and the machine's link.

        :raises NetworkError: no right to, or a link of this name is there.
        """
        # It only holds the namespace, and ends with us.
        router = self._processes.start("router", ["unshare", "--net", "sleep", "infinity"], lambda: True, 1)
        self._pid = router.pid
        _wait_for_namespace(router.pid)
        inner = f"{self.name}-up"
        _ip("link", "add", self.name, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", str(self._pid))
        self._inside("link", "set", "lo", "up")
        self._address(inner)
        self._inside("route", "add", self.address, "dev", inner)
        _run("nsenter", f"--net=/proc/{self._pid}/ns/net", "sysctl", "-q", "-w", *_FORWARDING)
        _ip("address", "add", f"{self.address}/32", "dev", self.name)
        _ip("link", "set", self.name, "up")
        _ip("route", "add", _ROUTER, "dev", self.name, "src", self.address)

    def down(self) -> None:
        """End the router; its links and routes go with it. Twice is fine."""
        if self._pid:
            self._pid = 0
            self._processes.stop()
            _run("ip", "link", "delete", self.name, check=False)

    def join(self, pid: int, place: Place) -> None:
        """Link a node.

        :param pid: a process in the node's network namespace.
        """
        link = f"{self.name}-{place.index}"
        self._inside("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._address(link)
        for route in ([place.address, "dev", link], [place.pods, "via", place.address, "dev", link, "onlink"]):
            self._inside("route", "replace", *route)
        node = f"--net=/proc/{pid}/ns/net"
        for words in (
            ["address", "add", f"{place.address}/32", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["route", "add", _ROUTER, "dev", "eth0"],
            ["route", "add", "default", "via", _ROUTER, "dev", "eth0", "src", place.address],
        ):
            _run("nsenter", node, "ip", *words)
        for target in (place.address, place.pods):
            _ip("route", "replace", target, "via", _ROUTER, "dev", self.name, "onlink", "src", self.address)

    def leave(self, place: Place) -> None:
        """Forget the routes to a node; its link has gone with it."""
        for target in (place.address, place.pods):
            _run("ip", "route", "delete", target, "dev", self.name, check=False)

    def _address(self, link: str) -> None:
        self._inside("address", "add", f"{_ROUTER}/32", "dev", link)
        self._inside("link", "set", link, "up")

    def _inside(self, *words: str) -> None:
        _run("nsenter", f"--net=/proc/{self._pid}/ns/net", "ip", *words)


_FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")


def _wait_for_namespace(pid: int) -> None:
    own = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/ns/net").readlink() != own:
                return
        except OSError:
            break
        time.sleep(0.01)
    raise NetworkError("a network namespace could not be made: root is needed, and a kernel with namespaces")


def child_of(pid: int) -> int:
    """The process that `unshare --fork` made, which is in the new namespaces.

    :raises NetworkError: there is none after two seconds.
    """
    for found in _children(pid):
        return found
    raise NetworkError(f"process {pid} made no namespaces: root is needed, and a kernel with namespaces")


def _children(pid: int) -> Iterator[int]:

    path = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(200):
        try:
            words = path.read_text().split()
        except OSError:
            return
        # unshare forks after it has unshared; before it execs, the child is already in them.
        yield from (int(word) for word in words)
        time.sleep(0.01)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if check and done.returncode != 0:
        raise NetworkError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.returncode}")
