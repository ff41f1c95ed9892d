"""Free ports are checked before anything starts: a port that is taken would otherwise show up minutes later."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import psutil

from rehearsal.run.settings import Port


def is_free(number: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def taken(ports: Iterable[Port]) -> list[Port]:
    """Those of the ports that something else listens on."""
    return [port for port in ports if not is_free(port.number)]


def owner_of(number: int) -> str | None:
    """`name (pid N)` of the process that listens on a port, if the system lets us see it."""
    try:
        connections = psutil.net_connections("inet")
    except (psutil.AccessDenied, OSError):  # macOS shows foreign sockets to root only
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == number:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None


def describe_taken(port: Port, owner: str | None) -> str:
    """One line that names the port, its use, who has it and the variable that moves it."""
    by = f" by {owner}" if owner else ""
    return (
        f"Port {port.number} ({port.use}) is taken{by}. Stop that, or choose another: make run {port.variable}=<port>"
    )
