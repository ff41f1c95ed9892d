"""Images that a component's files name: its manifests', read without rendering them, and its checks'."""

from __future__ import annotations

import re

from slipway.model.component import Component

_IMAGE = re.compile(r"""^\s*(?:-\s+)?["']?image["']?:\s*["']?(?P<image>[^\s"'#{}]+)["']?""", re.M)


def service_images(component: Component) -> list[str]:
    """What the component runs, without what only its checks run in."""
    files = [file for file in component.folder.rglob("*.yaml") if file.name != "component.yaml"]
    found = {match["image"] for file in files for match in _IMAGE.finditer(file.read_text(encoding="utf-8"))}
    return sorted(found)


def all_images(component: Component) -> list[str]:
    """What the component and its checks run in."""
    return sorted({*service_images(component), *(check.image for check in component.spec.checks if check.image)})


def split_image(image: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image reference; what is not there is empty.

    The colon of a registry's port is no tag's: a tag follows the last slash.
    """
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return f"{head}{slash}{base}", tag, digest
