"""Loads components: every ``include/manifests/<stage>/<component>/component.yaml``."""

from __future__ import annotations

import re
from pathlib import Path

from slipway.catalog.documents import load_document
from slipway.catalog.graph import check_graph
from slipway.catalog.paths import manifests_dir
from slipway.model.component import Component, ComponentSpec, StageName
from slipway.model.errors import ConfigurationError, Problem

# The name is part of labels (63 characters), of pods and of secrets' names, each with something added to it.
NAME_LIMIT = 40
_NAME = re.compile(rf"^[a-z]([-a-z0-9]{{0,{NAME_LIMIT - 2}}}[a-z0-9])?\Z")


def load_components(root: Path | None = None) -> dict[str, Component]:
    """Load all components, in deploy order: by stage, and within a stage after what they need.

    :param root: folder of the stage folders; the project's own when absent.
    :raises ConfigurationError: a file that does not load, a missing manifest or check script, two components of one
        name, a need that is unknown, later or cyclic. All problems are reported at once.
    """
    root = root or manifests_dir()
    problems: list[Problem] = []
    components: dict[str, Component] = {}
    for stage in StageName:
        for file in sorted((root / stage.value).glob("*/component.yaml")):
            try:
                component = _load(file, stage)
            except ConfigurationError as error:
                problems += error.problems
                continue
            if component.name in components:
                other = components[component.name].stage.value
                problems.append(
                    Problem(
                        _shown(file),
                        "",
                        f"a second component {component.name!r}",
                        f"unique names; stage {other} has one",
                        "rename one of the two folders",
                    )
                )
            components[component.name] = component
            problems += _missing_files(component, file)
    if problems:
        raise ConfigurationError(problems)
    return check_graph(components)


def _shown(file: Path) -> str:
    return "/".join(("include/manifests", *file.parts[-3:]))


def _load(file: Path, stage: StageName) -> Component:
    spec = load_document(file, ComponentSpec, _shown(file))
    name = file.parent.name
    if not _NAME.match(name):
        raise ConfigurationError(
            [
                Problem(
                    _shown(file),
                    "",
                    f"a folder named {name!r} ({len(name)} characters)",
                    f"at most {NAME_LIMIT} lower-case letters, digits and dashes, beginning with a letter",
                    "rename the folder",
                )
            ]
        )
    return Component(name=name, stage=stage, folder=file.parent, spec=spec)


def _missing_files(component: Component, file: Path) -> list[Problem]:
    folder = component.folder
    expected = [("", "kustomization.yaml", "add it, with the component's resources")]
    expected += [
        (f"checks[{index}].script", check.script, "add the script, or correct its path")
        for index, check in enumerate(component.spec.checks)
        if check.script
    ]
    return [
        Problem(_shown(file), field, f"no file {name}", "a file in the component's folder", mend)
        for field, name, mend in expected
        if not (folder / name).is_file()
    ]
