"""Folders of components that reach for what is not theirs: refused before kustomize is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway.catalog.confined import confinement
from slipway.catalog.paths import manifests_dir

ROOT = Path(__file__).resolve().parents[3]


def problems(folder: Path, **content: Any) -> list[str]:
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return [f"{one.field}: {one.found}" for one in confinement(folder, "include/manifests/data-layer/thing")]


@pytest.mark.parametrize(
    ("content", "field", "why"),
    [
        ({"resources": ["https://example.com/x.yaml"]}, "resources[0]", "an address"),
        ({"resources": ["github.com/org/repo//deploy?ref=v1"]}, "resources[0]", "an address"),
        ({"resources": ["git@github.com:org/repo"]}, "resources[0]", "an address"),
        ({"resources": ["ssh://git@example.com/x"]}, "resources[0]", "an address"),
        ({"resources": ["git::https://example.com/x"]}, "resources[0]", "an address"),
        ({"resources": ["../other"]}, "resources[0]", "leads out"),
        ({"resources": ["/etc"]}, "resources[0]", "leads out"),
        ({"resources": ["base/../../other"]}, "resources[0]", "leads out"),
        ({"components": ["../../.."]}, "components[0]", "leads out"),
        ({"patches": [{"path": "/etc/passwd"}]}, "patches[0].path", "leads out"),
        (
            {"configMapGenerator": [{"files": ["x=../../../../etc/passwd"]}]},
            "configMapGenerator[0].files[0]",
            "leads out",
        ),
        ({"secretGenerator": [{"envs": ["/proc/self/environ"]}]}, "secretGenerator[0].envs[0]", "leads out"),
        ({"helmCharts": [{"name": "x", "repo": "https://example.com"}]}, "helmCharts", "fetches"),
        ({"resources": ["a\0b"]}, "resources[0]", "no path"),
    ],
)
def test_reaching_out_is_refused(tmp_path: Path, content: dict[str, Any], field: str, why: str) -> None:
    (found,) = problems(tmp_path, **content)
    assert found.startswith(f"{field}: ")
    assert why in found


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "passwd.yaml").symlink_to("/etc/passwd")
    (folder / "base").symlink_to("/etc")
    found = problems(folder, resources=["passwd.yaml", "base"])
    assert len(found) == 2
    assert all("leads out" in one for one in found)


def test_kustomizations_below_are_judged_too(tmp_path: Path) -> None:
    overlay = tmp_path / "overlays" / "dev"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: [../../base, ../../../other]\n")
    (found,) = confinement(tmp_path, "x")
    assert found.where == "x/overlays/dev/kustomization.yaml"
    assert "'../../../other'" in found.found


def test_what_is_of_the_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    patch = "apiVersion: v1\nkind: ConfigMap\n"
    assert problems(tmp_path, resources=["base", "a.yaml", "./b.yaml"], patchesStrategicMerge=[patch]) == []


def test_our_own_components_keep_to_their_folders() -> None:
    folders = sorted({file.parent for file in manifests_dir().glob("*/*/component.yaml")})
    assert len(folders) > 20
    assert [str(one) for folder in folders for one in confinement(folder, folder.name)] == []
