"""The component graph: what may need what, and what is said when it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from slipway.catalog.components import load_components
from slipway.model.component import StageName
from slipway.model.errors import ConfigurationError


def write(root: Path, stage: StageName, name: str, text: str = "") -> Path:
    folder = root / stage.value / name
    folder.mkdir(parents=True)
    (folder / "component.yaml").write_text(text or f"description: {name}\nnamespace: apps\n")
    (folder / "kustomization.yaml").write_text("resources: []\n")
    return folder


def needing(*names: str) -> str:
    return f"description: x\nnamespace: apps\nneeds: [{', '.join(names)}]\n"


def test_order_is_by_stage_then_needs(tmp_path: Path) -> None:
    write(tmp_path, StageName.DATA_LAYER, "a", needing("z"))
    write(tmp_path, StageName.DATA_LAYER, "z", needing("m"))
    write(tmp_path, StageName.BASE_SERVICES, "m")
    write(tmp_path, StageName.APPLICATIONS, "b", needing("a"))
    assert list(load_components(tmp_path)) == ["m", "z", "a", "b"]


def test_unknown_need(tmp_path: Path) -> None:
    write(tmp_path, StageName.DATA_LAYER, "a", needing("nowhere"))
    with pytest.raises(
        ConfigurationError, match=r"data-layer/a/component.yaml: needs: found unknown component 'nowhere'"
    ):
        load_components(tmp_path)


def test_need_of_a_later_stage(tmp_path: Path) -> None:
    write(tmp_path, StageName.DATA_LAYER, "a", needing("b"))
    write(tmp_path, StageName.APPLICATIONS, "b")
    with pytest.raises(ConfigurationError, match="'b' of the later stage applications"):
        load_components(tmp_path)


def test_circle_is_spelled_out(tmp_path: Path) -> None:
    write(tmp_path, StageName.DATA_LAYER, "a", needing("b"))
    write(tmp_path, StageName.DATA_LAYER, "b", needing("c"))
    write(tmp_path, StageName.DATA_LAYER, "c", needing("a"))
    with pytest.raises(ConfigurationError, match=r"a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"):
        load_components(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    text = "description: x\nnamespace: apps\nchecks: [{name: one, proves: it, script: checks/one.sh}]\n"
    folder = write(tmp_path, StageName.DATA_LAYER, "a", text)
    (folder / "kustomization.yaml").unlink()
    with pytest.raises(ConfigurationError) as caught:
        load_components(tmp_path)
    found = [problem.found for problem in caught.value.problems]
    assert found == ["no file kustomization.yaml", "no file checks/one.sh"]


@pytest.mark.parametrize("script", ["../../../etc/passwd", "/etc/passwd", "checks/../../x.sh"])
def test_scripts_stay_in_their_folder(tmp_path: Path, script: str) -> None:
    text = f"description: x\nnamespace: apps\nchecks: [{{name: one, proves: it, script: {script}}}]\n"
    write(tmp_path, StageName.DATA_LAYER, "a", text)
    with pytest.raises(ConfigurationError, match="leaves the component's folder"):
        load_components(tmp_path)


def test_same_name_in_two_stages(tmp_path: Path) -> None:
    write(tmp_path, StageName.DATA_LAYER, "a")
    write(tmp_path, StageName.APPLICATIONS, "a")
    with pytest.raises(ConfigurationError, match="a second component 'a'"):
        load_components(tmp_path)


def test_shipped_components_load_in_pipeline_order() -> None:
    components = load_components()
    stages = [list(StageName).index(component.stage) for component in components.values()]
    assert stages == sorted(stages)
    assert {"connectivity", "prometheus", "kafka", "mongodb", "maze", "end-to-end"} <= set(components)
