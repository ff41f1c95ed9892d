"""The rehearsal cloud as a child of the run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from rehearsal.run.processes import Child, Supervisor
from rehearsal.run.settings import ROOT, RunError, Settings

START_TIMEOUT = 120.0


def available() -> bool:
    """Whether the rehearsal cloud can be started."""
    return importlib.util.find_spec("rehearsal.cloud") is not None


def cloud_variables(settings: Settings) -> dict[str, str]:
    """What the cloud is told: its ports and where it keeps its state."""
    names = ("REHEARSAL_AWS_PORT", "REHEARSAL_KUBERNETES_PORT", "REHEARSAL_ADMIN_PORT")
    return {name: str(settings.port(name)) for name in names} | {
        "REHEARSAL_STATE": str(settings.run_dir / "cloud")
    }


def sdk_variables(settings: Settings) -> dict[str, str]:
    """How an AWS SDK finds the cloud; the credentials are no secret, they open nothing."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{settings.port('REHEARSAL_AWS_PORT')}",
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def start(supervisor: Supervisor, settings: Settings, env: Mapping[str, str]) -> Child:
    """Start the cloud and return at once; `wait_ready` waits for it."""
    command = [sys.executable, "-m", "rehearsal.cloud", "up"]
    return supervisor.start("cloud", command, env={**env, **cloud_variables(settings)}, cwd=ROOT)


def wait_ready(child: Child, settings: Settings, timeout: float = START_TIMEOUT) -> None:
    """Return once both halves answer. Raises `RunError` when one does not in time."""
    addresses = [
        f"http://127.0.0.1:{settings.port('REHEARSAL_ADMIN_PORT')}/healthz",
        f"http://127.0.0.1:{settings.port('REHEARSAL_AWS_PORT')}/_rehearsal/stats",
    ]
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        child.require_running()
        if all(_answers(address) for address in addresses):
            return
        time.sleep(0.2)
    raise RunError(f"The rehearsal cloud did not answer within {timeout:.0f} s. See {child.log}")


def write_kubeconfig(settings: Settings, env: Mapping[str, str]) -> tuple[Path | None, str]:
    """Write `.run/kubeconfig` for the clusters there are; returns its path, or None and the reason."""
    target = settings.run_dir / "kubeconfig"
    command = [sys.executable, "-m", "rehearsal.cloud", "kubeconfig"]
    done = subprocess.run(
        command,
        env={**env, **cloud_variables(settings)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    target.touch(mode=0o600)
    target.write_text(done.stdout)
    return target, ""


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
