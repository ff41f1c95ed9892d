"""Every broken file of the corpus is refused with file, field, what was found, what is allowed and how to mend it.

The first line of each file names the field that its problem must be about; empty means the file as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_environment
from slipway.model.errors import ConfigurationError

from tests.unit.bad_input.conftest import place_component

CORPUS = Path(__file__).parent / "corpus"
ENVIRONMENTS = sorted((CORPUS / "environments").glob("*.yaml"))
COMPONENTS = sorted((CORPUS / "components").glob("*.yaml"))
PWNED = Path("/tmp/slipway-pwned")


def judged(file: Path, shown: str, load: Callable[[], object]) -> None:
    field = file.read_bytes().split(b"\n")[0].decode("ascii").removeprefix("#").strip()
    with pytest.raises(ConfigurationError) as refusal:
        load()
    problems = refusal.value.problems
    assert problems
    for one in problems:
        assert re.fullmatch(rf"{re.escape(shown)}(:\d+)?", one.where), one
        assert all((one.found, one.allowed, one.mend)), one
        assert "Traceback" not in str(one)
        assert "pydantic" not in str(one)
        assert len(one.found) < 300, "a message is read by a person"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", str(one)), "a message must not carry what it refuses"
    assert any(one.field.startswith(field) for one in problems), [str(one) for one in problems]


def test_the_corpus_is_there() -> None:
    assert len(ENVIRONMENTS) > 60
    assert len(COMPONENTS) > 30


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda file: file.stem)
def test_environment(file: Path, include: Path) -> None:
    (include / "environments" / "dev.yaml").write_bytes(file.read_bytes())
    judged(file, "include/environments/dev.yaml", lambda: load_environment("dev"))
    assert not PWNED.exists(), "a tag of YAML ran a command"


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.stem)
def test_component(file: Path, include: Path) -> None:
    place_component(include, file)
    judged(file, "include/manifests/data-layer/thing/component.yaml", load_components)


@pytest.mark.parametrize("name", ["../prod", "dev\n", "dev/../prod", "", ".", "dev.yaml", "DEV", "a" * 5000, "{{ x }}"])
def test_hostile_names_of_environments_lead_nowhere(include: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no environment"):
        load_environment(name)


@pytest.mark.parametrize("name", ["Über", "a b", "a;b", "-a", "$(id)", "{{ x }}", "a" * 41, "1a"])
def test_hostile_names_of_component_folders_are_refused(include: Path, name: str) -> None:
    folder = place_component(include, CORPUS / "components" / "empty.yaml", name)
    (folder / "component.yaml").write_text("description: x\nnamespace: data\n")
    with pytest.raises(ConfigurationError, match="a folder named"):
        load_components()


def test_a_folder_in_place_of_a_file_is_told(include: Path) -> None:
    (include / "environments" / "dev.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="readable file"):
        load_environment("dev")
