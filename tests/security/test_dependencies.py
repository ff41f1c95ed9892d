"""Dependencies are what was reviewed: every version and every byte of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[^ ;\\]+", re.MULTILINE)


def entries(text: str) -> list[str]:
    """Requirements with what belongs to them, lines joined."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_every_list_is_compiled() -> None:
    assert len(LOCKS) >= 5
    assert {path.stem for path in LOCKS} == {path.stem for path in ROOT.glob("requirements*.in")}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_requirement_has_a_version_and_hashes(lock: Path) -> None:
    found = entries(lock.read_text())
    assert found
    for one in found:
        assert REQUIREMENT.match(one), f"{lock.name}: {one[:80]} names no version"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", one), f"{lock.name}: {one[:80]} has no hash"
        assert "://" not in one.split("--hash")[0], "from the index, not from an address"


def test_everything_that_installs_asks_for_the_hashes() -> None:
    """``pip install`` and ``uv pip install`` of a list; uv itself, which does it, is pinned by version."""
    for name in ("Makefile", "Dockerfile"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        installing = [line for line in text.splitlines() if re.search(r"pip install", line) and "requirement" in line]
        assert installing, name
        for line in installing:
            for command in line.split("pip install")[1:]:
                assert "--require-hashes" in command, f"{name}: {line.strip()[:100]}"


def test_modules_of_go_are_pinned_by_sum() -> None:
    modules = sorted((ROOT / "rehearsal/controlplane/go").glob("*/go.mod"))
    assert modules
    for module in modules:
        text, sums = module.read_text(), (module.parent / "go.sum").read_text()
        replaced = dict(re.findall(r"^\s*(?:replace )?(\S+) => (\S+ v\S+)", text, re.MULTILINE))
        for name, version in re.findall(r"^\s+(\S+) (v\S+)", text, re.MULTILINE):
            wanted = replaced.get(name, f"{name} {version}")
            assert wanted in sums, f"{module.parent.name}: {wanted}"
