"""Where ``include/`` is.

A plain checkout and an Astro project keep it beside ``plugins/``. MWAA ships only the DAGs folder and a plugins
archive, so it may also lie inside either of these. ``SLIPWAY_INCLUDE_DIR`` decides when set.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from slipway.model.errors import ConfigurationError, Problem

VARIABLE = "SLIPWAY_INCLUDE_DIR"


@cache
def include_dir() -> Path:
    """Return the ``include`` folder.

    :raises ConfigurationError: it is at none of the expected places.
    """
    plugins = Path(__file__).resolve().parents[2]
    chosen = os.environ.get(VARIABLE)
    candidates = (
        [Path(chosen)]
        if chosen
        else [plugins.parent / "include", plugins / "include", plugins.parent / "dags" / "include"]
    )
    for candidate in candidates:
        if (candidate / "environments").is_dir():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise ConfigurationError(
        [
            Problem(
                where="include/",
                field="",
                found=f"no environments folder in {looked}",
                allowed="the include folder of this project",
                mend=f"deploy include/ beside plugins/, or set {VARIABLE} to where it is",
            )
        ]
    )


def manifests_dir() -> Path:
    """Folder of the stages' component folders."""
    return include_dir() / "manifests"


def cloudformation_dir() -> Path:
    """Folder of the CloudFormation templates."""
    return include_dir() / "cloudformation"


def environments_dir() -> Path:
    """Folder of the environment files."""
    return include_dir() / "environments"
