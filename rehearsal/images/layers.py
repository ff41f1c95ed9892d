"""Builds layers from package registries, and keeps them: one file per recipe, named by the recipe's digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rehearsal.images import debian, sources
from rehearsal.images.table import Files, Layer, Nearness, Table
from rehearsal.images.tree import write_layer

FOLDER = Path(__file__).parent
_FORMAT = 1
"""Raise it when the code builds something else from the same recipe."""


@dataclass(frozen=True)
class Built:
    """A layer on disk: an uncompressed tar and its digest."""

    path: Path
    digest: str
    size: int
    contents: dict[str, str]
    """What was put in whose version the registry chose: Debian package -> version."""


def default_cache() -> Path:
    """Folder for built layers, outside the repository."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "slipway" / "images"


def key(layer: Layer) -> str:
    """Digest of everything a layer is made from in this repository."""
    digest = hashlib.sha256(f"{_FORMAT} {layer.model_dump_json(by_alias=True, exclude_unset=True)}".encode())
    for path in _local_files(layer):
        digest.update(f"{path.relative_to(FOLDER.parent)} {path.stat().st_mode & 0o100}".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


class Layers:
    """The layers of a cache folder."""

    def __init__(self, cache: Path | None = None) -> None:
        self._folder = (cache or default_cache()) / "layers"

    def find(self, layer: Layer) -> Built | None:
        """The layer if it has been built."""
        note = self._folder / f"{key(layer)}.json"
        path = note.with_suffix(".tar")
        if not (note.is_file() and path.is_file()):
            return None
        told = json.loads(note.read_text(encoding="utf-8"))
        return Built(path, told["digest"], told["size"], told["contents"])

    def build(self, layer: Layer) -> Built:
        """The layer, built if it is not there yet.

        :raises sources.SourceError: it cannot be built here; the message says what is missing.
        """
        found = self.find(layer)
        if found:
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        name = key(layer)
        print(f"Building {layer.kind} layer {_title(layer)}", file=sys.stderr, flush=True)
        # Beside the target, so that the last step is a rename and an interrupted build leaves nothing that looks whole.
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=self._folder) as scratch:
            partial = Path(scratch) / "layer.tar"
            contents = _make(layer, Path(scratch), partial)
            with partial.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            note = {"digest": digest, "size": partial.stat().st_size, "title": _title(layer), "contents": contents}
            partial.rename(self._folder / f"{name}.tar")
            (Path(scratch) / "note").write_text(json.dumps(note, indent=1), encoding="utf-8")
            (Path(scratch) / "note").rename(self._folder / f"{name}.json")
        built = self.find(layer)
        assert built is not None  # noqa: S101 - just written
        return built

    def prune(self, table: Table) -> list[str]:
        """Delete layers that no image of the table has any more; returns their names."""
        images = [image for image in table.images if image.nearness is not Nearness.CANNOT]
        wanted = {key(layer) for image in images for layer in table.layers_of(image)}
        gone = [path for path in self._folder.glob("*.*") if path.name.split(".")[0] not in wanted and path.is_file()]
        for path in gone:
            path.unlink()
        return sorted({path.stem for path in gone})


def _title(layer: Layer) -> str:
    recipe = getattr(layer, layer.kind)
    for name in ("module", "folder", "requirements"):
        if hasattr(recipe, name):
            return f"{getattr(recipe, name)} {getattr(recipe, 'version', '')}".strip()
    if layer.debian:
        return f"{layer.debian.suite}: {' '.join(layer.debian.packages)}"
    return "of this repository"


def _make(layer: Layer, scratch: Path, target: Path) -> dict[str, str]:
    if layer.debian:
        return debian.make(layer.debian, target)
    stage = scratch / "root"
    stage.mkdir()
    contents: dict[str, str] = {}
    owners: dict[str, tuple[int, int, int]] = {}
    if layer.go:
        sources.go(layer.go, FOLDER, stage, scratch)
    elif layer.own_go:
        sources.own_go(layer.own_go, FOLDER.parent / layer.own_go.folder, stage)
    elif layer.c:
        sources.c(layer.c, stage)
    elif layer.maven:
        into = stage / layer.maven.into.strip("/")
        sources.maven(FOLDER / layer.maven.folder, into, layer.maven.repository)
    elif layer.python:
        sources.python(layer.python, FOLDER / layer.python.requirements, stage)
    elif layer.sdist:
        sources.sdist(layer.sdist, stage, scratch)
    elif layer.npm:
        sources.npm(FOLDER / layer.npm.folder, stage / layer.npm.into.strip("/"))
    elif layer.files:
        owners = _files(layer.files, stage)
    write_layer(stage, target, owners)
    return contents


def _files(recipe: Files, stage: Path) -> dict[str, tuple[int, int, int]]:
    owners = {}
    for place, source in recipe.copy_.items():
        into = stage / place.strip("/")
        into.parent.mkdir(parents=True, exist_ok=True)
        origin = FOLDER / source
        if origin.is_dir():
            shutil.copytree(origin, into, dirs_exist_ok=True)
        else:
            shutil.copy(origin, into)
    for place, owner in recipe.folders.items():
        (stage / place.strip("/")).mkdir(parents=True, exist_ok=True)
        uid, gid, mode = owner.split(":")
        owners[place] = (int(uid), int(gid), int(mode, 8))
    for place, to in recipe.links.items():
        link = stage / place.strip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(to)
    return owners


def _local_files(layer: Layer) -> list[Path]:
    """Files of this repository that a layer is made from."""
    folders: list[Path] = []
    if layer.own_go:
        folders = [FOLDER.parent / layer.own_go.folder]
    elif layer.maven:
        folders = [FOLDER / layer.maven.folder]
    elif layer.npm:
        folders = [FOLDER / layer.npm.folder]
    elif layer.python:
        folders = [FOLDER / layer.python.requirements]
    elif layer.go:
        folders = [FOLDER / source for source in layer.go.supply.values()]
    elif layer.files:
        folders = [FOLDER / source for source in layer.files.copy_.values()]
    found: list[Path] = []
    for folder in folders:
        found += [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
