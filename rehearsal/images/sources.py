"""One function per registry: fetch, check against what is pinned, put into a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rehearsal.images.table import CSource, Go, GoModule, OwnGo, Python, Sdist

BUILD_SECONDS = 30 * 60


class SourceError(RuntimeError):
    """A part could not be fetched, is not what was pinned, or could not be built; the message says which and why."""


def run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a tool and return what it printed.

    :raises SourceError: the tool is not installed, or it failed.
    """
    if not shutil.which(command[0]):
        raise SourceError(f"{command[0]} is not installed; it is needed for: {' '.join(command)}")
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
    )
    if done.returncode != 0:
        raise SourceError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout


def module_folder(recipe: GoModule) -> Path:
    """Folder of a module in Go's module cache, downloaded if need be.

    :raises SourceError: the proxy does not have it, or its content is not what was pinned.
    """
    told = json.loads(
        run(["go", "mod", "download", "-json", f"{recipe.module}@{recipe.version}"], env={"GOWORK": "off"})
    )
    if told["Sum"] != recipe.sum:
        raise SourceError(f"{recipe.module}@{recipe.version} has sum {told['Sum']}, the table says {recipe.sum}")
    return Path(told["Dir"])


def go(recipe: Go, beside: Path, stage: Path, scratch: Path) -> None:
    """Build a module's programs in the module's own folder, where its own ``go.mod`` and ``go.sum`` hold."""
    folder = module_folder(recipe)
    if recipe.supply:
        # Go lets nobody add to its module cache, not even by an overlay.
        folder = Path(shutil.copytree(folder, scratch / "module", copy_function=shutil.copy))
        run(["chmod", "-R", "u+w", str(folder)])
        for place, source in recipe.supply.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(beside / source, folder / place)
    _go_build(recipe.programs, recipe.variables, [f"-tags={','.join(recipe.tags)}"], folder, stage)


def own_go(recipe: OwnGo, folder: Path, stage: Path) -> None:
    """Build programs of a module of this repository."""
    _go_build(recipe.programs, recipe.variables, [], folder, stage)


def _go_build(
    programs: Mapping[str, str], variables: Mapping[str, str], options: Sequence[str], folder: Path, stage: Path
) -> None:
    stamps = " ".join(f"-X '{name}={value}'" for name, value in variables.items())
    for package, place in programs.items():
        target = stage / place.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        run(
            [
                "go", "build", "-trimpath", "-mod=readonly", "-buildvcs=false", *options,
                "-ldflags", f"-s -w {stamps}".strip(), "-o", str(target), package,
            ],
            cwd=folder,
            env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        )  # fmt: skip


def c(recipe: CSource, stage: Path) -> None:
    """Compile one C file into a static program."""
    source = module_folder(recipe) / recipe.file
    target = stage / recipe.path.strip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    macros = [f"-D{name}={value}" for name, value in recipe.macros.items()]
    run(["gcc", "-Os", "-Wall", "-Werror", "-static", "-s", *macros, "-o", str(target), str(source)])


def maven(folder: Path, into: Path, repository: bool = False) -> None:
    """Fetch the jars of a ``pom.xml`` and hold them to ``jars.sha256``.

    :param repository: keep their paths in Maven Central; the checksums then name these.
    :raises SourceError: a jar is missing, is one too many, or has other bytes.
    """
    into.mkdir(parents=True, exist_ok=True)
    run(
        [
            "mvn", "--batch-mode", "--quiet", "--file", str(folder / "pom.xml"), "dependency:copy-dependencies",
            f"-DoutputDirectory={into}", "-DincludeScope=runtime",
            f"-Dmdep.useRepositoryLayout={str(repository).lower()}",
        ]
    )  # fmt: skip
    # With the time of the day in them, and only in the layout of a repository.
    for path in into.rglob("maven-metadata-local.xml"):
        path.unlink()
    jars = sorted(path for path in into.rglob("*") if path.is_file())
    found = {str(path.relative_to(into)): hashlib.sha256(path.read_bytes()).hexdigest() for path in jars}
    pins = folder / "jars.sha256"
    lines = pins.read_text(encoding="utf-8").splitlines() if pins.is_file() else []
    pinned = {line.split()[1]: line.split()[0] for line in lines}
    if found != pinned:
        seen = "\n".join(f"{digest}  {name}" for name, digest in sorted(found.items()))
        differing = sorted({name for name, _ in found.items() ^ pinned.items()})
        raise SourceError(f"{pins} differs from what Maven Central gave in {differing}. It gave:\n{seen}")


def python(recipe: Python, requirements: Path, stage: Path) -> None:
    """Install Python packages, each by its hash, for the image's Python version."""
    target = stage / recipe.into.strip("/")
    run(
        [
            sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
            "--python-version", recipe.python, "--target", str(target), "-r", str(requirements),
        ]
    )  # fmt: skip


def sdist(recipe: Sdist, stage: Path, scratch: Path) -> None:
    """Take folders out of a Python source distribution.

    :raises SourceError: the index does not have it with that hash.
    """
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{recipe.package} --hash=sha256:{recipe.sha256}\n", encoding="utf-8")
    run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--no-build-isolation", "--require-hashes", "--no-binary=:all:", "--dest", str(scratch), "-r", str(wanted),
        ]
    )  # fmt: skip
    archive = next(scratch.glob("*.tar.gz"))
    with tarfile.open(archive) as opened:
        opened.extractall(scratch, filter="data")
    unpacked = scratch / archive.name.removesuffix(".tar.gz")
    for origin, place in recipe.take.items():
        target = stage / place.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        (unpacked / origin).rename(target)


def npm(folder: Path, into: Path) -> None:
    """Install Node packages as ``package-lock.json`` has them; their install scripts do not run."""
    into.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, into)
    run(["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--silent"], cwd=into)
