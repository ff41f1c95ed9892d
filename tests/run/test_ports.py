"""A taken port is found before anything starts, and the message says how to move it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from rehearsal.run.drive import refuse_taken_ports
from rehearsal.run.ports import describe_taken, is_free, owner_of, taken
from rehearsal.run.settings import PORTS, Port, RunError, read_settings


@pytest.fixture
def busy() -> Iterator[int]:
    """The number of a port that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_taken(busy: int) -> None:
    assert not is_free(busy)


def test_a_port_is_free_again_after_its_server(busy: int) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        number = server.getsockname()[1]
    assert is_free(number)


def test_the_owner_is_named(busy: int) -> None:
    assert f"pid {os.getpid()}" in (owner_of(busy) or "")


def test_only_taken_ports_are_reported(busy: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    ports = [Port(busy, "a", "A"), Port(free, "b", "B")]
    assert taken(ports) == ports[:1]


def test_the_message_names_port_use_owner_and_variable() -> None:
    message = describe_taken(Port(8080, "Airflow UI and API", "AIRFLOW_PORT"), "nginx (pid 7)")
    assert message == (
        "Port 8080 (Airflow UI and API) is taken by nginx (pid 7). "
        "Stop that, or choose another: make run AIRFLOW_PORT=<port>"
    )
    assert "taken. Stop" in describe_taken(Port(1, "x", "X"), None)


@pytest.mark.parametrize("variable", PORTS)
def test_every_port_is_checked_and_can_be_moved(variable: str, busy: int) -> None:
    settings = read_settings({**_moved_away(), variable: str(busy)})
    with pytest.raises(RunError, match=f"Port {busy} .*make run {variable}="):
        refuse_taken_ports(settings)


def _moved_away() -> dict[str, str]:
    """All ports on numbers that are free now."""
    sockets = [socket.socket() for _ in PORTS]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return {variable: str(number) for variable, number in zip(PORTS, numbers, strict=True)}
