"""Remembers rendered folders between processes.

Every task is a process of its own and needs its component's manifests, and kustomize takes a third of a second of
processor time. What it made of a folder is kept by the folder's contents, so an edit is always seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# A few hundred kilobytes at most; beyond that the oldest go.
MOST_FILES = 500


def contents(folder: Path, *tools: Path) -> str:
    """Digest of all files of a folder, by relative path, and of the tools that render them, by size and time."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    for tool in tools:
        stat = tool.stat()
        digest.update(f"{tool}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def remembered(key: str, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what ``make`` returned for this key before, or call it and keep the result.

    Manifests hold no secrets. The folder is still only its owner's, or others could have us apply what they like;
    where that cannot be had, nothing is remembered.
    """
    folder = _own_folder()
    if folder is None:
        return make()
    path = folder / f"{key}.json"
    with suppress(OSError, ValueError):
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found
    made = make()
    with suppress(OSError):
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(made))
        partial.replace(path)
        _forget_oldest(folder)
    return made


def _own_folder() -> Path | None:
    folder = Path(tempfile.gettempdir()) / f"slipway-rendered-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        stat = folder.lstat()
    except OSError:
        return None
    private = stat.st_uid == os.getuid() and not stat.st_mode & 0o077 and not folder.is_symlink()
    return folder if private else None


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in files[: max(0, len(files) - MOST_FILES)]:
        path.unlink(missing_ok=True)
