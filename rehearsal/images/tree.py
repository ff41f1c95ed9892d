"""A folder as a layer: the same files give the same bytes, whoever made them and whenever."""

from __future__ import annotations

import tarfile
from pathlib import Path


def write_layer(folder: Path, target: Path, owners: dict[str, tuple[int, int, int]] | None = None) -> None:
    """Write what is in ``folder`` as a tar with fixed times, sorted, owned by root.

    :param owners: path in the image -> uid, gid, mode; of that path alone, not of what is below it.
    """
    chosen = {path.strip("/"): owner for path, owner in (owners or {}).items()}

    def normal(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid, entry.gid, entry.mtime, entry.uname, entry.gname = 0, 0, 0, "", ""
        # What the building user's umask took away must not show in the image.
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        if entry.name in chosen:
            entry.uid, entry.gid, entry.mode = chosen[entry.name]
        return entry

    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for child in sorted(folder.iterdir()):
            archive.add(child, arcname=child.name, filter=normal)
