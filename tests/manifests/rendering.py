"""Every component of every stage, rendered once per session: the base, and each overlay."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "include" / "manifests"
STAGES = ("infrastructure", "base-services", "data-layer", "applications", "validation")
BASE = "base"
POD_KINDS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}

Manifest = dict[str, Any]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Rendering:
    """A folder that kustomize renders: a component's base, or one of its overlays."""

    stage: str
    component: str
    overlay: str

    @property
    def id(self) -> str:
        """How tests name it."""
        return f"{self.component}-{self.overlay}"

    @property
    def component_folder(self) -> Path:
        """Folder of the component."""
        return MANIFESTS / self.stage / self.component

    @property
    def folder(self) -> Path:
        """Folder that is rendered."""
        inner = Path() if self.overlay == BASE else Path("overlays", self.overlay)
        return self.component_folder / inner


def discover() -> list[Rendering]:
    """All renderings, in pipeline order; only looks at folders, so it may run while tests are collected."""
    found = []
    for stage in STAGES:
        for file in sorted((MANIFESTS / stage).glob("*/component.yaml")):
            found.append(Rendering(stage, file.parent.name, BASE))
            found += [
                Rendering(stage, file.parent.name, overlay.parent.name)
                for overlay in sorted(file.parent.glob("overlays/*/kustomization.yaml"))
            ]
    return found


def components() -> list[Rendering]:
    """The bases only: one per component."""
    return [rendering for rendering in discover() if rendering.overlay == BASE]


def component_file(rendering: Rendering) -> Manifest:
    """Contents of the component's ``component.yaml``."""
    contents: Manifest = load(rendering.component_folder / "component.yaml")[0]
    return contents


@cache
def render_all() -> dict[Rendering, list[Manifest]]:
    """Render everything, a few at a time: each is a process that waits on little but the processor."""
    renderings = discover()
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(renderings, pool.map(lambda one: kustomize(one.folder), renderings), strict=True))


def kustomize(folder: Path) -> list[Manifest]:
    """What ``kubectl kustomize`` makes of a folder."""
    kubectl = Path(sys.executable).parent / "kubectl"
    process = subprocess.run([str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"{folder}: {process.stderr}"
    return [document for document in yaml.load_all(process.stdout, Loader=_Loader) if document]


def load(file: Path) -> list[Any]:
    """The documents of a YAML file."""
    return [document for document in yaml.load_all(file.read_text(), Loader=_Loader) if document]


def platform(environment: str) -> list[Manifest]:
    """All objects of a whole platform: each component's overlay of that name, or its base."""
    chosen: dict[str, Rendering] = {}
    for rendering in render_all():
        if rendering.overlay in (BASE, environment):
            chosen[rendering.component] = rendering
    return [manifest for rendering in chosen.values() for manifest in render_all()[rendering]]


def environments() -> list[str]:
    """``base``, and every name that some component has an overlay for."""
    return sorted({rendering.overlay for rendering in discover()})


def reference(manifest: Manifest) -> str:
    """``Kind/namespace/name``, or ``Kind/name`` of a cluster's object."""
    metadata = manifest["metadata"]
    return "/".join(part for part in (manifest["kind"], metadata.get("namespace"), metadata["name"]) if part)


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod template of a workload; ``None`` for any other object."""
    if manifest["kind"] not in POD_KINDS:
        return None
    spec: Manifest = manifest["spec"]
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Manifest = spec["template"]
    return template


def labels(manifest: Manifest) -> dict[str, str]:
    """Labels of an object or a pod template."""
    return dict(manifest.get("metadata", {}).get("labels") or {})


def selects(selector: Manifest | None, candidate: dict[str, str]) -> bool:
    """Does a LabelSelector match? An empty one matches everything, none nothing."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if candidate.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        held = candidate.get(rule["key"])
        matches = {
            "In": held in rule.get("values", []),
            "NotIn": held not in rule.get("values", []),
            "Exists": held is not None,
            "DoesNotExist": held is None,
        }[rule["operator"]]
        if not matches:
            return False
    return True
