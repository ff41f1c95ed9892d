"""The official release of Kubernetes' programs: downloaded over TLS, verified, or not taken.

A sum that is pinned here decides. For a program without one the sum that Kubernetes publishes beside it does: it comes
from the same host over TLS, so it guards against a broken download and not against that host. Kubernetes is Apache-2.0.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import urllib.error
import urllib.request
from pathlib import Path

# https://kubernetes.io/releases/download/#binaries
RELEASES = "https://dl.k8s.io/release"
VARIABLE = "KUBERNETES_RELEASE_URL"
"""Names a mirror that has the same folders; empty means that nothing is downloaded."""
PROGRAMS = frozenset({"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"})
# SHA-256 by version, architecture and program. None for v1.36.3: its changelog, which has the official sums, is newer
# than its source, and the source is all that could be had where this was written.
PINNED: dict[tuple[str, str, str], str] = {}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SUM = re.compile(r"[0-9a-f]{64}")
# Of one read, not of the whole.
_TIMEOUT_SECONDS = 15.0
_CHUNK = 1 << 20


class SumError(RuntimeError):
    """What was downloaded is not what was published; the message has both sums."""


class Release:
    """Programs of one version for this machine.

    :param url: of the folder that has the versions; empty for none.
    """

    def __init__(self, version: str, url: str | None = None) -> None:
        self._version = version
        self._url = os.environ.get(VARIABLE, RELEASES) if url is None else url

    def has(self, name: str) -> bool:
        """Whether the program can be downloaded, as its published sum can."""
        try:
            return self._published(name) is not None
        except OSError:
            return False

    def download(self, name: str, target: Path) -> bool:
        """Put a program at ``target``; false when it is not to be had: offline, or no such program.

        :raises SumError: it arrived and is not what its sum says.
        """
        partial = target.with_name(f".{name}.{os.getpid()}.partial")
        try:
            published = self._published(name)
            if published is None:
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            found = self._fetch(self._address(name), partial)
        except OSError:
            partial.unlink(missing_ok=True)
            return False
        wanted = PINNED.get((self._version, _architecture(), name), published)
        if found != wanted:
            partial.unlink()
            raise SumError(f"{self._address(name)} has SHA-256 {found}, not {wanted}; nothing was kept of it")
        partial.chmod(0o755)
        partial.rename(target)
        return True

    def _address(self, name: str) -> str:
        return f"{self._url}/{self._version}/bin/linux/{_architecture()}/{name}"

    def _published(self, name: str) -> str | None:
        """The sum published beside a program; ``None`` where there is none for this machine.

        :raises OSError: the host cannot be reached.
        """
        if not self._url or name not in PROGRAMS or platform.system() != "Linux" or not _architecture():
            return None
        try:
            with urllib.request.urlopen(f"{self._address(name)}.sha256", timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - https, or a mirror that was named
                text = str(answer.read(200).decode("ascii", "replace"))
        except urllib.error.HTTPError:
            return None
        match = _SUM.match(text)
        return match[0] if match else None

    @staticmethod
    def _fetch(address: str, target: Path) -> str:
        """Write what is there to a file, and return its SHA-256."""
        sum_ = hashlib.sha256()
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310 - as above
            while chunk := answer.read(_CHUNK):
                sum_.update(chunk)
                file.write(chunk)
        return sum_.hexdigest()


def _architecture() -> str:
    return _ARCHITECTURES.get(platform.machine(), "")
