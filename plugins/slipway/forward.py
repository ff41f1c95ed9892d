"""Forward every web interface of the platform to this machine: ``python -m slipway.forward``, or ``make forward``.

Uses ``kubectl`` with the current context (``aws eks update-kubeconfig --name slipway-<environment>`` sets it), and
the ports of the components' ``component.yaml``. A forward that breaks, because its pod was replaced, is made
anew. Ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slipway.catalog.components import load_components
from slipway.model.component import Component

# A Service that is not deployed fails at once, again and again.
PAUSE_SECONDS = 5.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Forward:
    """One interface and the ports it is forwarded between."""

    name: str
    namespace: str
    service: str
    port: int
    local: int
    address: str

    def command(self, kubectl: str, context: str | None = None) -> list[str]:
        """Argument list that forwards it."""
        chosen = ["--context", context] if context else []
        where = ["--namespace", self.namespace, f"service/{self.service}", f"{self.local}:{self.port}"]
        return [kubectl, *chosen, "port-forward", "--address", "127.0.0.1", *where]


@dataclass(slots=True)
class _Running:
    forward: Forward
    process: subprocess.Popen[str]
    since: float = field(default_factory=time.monotonic)


def forwards(components: Iterable[Component], names: Sequence[str] = ()) -> list[Forward]:
    """Every interface of the components, by local port; only those named when there are names.

    :raises ValueError: a name that no interface has; the message lists those there are.
    """
    found = [
        Forward(
            endpoint.name,
            component.spec.namespace,
            endpoint.service,
            endpoint.port,
            endpoint.local,
            f"http://localhost:{endpoint.local}{endpoint.path}"
            if endpoint.protocol == "http"
            else f"localhost:{endpoint.local}",
        )
        for component in components
        for endpoint in component.spec.endpoints
    ]
    wanted = {name.lower() for name in names}
    unknown = sorted(wanted - {one.name.lower() for one in found})
    if unknown:
        known = ", ".join(sorted(one.name for one in found))
        raise ValueError(f"no interface is called {', '.join(unknown)}; there are {known}")
    chosen = [one for one in found if not wanted or one.name.lower() in wanted]
    return sorted(chosen, key=lambda one: one.local)


def run(chosen: Sequence[Forward], kubectl: str, context: str | None = None) -> None:
    """Keep all forwards up until interrupted. What fails says so once, and is tried again."""
    running = [_start(one, kubectl, context) for one in chosen]
    complained: set[str] = set()
    try:
        while True:
            time.sleep(LOOK_SECONDS)
            for index, one in enumerate(running):
                if one.process.poll() is None or time.monotonic() - one.since < PAUSE_SECONDS:
                    continue
                words = (one.process.stderr.read() if one.process.stderr else "").strip().splitlines()
                if one.forward.name not in complained:
                    sys.stderr.write(f"{one.forward.name}: {words[-1] if words else 'ended'}; trying again\n")
                    complained.add(one.forward.name)
                running[index] = _start(one.forward, kubectl, context)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.wait(timeout=PAUSE_SECONDS)


def _start(forward: Forward, kubectl: str, context: str | None) -> _Running:
    process = subprocess.Popen(
        forward.command(kubectl, context), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return _Running(forward, process)


def _kubectl() -> str | None:
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("kubectl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slipway.forward", description=__doc__)
    parser.add_argument("names", nargs="*", help="interfaces, such as Grafana 'Kafka UI'; all when none is named")
    parser.add_argument("--context", help="context of kubectl; the current one when left out")
    parser.add_argument("--list", action="store_true", help="only say what would be forwarded")
    options = parser.parse_args(arguments)
    try:
        chosen = forwards(load_components().values(), options.names)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for one in chosen:
        sys.stdout.write(f"{one.name:<18} {one.address:<32} {one.namespace}/{one.service}:{one.port}\n")
    sys.stdout.flush()
    if options.list:
        return 0
    kubectl = _kubectl()
    if kubectl is None:
        sys.stderr.write("no kubectl: install requirements.txt, which ships it\n")
        return 2
    run(chosen, kubectl, options.context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
