"""Are images pinned? A tag that moves makes two deploys of one commit differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from slipway.model.component import Component
from slipway.model.errors import Problem

_FLOATING = {
    "latest", "stable", "edge", "main", "master", "nightly", "dev", "devel", "develop", "head", "snapshot", "release",
    "lts", "alpine", "slim", "bookworm", "noble",
}  # fmt: skip
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def unpinned_reason(image: str) -> str | None:
    """Why an image reference may change under us, ``None`` when it is pinned.

    A digest pins; so does a tag with at least a major and a minor number.
    """
    if not image:
        return "no image is named"
    if _DIGEST.search(image):
        return None
    name, _, tag = image.rpartition("/")[2].partition(":")
    if not tag:
        return f"{name} has no tag"
    if tag.lower() in _FLOATING:
        return f"the tag {tag} moves"
    return None if re.search(r"\d+\.\d+", tag) else f"the tag {tag} is not a full version"


def judge_images(component: Component, manifests: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Problems of all images that a component runs, its checks' included."""
    where = f"include/manifests/{component.stage.value}/{component.name}"
    images = {
        (f"{manifest['kind']} {manifest['metadata']['name']}", container.get("image", ""))
        for manifest in manifests
        for container in containers_of(manifest)
    }
    images |= {(f"checks.{check.name}.image", check.image) for check in component.spec.checks if check.image}
    return [
        Problem(where, field, image or "nothing", "a full version tag, or a digest", f"pin it: {reason}")
        for field, image in sorted(images)
        if (reason := unpinned_reason(image))
    ]


def containers_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All containers of a workload, init containers first; none for other kinds."""
    spec = manifest.get("spec") or {}
    if manifest.get("kind") == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod = spec if manifest.get("kind") == "Pod" else (spec.get("template") or {}).get("spec") or {}
    return [*pod.get("initContainers", []), *pod.get("containers", [])] if isinstance(pod, Mapping) else []
