"""Root file systems of Debian packages. apt checks each package against Debian's signed lists."""

from __future__ import annotations

import tarfile
from pathlib import Path

from rehearsal.images.sources import SourceError, run
from rehearsal.images.table import Debian

_MIRROR = "http://deb.debian.org"
_SIGNED = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
_UNSTABLE = "sid"
# Nobody reads manuals or other languages in an image.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def make(recipe: Debian, target: Path) -> dict[str, str]:
    """Write the root file system to ``target``; returns package -> version.

    :raises SourceError: mmdebstrap failed, or a package came in another version than expected.
    """
    target.unlink(missing_ok=True)
    included = ",".join(recipe.packages)
    command = ["mmdebstrap", "--quiet", f"--variant={recipe.variant}", "--format=tar", f"--include={included}"]
    # A mirror that is a snapshot keeps unstable's lists past the week that they are valid; signatures still hold.
    command += ['--aptopt=Acquire::Check-Valid-Until "false"'] if recipe.suite == _UNSTABLE else []
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    # Where packages are only unpacked, mmdebstrap ends with the extract hooks.
    hook = "--extract-hook" if recipe.variant == "extract" else "--customize-hook"
    command += [f"{hook}={_user_hook(name, spec)}" for name, spec in recipe.users.items()]
    command += [f"{hook}={line}" for line in recipe.run]
    command += [recipe.suite, str(target), *_sources(recipe.suite)]
    # In the system's temporary folder, never in ours: mmdebstrap mounts /proc and /dev below it, which no clean-up of
    # ours may ever walk into.
    run(command, env={"SOURCE_DATE_EPOCH": "0"})
    versions = _versions(target)
    for package, beginning in recipe.expect.items():
        if not versions.get(package, "").startswith(beginning):
            raise SourceError(
                f"Debian {recipe.suite} has {package} {versions.get(package, 'not at all')}, the table expects "
                f"{beginning}*: look whether the image still is what it says, then correct images.yaml"
            )
    return versions


def _sources(suite: str) -> list[str]:
    lines = [f"deb [{_SIGNED}] {_MIRROR}/debian {suite} main"]
    if suite != _UNSTABLE:
        lines.append(f"deb [{_SIGNED}] {_MIRROR}/debian-security {suite}-security main")
    return lines


def _user_hook(name: str, spec: str) -> str:
    uid, gid, home = spec.split(":")
    return (
        f"echo '{name}:x:{uid}:{gid}::{home}:/bin/sh' >> \"$1/etc/passwd\"; "
        f"grep -q ':{gid}:' \"$1/etc/group\" || echo '{name}:x:{gid}:' >> \"$1/etc/group\""
    )


def _versions(root: Path) -> dict[str, str]:
    """Installed packages, as dpkg keeps them in the root file system itself."""
    with tarfile.open(root) as archive:
        if "./var/lib/dpkg/status" not in archive.getnames():
            return {}  # packages were only unpacked
        status = archive.extractfile("./var/lib/dpkg/status")
        text = status.read().decode() if status else ""
    versions = {}
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            versions[fields["Package"]] = fields.get("Version", "")
    return versions
