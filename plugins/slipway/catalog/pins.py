"""Loads the digests of ``include/manifests/images.yaml`` and puts them behind tags."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from slipway.catalog.documents import load_document
from slipway.catalog.images import split_image
from slipway.catalog.paths import manifests_dir
from slipway.model.images import Pins

FILE_NAME = "images.yaml"


def load_pins(root: Path | None = None) -> Pins:
    """Load the list of digests.

    :raises ConfigurationError: the file does not load.
    """
    file = (root or manifests_dir()) / FILE_NAME
    return _load(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(file: Path, _changed: int) -> Pins:
    return load_document(file, Pins, f"include/manifests/{FILE_NAME}")


def by_digest(image: str, pins: Pins) -> str:
    """An image reference with its digest, when one is known; with what it says already, when not."""
    if split_image(image)[2] or image not in pins.pins:
        return image
    return f"{image}@{pins.pins[image].digest}"
