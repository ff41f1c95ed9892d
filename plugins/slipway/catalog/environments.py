"""Loads environments from ``include/environments``."""

from __future__ import annotations

import re

from slipway.catalog.documents import load_document
from slipway.catalog.paths import environments_dir, manifests_dir
from slipway.model.drills import derive, original_of
from slipway.model.environment import Environment
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.platform import Platform

_FILE_NAME = re.compile(r"^[a-z][a-z0-9-]*$")


def environment_names() -> list[str]:
    """Names of the environments that have a file, sorted; the files are not read."""
    return sorted(path.stem for path in environments_dir().glob("*.yaml"))


def load_environment(name: str, region: str | None = None) -> Environment:
    """Load one environment, or derive the one that a disaster recovery drill rebuilds.

    :param region: of a drill; without it, the one that the original names for it, else its last.
    :raises ConfigurationError: no such file, or it does not load.
    """
    if original := original_of(name, environment_names()):
        return _drill(load_environment(original), region)
    shown = f"include/environments/{name}.yaml"
    if not _FILE_NAME.match(name) or name not in environment_names():
        known = ", ".join(environment_names()) or "none"
        raise ConfigurationError([Problem(shown, "", f"no environment {name!r}", known, f"choose one, or add {shown}")])
    environment = load_document(environments_dir() / f"{name}.yaml", Environment, shown)
    if environment.name != name:
        raise ConfigurationError(
            [Problem(shown, "name", repr(environment.name), repr(name), f"write name: {name}, or rename the file")]
        )
    return environment


def _drill(original: Environment, region: str | None) -> Environment:
    taken = {original.name: original.network.cidr}
    taken |= {one.name: one.network.cidr for one in other_environments(original.name)[0]}
    overlays = {
        file.parents[2].name: original.name
        for file in manifests_dir().glob(f"*/*/overlays/{original.name}/kustomization.yaml")
    }
    chosen = region or original.recovery_region or original.regions[-1]
    return derive(original, chosen, [taken[name] for name in sorted(taken)], overlays)


def other_environments(name: str) -> tuple[list[Environment], list[str]]:
    """The other environments, and a remark for each whose file does not load: that is not this one's problem."""
    found, remarks = [], []
    for other in environment_names():
        if other == name:
            continue
        try:
            found.append(load_environment(other))
        except ConfigurationError:
            remarks.append(f"not compared with include/environments/{other}.yaml, which does not load")
    return found, remarks


def load_platform(name: str, region: str | None = None) -> Platform:
    """Load an environment in one of its regions, the first when none is given.

    :raises ConfigurationError: as :func:`load_environment`, or the environment has no such region.
    """
    environment = load_environment(name, region)
    chosen = region or environment.regions[0]
    if chosen not in environment.regions:
        raise ConfigurationError(
            [
                Problem(
                    f"include/environments/{name}.yaml",
                    "regions",
                    f"no region {chosen!r}",
                    ", ".join(environment.regions),
                    "choose one of these for the run, or add the region to the environment",
                )
            ]
        )
    return Platform(environment, chosen)
