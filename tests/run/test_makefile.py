"""The Makefile's help is the list of its targets, and the plugin folder's trap stays closed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from rehearsal.run.settings import PORTS, ROOT

MAKE = shutil.which("make") or "make"
MAKEFILE = (ROOT / "Makefile").read_text()


def help_text() -> str:
    done = subprocess.run([MAKE, "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "target", ["setup", "run", "test", "check", "cloud", "lock", "bench", "clean", "help", "scan", "compose-env"]
)
def test_help_lists_the_target(target: str) -> None:
    assert re.search(rf"^  make {target}\s+\S", help_text(), re.MULTILINE)


def test_every_target_people_call_is_phony_and_described() -> None:
    phony = set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE))
    described = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert described <= phony
    assert {name for name in phony if not name.startswith("check-")} == described


@pytest.fixture(scope="module")
def environment_of_a_recipe(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """What a recipe of the Makefile finds in its environment when make is called with these arguments."""
    outer = tmp_path_factory.mktemp("make") / "Makefile"
    outer.write_text(f"include {ROOT / 'Makefile'}\nshow-environment: ; @env -0\n")

    def read(*arguments: str) -> dict[str, str]:
        command = [MAKE, "-C", str(ROOT), "-f", str(outer), "--no-print-directory", "show-environment", *arguments]
        shell = {name: value for name, value in os.environ.items() if name not in PASSED}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=shell)
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)

    return read


PASSED = (
    *PORTS,
    "ONESHOT",
    "PLAN_ONLY",
    "STAGES",
    "ENVIRONMENT",
    "DAG",
    "CLUSTER",
    "SLIPWAY_RUN_DIR",
    "REHEARSAL_SPEED",
)


@pytest.mark.parametrize("variable", PASSED)
def test_a_variable_of_make_reaches_the_driver(
    variable: str, environment_of_a_recipe: Callable[..., dict[str, str]]
) -> None:
    assert environment_of_a_recipe(f"{variable}=1234")[variable] == "1234"


def test_what_nobody_set_is_not_there(environment_of_a_recipe: Callable[..., dict[str, str]]) -> None:
    """An empty value is not the same: a reader that takes a number would trip over it."""
    assert not set(PASSED) & set(environment_of_a_recipe())


# Airflow itself still uses the older name of the pattern.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_airflows_plugin_loader_passes_over_the_package() -> None:
    """It would otherwise store slipway/model/platform.py as sys.modules['platform']."""
    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    found = list(find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob"))
    assert not [path for path in found if "/plugins/slipway/" in path]
