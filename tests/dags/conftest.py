"""All DAG files, parsed once, with every way out of the process closed."""

from __future__ import annotations

import socket
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[2]


class ParseTouchedTheOutside(AssertionError):
    """A DAG file did I/O while it was parsed."""


def refuse(*_: object, **__: object) -> None:
    """Stand in for anything that would leave the process."""
    raise ParseTouchedTheOutside("a DAG file reached outside while it was parsed")


@pytest.fixture(scope="session")
def bag():
    """Parse ``dags/`` without network, subprocesses, Variables or Connections."""
    from airflow.dag_processing.dagbag import DagBag

    with (
        mock.patch.object(socket, "create_connection", refuse),
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch("subprocess.Popen.__init__", refuse),
        mock.patch("airflow.sdk.Variable.get", refuse),
        mock.patch("airflow.sdk.Connection.get", refuse),
    ):
        return DagBag(str(ROOT / "dags"))
