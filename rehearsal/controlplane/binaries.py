"""Where Kubernetes' own programs come from.

In this order: a folder named by ``KUBERNETES_BIN_DIR``, PATH when the version is the pinned one, what an earlier call
left in the cache, the official release (see `rehearsal.controlplane.binaries_release`), a build from the pinned Go
modules beside this file. Module sums are in ``go.sum``, so what is built is what was pinned. Licences: etcd, Kubernetes
and kwok are Apache-2.0. etcd and kwok are always built: nothing was found that pins a download of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rehearsal.controlplane.binaries_release import Release, SumError

KUBERNETES_VERSION = "v1.36.3"
VARIABLE = "KUBERNETES_BIN_DIR"
BUILD_SECONDS = 30 * 60
_MODULES = Path(__file__).with_name("go")
_STAMP = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (
        ("gitVersion", KUBERNETES_VERSION),
        ("gitMajor", "1"),
        ("gitMinor", KUBERNETES_VERSION.split(".")[1]),
    )
)
# Program: folder of its Go module, package to build.
_SOURCES = {
    "etcd": ("etcd", "."),
    "kube-apiserver": ("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": ("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": ("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": ("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": ("kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
    "kwok": ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
}


PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
NODE = (*(name for name in PLANE if name != "kwok"), "kubelet", "kube-proxy")


class BinaryError(RuntimeError):
    """A program is neither here nor can it be built here; the message says how to get it."""


class Binaries:
    """Finds, downloads or builds the programs of a control plane.

    :param cache: folder for downloaded and built programs, outside the repository.
    :param release: where they are downloaded from.
    """

    def __init__(self, cache: Path | None = None, release: Release | None = None) -> None:
        self._release = release or Release(KUBERNETES_VERSION)
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._cache = cache or base / "slipway" / "kubernetes" / KUBERNETES_VERSION

    def path(self, name: str) -> str:
        """Path of a program.

        :raises BinaryError: not found, and cannot be downloaded or built; or the download was not what was published.
        """
        found = self._chosen(name) or self._on_path(name)
        if found:
            return found
        kept = self._cache / name
        if not kept.is_file() and not self._download(name, kept):
            self._build(name, kept)
        return str(kept)

    def ensure(self, names: Iterable[str] = PLANE) -> None:
        """Have programs, building what is missing.

        :raises BinaryError: one is not found, and cannot be built.
        """
        for name in names:
            self.path(name)

    def require_possible(self, names: Iterable[str] = PLANE) -> None:
        """Look whether `ensure` may succeed, without building anything.

        :raises BinaryError: a program is missing, is not to be downloaded, and there is no Go to build it with.
        """
        for name in names:
            here = self._chosen(name) or self._on_path(name) or (self._cache / name).is_file()
            if not (here or shutil.which("go") or self._release.has(name)):
                _require_go(name)

    def _chosen(self, name: str) -> str | None:
        folder = os.environ.get(VARIABLE)
        if not folder:
            return None
        candidate = Path(folder) / name
        return str(candidate) if candidate.is_file() else None

    def _on_path(self, name: str) -> str | None:
        found = shutil.which(name)
        if not found:
            return None
        if not name.startswith("kube"):
            return found
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        return found if re.search(rf"{re.escape(KUBERNETES_VERSION)}\b", told) else None

    def _download(self, name: str, target: Path) -> bool:
        try:
            taken = self._release.download(name, target)
        except SumError as error:
            raise BinaryError(str(error)) from error
        if taken:
            print(f"Downloaded {name} {KUBERNETES_VERSION}, the official release", file=sys.stderr, flush=True)
        return taken

    def _build(self, name: str, target: Path) -> None:
        go = _require_go(name)
        folder, package = _SOURCES[name]
        print(f"Building {name} from Go modules (once; the first one takes minutes)", file=sys.stderr, flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Built aside and moved into place, so that an interrupted build leaves nothing that looks whole.
        partial = target.with_name(f".{name}.{os.getpid()}")
        command = [
            go,
            "build",
            "-trimpath",
            "-mod=readonly",
            "-ldflags",
            f"-s -w {_STAMP}",
            "-o",
            str(partial),
            package,
        ]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
        done = subprocess.run(
            command,
            cwd=_MODULES / folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
        if done.returncode != 0:
            raise BinaryError(f"{name} could not be built:\n{done.stderr.strip()[-2000:]}")
        partial.rename(target)


def _require_go(name: str) -> str:
    go = shutil.which("go")
    if not go:
        raise BinaryError(
            f"{name} {KUBERNETES_VERSION} is not here and could not be downloaded. Put Kubernetes' server programs, "
            f"etcd and kwok into a folder and name it by {VARIABLE}, or install Go 1.26 or newer to have them built "
            "from their modules"
        )
    return go


def main() -> int:
    """``python -m rehearsal.controlplane.binaries [--possible]``: have all programs, or say why they cannot be had."""
    binaries = Binaries()
    try:
        if sys.argv[1:] == ["--possible"]:
            binaries.require_possible()
        else:
            binaries.ensure()
    except BinaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
