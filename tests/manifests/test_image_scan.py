"""The nightly scan's script, with a stand-in for Trivy: what it counts, and when it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests.rendering import MANIFESTS

SCRIPT = MANIFESTS / "base-services/image-scan/base/scan.sh"
# Writes the report that its last argument, the image, asks for; fails for one that cannot be read.
STAND_IN = """#!/bin/sh
for last; do :; done
cve() { printf '{"VulnerabilityID": "CVE-%s"}' "$1"; }
while [ "$1" != --output ]; do shift; done
case "$last" in
  *unreadable*) echo "FATAL unable to find the image" >&2; exit 1 ;;
  *bad*) printf '{"Results": [{"Vulnerabilities": [%s,\\n%s,\\n%s]}]}' "$(cve 1)" "$(cve 2)" "$(cve 1)" >"$2" ;;
  *) printf '{"ArtifactName": "x", "Results": []}' >"$2" ;;
esac
"""


@pytest.mark.parametrize(
    ("images", "code", "counts"),
    [
        (["a/good:1"], 0, (1, 0, 0)),
        (["a/good:1", "a/bad:1"], 1, (2, 1, 0)),
        (["a/good:1", "a/unreadable:1"], 1, (1, 0, 1)),
        (["a/unreadable:1"], 1, (0, 0, 1)),
    ],
)
def test_it_fails_when_something_has_to_be_done(
    tmp_path: Path, images: list[str], code: int, counts: tuple[int, int, int]
) -> None:
    (tmp_path / "trivy").write_text(STAND_IN)
    (tmp_path / "trivy").chmod(0o755)
    (tmp_path / "images.txt").write_text("\n".join(["# a comment", "", *images]) + "\n")
    script = tmp_path / "scan.sh"
    script.write_text(SCRIPT.read_text().replace("/tmp/", f"{tmp_path}/"))
    process = subprocess.run(
        [shutil.which("dash") or "sh", str(script)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGES": str(tmp_path / "images.txt")},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == code, process.stderr
    assert lines[-1] == dict(zip(("scanned", "vulnerable", "unreadable"), counts, strict=True))
    assert len(lines) == len(images) + 1
    if "a/bad:1" in images:
        assert {"image": "a/bad:1", "critical": 2, "ids": "CVE-1 CVE-2"} in lines
    if counts[0] == 0:
        assert "no image could be scanned" in process.stderr


def test_no_release_of_trivy_that_was_malicious() -> None:
    """0.69.4 in all registries, 0.69.5 and 0.69.6 on Docker Hub (CVE-2026-33634)."""
    files = [*SCRIPT.parent.glob("*.yaml"), SCRIPT.parents[1] / "component.yaml"]
    named = [line for file in files for line in file.read_text().splitlines() if "image: aquasec/trivy" in line]
    assert len(named) == 2
    assert all("@sha256:" in line for line in named)
    assert not any(f"0.69.{patch}" in line for line in named for patch in (4, 5, 6))
