"""Every rendered object against the published schemas of the Kubernetes version that Slipway deploys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.manifests.rendering import MANIFESTS, ROOT, Manifest, Rendering, discover, reference, render_all

VERSION = "1.36"


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """The library reads its definitions, megabytes of JSON, anew for every object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


@cache
def problem(text: str) -> str | None:
    """What is wrong with an object; ``None`` if nothing is. A missing schema is wrong: no custom kinds here."""
    manifest: Manifest = json.loads(text)
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{reference(manifest)}: {'.'.join(str(part) for part in error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return f"{reference(manifest)}: {error.message}"
    return None


@pytest.mark.parametrize("rendering", discover(), ids=lambda one: one.id)
def test_objects_are_valid(rendering: Rendering) -> None:
    manifests = render_all()[rendering]
    assert manifests, "renders to nothing"
    problems = [problem(json.dumps(manifest, sort_keys=True)) for manifest in manifests]
    assert [found for found in problems if found] == []


def test_an_unknown_field_is_found() -> None:
    """Guards the guard: strict validation is what it says."""
    broken = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": 80}}
    assert "Additional properties" in str(problem(json.dumps(broken)))
    gone = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}}
    assert "Couldn't find schema" in str(problem(json.dumps(gone)))


def test_files_are_tidy() -> None:
    """yamllint, with the project's own settings: duplicate keys and syntax that only some readers accept are errors."""
    settings = YamlLintConfig(file=str(ROOT / ".yamllint"))
    files = [*MANIFESTS.rglob("*.yaml"), *MANIFESTS.rglob("*.yml")]
    found = [
        f"{file.relative_to(ROOT)}:{problem.line}: {problem.message}"
        for file in sorted(files)
        for problem in linter.run(file.read_text(), settings)
    ]
    assert found == []
