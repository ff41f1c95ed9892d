"""A mistake in an environment file is named with its file, line, field and mend, before anything is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from slipway.catalog import paths
from slipway.catalog.environments import environment_names, load_environment, load_platform
from slipway.model.errors import ConfigurationError, Problem

GOOD = """\
name: dev
account: "123456789012"
regions: [us-east-1]
network:
  cidr: 10.20.0.0/16
cluster:
  endpoint:
    public_cidrs: [203.0.113.0/24]
node_groups:
  primary:
    instance_types: [t3.large]
    min: 1
    desired: 2
    max: 3
budget:
  monthly_usd: 300
"""

Load = Callable[[str], list[Problem]]


@pytest.fixture
def problems_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a file's text as ``dev.yaml`` and return what is wrong with it."""
    (tmp_path / "environments").mkdir()
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path))
    paths.include_dir.cache_clear()

    def load(text: str) -> list[Problem]:
        (tmp_path / "environments" / "dev.yaml").write_text(text)
        try:
            load_environment("dev")
        except ConfigurationError as error:
            return list(error.problems)
        return []

    yield load
    paths.include_dir.cache_clear()


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(lines) + "\n" + GOOD


BAD: dict[str, tuple[str, str, str]] = {
    "unknown key": (GOOD.replace("  cidr:", "  cird: 1\n  cidr:"), "network.cird", "did you mean cidr?"),
    "duplicate key": (GOOD + "name: dev\n", "", "each key once"),
    "alias bomb": (bomb(), "", "at most 20"),
    "malformed CIDR": (GOOD.replace("10.20.0.0/16", "10.20.0/16"), "network.cidr", "10.20.0/16"),
    "host bits in CIDR": (GOOD.replace("10.20.0.0/16", "10.20.3.0/16"), "network.cidr", "write 10.20.0.0/16"),
    "CIDR too small for its subnets": (GOOD.replace("0.0/16", "0.0/24"), "network", "needs /16 to /20"),
    "one zone": (GOOD.replace("0.0/16", "0.0/16\n  zones: 1"), "network", "at least two zones"),
    "same zone twice": (
        GOOD.replace("0.0/16", "0.0/16\n  zones: [us-east-1a, us-east-1a]"),
        "network",
        "names a zone twice",
    ),
    "min above desired": (GOOD.replace("min: 1", "min: 3"), "node_groups.primary", "min 3 <= desired 2"),
    "desired above max": (GOOD.replace("max: 3", "max: 1"), "node_groups.primary", "desired 2 <= max 1"),
    "negative size": (GOOD.replace("min: 1", "min: -1"), "node_groups.primary.min", "greater than or equal to 0"),
    "malformed version": (
        GOOD.replace("cluster:", "cluster:\n  version: latest"),
        "cluster.version",
        "latest",
    ),
    "open to the world": (GOOD.replace("203.0.113.0/24", "0.0.0.0/0"), "cluster.endpoint", "acknowledge_open"),
    "public without networks": (GOOD.replace("[203.0.113.0/24]", "[]"), "cluster.endpoint", "public_cidrs is empty"),
    "name too long": (GOOD.replace("name: dev", f"name: {'d' * 30}"), "name", "String should match"),
    "malformed name": (GOOD.replace("name: dev", "name: Dev_1"), "name", "Dev_1"),
    "another file's name": (GOOD.replace("name: dev", "name: prod"), "name", "'dev'"),
    "malformed account": (GOOD.replace("123456789012", "1234"), "account", "1234"),
    "account as a number": (GOOD.replace('"123456789012"', "123456789012"), "account", "123456789012"),
    "no region": (GOOD.replace("[us-east-1]", "[]"), "regions", "at least 1"),
    "malformed region": (GOOD.replace("[us-east-1]", "[useast]"), "regions[0]", "useast"),
    "nothing primary": (
        GOOD.replace("  primary:\n", "  other:\n    workload: other\n"),
        "",
        "workload: primary",
    ),
    "reserved tag": (GOOD + "tags: {slipway:platform: x}\n", "", "slipway:platform"),
    "missing field": (GOOD.replace("  monthly_usd: 300", "  emails: []"), "budget.monthly_usd", "required"),
    "empty file": ("", "", "a mapping"),
    "a list": ("- a\n", "", "a mapping"),
    "broken syntax": (GOOD + "  : [\n", "", "YAML"),
    "not text": ("name: \x00", "", "YAML"),
    "service account without role": (
        GOOD + "addons:\n  x:\n    service_account: y\n",
        "addons.x",
        "go together",
    ),
    "principal twice": (
        GOOD
        + "access:\n"
        + "  - {principal_arn: 'arn:aws:iam::123456789012:role/a', policy: AmazonEKSViewPolicy}\n" * 2,
        "",
        "more than once",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(problems_of: Load, case: str) -> None:
    text, field, fragment = BAD[case]
    problems = problems_of(text)
    assert problems, "the file was accepted"
    assert any(problem.field == field and fragment in str(problem) for problem in problems), problems
    assert all(problem.where.startswith("include/environments/dev.yaml") for problem in problems)
    assert all(problem.mend for problem in problems)


def test_good_file_loads(problems_of: Load) -> None:
    assert problems_of(GOOD) == []


def test_all_problems_at_once_with_their_lines(problems_of: Load) -> None:
    problems = problems_of(GOOD.replace("cidr: 10", "cidr: x10").replace("min: 1", "min: x"))
    assert {(problem.where.rpartition(":")[2], problem.field) for problem in problems} == {
        ("5", "network.cidr"),
        ("12", "node_groups.primary.min"),
    }


def test_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no environment 'nope'.*dev, prod, staging"):
        load_platform("nope")


@pytest.mark.parametrize("name", ["../secrets", "dev/../dev", "", "Dev", "dev\n"])
def test_environment_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no environment"):
        load_environment(name)


def test_region_must_be_the_environments() -> None:
    with pytest.raises(ConfigurationError, match=r"no region 'eu-north-1'.*us-east-1"):
        load_platform("dev", "eu-north-1")


@pytest.mark.parametrize("name", environment_names())
def test_shipped_environments_load(name: str) -> None:
    for region in load_environment(name).regions:
        platform = load_platform(name, region)
        assert platform.environment.name == name
        assert len(platform.bucket) <= 63


def test_file_size_is_bounded(problems_of: Load) -> None:
    assert "bytes" in str(problems_of(GOOD + "#" * 300_000)[0])
