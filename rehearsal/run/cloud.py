"""The rehearsal cloud as a child of the run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from rehearsal.cloud import Cloud
from rehearsal.run.processes import Child, Supervisor
from rehearsal.run.settings import ROOT, RunError, Settings
from rehearsal.speed import from_environment

START_TIMEOUT = 120.0
# What a person exports to look around with the AWS command line.
SDK_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


def variables(settings: Settings, outer: Mapping[str, str]) -> dict[str, str]:
    """How AWS SDKs and the rehearsal's own tools find the cloud of this run."""
    return Cloud(
        aws_port=settings.port("REHEARSAL_AWS_PORT"),
        kubernetes_port=settings.port("REHEARSAL_KUBERNETES_PORT"),
        admin_port=settings.port("REHEARSAL_ADMIN_PORT"),
        speed=from_environment(outer),
    ).env


def start(supervisor: Supervisor, settings: Settings, env: Mapping[str, str]) -> Child:
    """Start the cloud and return at once; `wait_ready` waits for it."""
    command = [sys.executable, "-m", "rehearsal.cloud", "up", "--state", str(settings.run_dir / "cloud")]
    return supervisor.start("cloud", command, env=env, cwd=ROOT, stop_round=1)


def wait_ready(child: Child, settings: Settings, timeout: float = START_TIMEOUT) -> None:
    """Return once both halves answer. Raises `RunError` when one does not in time."""
    addresses = [
        f"http://127.0.0.1:{settings.port('REHEARSAL_ADMIN_PORT')}/healthz",
        f"http://127.0.0.1:{settings.port('REHEARSAL_AWS_PORT')}/_rehearsal/health",
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
        env=dict(env),
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
