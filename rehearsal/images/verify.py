"""Runs an image the way its manifest does, and records what came of it.

A container of runc over containerd's snapshot, with the manifest's user, a read-only root, no capability and no new
privileges, in a network namespace of its own. What needs a second container or the Kubernetes API is proved on a
cluster instead, by the platform's own checks.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.images import archive
from rehearsal.images.containerd import Containerd
from rehearsal.images.layers import Built
from rehearsal.images.table import Image, Probe

RECORD = Path(__file__).with_name("verified.yaml")
_PAUSE = 0.5
_RUNC = ("runc",)


class VerifyError(RuntimeError):
    """The image does not do what its manifest needs; the message holds what the container printed."""


@dataclass(frozen=True)
class _Running:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def printed(self) -> str:
        return self.log.read_text(errors="replace")


def record(containerd: Containerd, image: Image, layers: Sequence[Built]) -> str:
    """Verify an image and keep the outcome; one that was verified as it is now is not run again.

    :raises VerifyError: it failed.
    :raises ContainerdError: containerd does not answer.
    """
    if not image.probe:
        return "has no probe"
    kept = recorded()
    now = archive.digest(image, layers)
    if kept.get(image.name, {}).get("image") == now:
        return "was verified as it is"
    containerd.ensure(image, layers)
    kept.pop(image.name, None)
    started = time.monotonic()
    try:
        run(containerd, image, image.probe)
        seconds = round(time.monotonic() - started, 1)
        kept[image.name] = {"image": now, "seconds": seconds}
    finally:
        RECORD.write_text(yaml.safe_dump(kept, sort_keys=True), encoding="utf-8")
    return f"verified in {seconds} s"


def recorded() -> dict[str, dict[str, Any]]:
    """Image name -> digest of what was verified, and how long it took."""
    return (yaml.safe_load(RECORD.read_text(encoding="utf-8")) or {}) if RECORD.is_file() else {}


def run(containerd: Containerd, image: Image, probe: Probe) -> None:
    """Run one container until its probe holds.

    :raises VerifyError: the probe did not hold in time, or the container ended.
    """
    with _container(containerd, image, probe) as running:
        _wait(running, probe)
        printed = running.printed()
        if probe.exec_:
            call = [*_RUNC, "exec", f"--user={probe.user}", running.name, *probe.exec_]
            done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)
            printed = done.stdout + done.stderr
            if done.returncode != 0:
                raise VerifyError(f"{' '.join(probe.exec_)} ended with {done.returncode}: {printed[-1500:]}")
        if probe.prints not in printed:
            raise VerifyError(f"it did not print {probe.prints!r} but: {printed[-1500:]}")


def _wait(running: _Running, probe: Probe) -> None:
    deadline = time.monotonic() + probe.seconds
    while True:
        ended = running.process.poll()
        if probe.ends and ended == 0:
            return
        if ended is not None:
            raise VerifyError(f"the container ended with {ended}: {running.printed()[-2500:]}")
        if not probe.ends and _answers(running.name, probe):
            return
        if time.monotonic() > deadline:
            raise VerifyError(f"no answer within {probe.seconds:.0f} s: {running.printed()[-2500:]}")
        time.sleep(_PAUSE)


def _answers(name: str, probe: Probe) -> bool:
    """Ask from inside the container's network namespace, with this machine's tools: most images have none."""
    told = subprocess.run([*_RUNC, "state", name], capture_output=True, check=False)
    state = json.loads(told.stdout) if told.returncode == 0 else {}
    if state.get("status") != "running":
        return False
    inside = ["nsenter", f"--net=/proc/{state['pid']}/ns/net"]
    if probe.http:
        asked = [*inside, "curl", "--silent", "--fail", "--insecure", "--max-time", "5", "--output", "/dev/null"]
        return subprocess.run([*asked, probe.http], check=False, capture_output=True).returncode == 0
    if probe.tcp:
        asked = [*inside, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{probe.tcp}"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0
    return True


@contextmanager
def _container(containerd: Containerd, image: Image, probe: Probe) -> Iterator[_Running]:
    with tempfile.TemporaryDirectory(prefix="slipway-verify-") as scratch:
        bundle = Path(scratch)
        bundle.chmod(0o755)
        root = bundle / "rootfs"
        root.mkdir()
        # Writable below, read-only to the container: runc has to make the places of its mounts, as under a kubelet.
        subprocess.run(containerd.command("images", "mount", "--rw", image.reference, str(root)), check=True, **_QUIET)
        name = bundle.name
        try:
            (bundle / "config.json").write_text(json.dumps(_specification(image, probe, bundle)), encoding="utf-8")
            with (bundle / "log").open("wb") as log:
                call = [*_RUNC, "run", "--bundle", str(bundle), name]
                process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield _Running(name, process, bundle / "log")
            finally:
                subprocess.run([*_RUNC, "delete", "--force", name], check=False, **_QUIET)
                process.wait(timeout=60)
        finally:
            subprocess.run(containerd.command("images", "unmount", "--rm", str(root)), check=False, **_QUIET)


_QUIET: dict[str, Any] = {"capture_output": True, "timeout": 120}


def _specification(image: Image, probe: Probe, bundle: Path) -> dict[str, Any]:
    """What runc is to run: its own defaults, and what a restricted pod's container gets."""
    subprocess.run([*_RUNC, "spec", "--bundle", str(bundle)], check=True, **_QUIET)
    specification: dict[str, Any] = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    (bundle / "config.json").unlink()
    uid, gid = (int(part) for part in probe.user.split(":"))
    # As the kubelet has it: `command` replaces entry point and arguments, `args` the arguments alone.
    command = probe.command or (*image.entrypoint, *(probe.args or image.cmd))
    specification["hostname"] = "verify"
    specification["root"] = {"path": "rootfs", "readonly": probe.read_only}
    specification["process"] |= {
        "terminal": False,
        "user": {"uid": uid, "gid": gid},
        "args": list(command),
        "cwd": image.workdir or "/",
        "env": [
            f"{key}={value}" for key, value in {**archive.environment(image), "HOSTNAME": "verify", **probe.env}.items()
        ],
        "capabilities": {},
        "noNewPrivileges": True,
        "rlimits": [],
    }
    files = {"/etc/hosts": "127.0.0.1 localhost verify\n", **probe.files}
    for path in probe.writable:
        options = ["nosuid", "nodev", "mode=1777", f"uid={uid}", f"gid={gid}"]
        specification["mounts"].append({"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options})
    for number, (path, text) in enumerate(files.items()):
        origin = bundle / f"file-{number}"
        # A text that begins with @ names a file beside the table.
        content = (Path(__file__).parent / text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        origin.write_text(content, encoding="utf-8")
        origin.chmod(0o444)
        mount = {"destination": path, "type": "bind", "source": str(origin), "options": ["rbind", "ro"]}
        specification["mounts"].append(mount)
    return specification
