"""A component's kustomizations name files of their own folder, and nothing else.

kustomize takes whatever does not lie on the disk for the address of a Git repository and fetches it, and builds on any
folder it can read. Neither belongs into a deployment: what is applied is what was reviewed in this repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from slipway.model.errors import Problem

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LISTS = ("resources", "components", "generators", "transformers", "validators", "crds", "configurations", "bases")
# Fetches charts from the internet, or runs programs.
_REFUSED = ("helmCharts", "helmChartInflationGenerator", "helmGlobals", "openapi", "vars")
_FILES = ("files", "envs")


def confinement(folder: Path, shown: str) -> list[Problem]:
    """Problems of all kustomizations in a component's folder: files outside of it, addresses, charts.

    :param folder: the component's folder.
    :param shown: the folder's name in messages.
    """
    root = folder.resolve()
    return [
        problem
        for path in sorted(folder.rglob("*"))
        if path.name in FILE_NAMES and path.is_file()
        for problem in _judge(path, root, f"{shown}/{path.relative_to(folder)}")
    ]


def _judge(path: Path, root: Path, shown: str) -> Iterator[Problem]:
    try:
        content = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return  # kustomize says better what is wrong with it
    if not isinstance(content, dict):
        return
    for key in _REFUSED:
        if key in content:
            mend = "write the objects out as YAML files of the folder"
            yield Problem(shown, key, "a field that fetches or runs something", "plain files", mend)
    for field, name in _named(content):
        if reason := _outside(path.parent, name, root):
            mend = "copy what is needed into the component's folder"
            yield Problem(shown, field, f"{name!r}, {reason}", "a path within the component's folder", mend)


def _outside(base: Path, name: str, root: Path) -> str:
    """Why a path is not one of the component's; empty when it is. Links count as what they lead to."""
    if "://" in name or name.startswith(("git@", "git::")):
        return "an address"
    try:
        target = (base / name).resolve()
    except (OSError, ValueError, RuntimeError):
        return "no path"
    if not target.is_relative_to(root):
        return "which leads out of it"
    # github.com/org/repo?ref=v1: what looks like a host and is not there is fetched.
    host = name.split("/")[0]
    looks_remote = "/" in name and "." in host.lstrip(".") and not (base / host).exists()
    return "an address" if looks_remote else ""


def _named(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Paths by field."""
    for key in (*_LISTS, "patchesStrategicMerge"):
        yield from _texts(key, content.get(key))
    for key in ("patches", "patchesJson6902", "replacements"):
        for index, item in enumerate(_items(content.get(key))):
            path = item.get("path") if isinstance(item, dict) else None
            if isinstance(path, str):
                yield f"{key}[{index}].path", path
    for key in ("configMapGenerator", "secretGenerator"):
        for index, generator in enumerate(_items(content.get(key))):
            for field in _FILES if isinstance(generator, dict) else ():
                for where, item in _texts(f"{key}[{index}].{field}", generator.get(field)):
                    yield where, item.rpartition("=")[2]


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """Items that are paths: a text of several lines is YAML written in place."""
    for index, item in enumerate(_items(value)):
        if isinstance(item, str) and "\n" not in item:
            yield f"{field}[{index}]", item


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
