"""The Makefile's help is the list of its targets, and the plugin folder's trap stays closed."""

from __future__ import annotations

import re
import shutil
import subprocess

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
    described = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert described <= phony
    assert {name for name in phony if not name.startswith("check-")} == described


@pytest.mark.parametrize(
    "variable", [*PORTS, "ONESHOT", "PLAN_ONLY", "STAGES", "ENVIRONMENT", "DAG", "SLIPWAY_RUN_DIR"]
)
def test_a_variable_of_make_reaches_the_driver(variable: str) -> None:
    exported = " ".join(re.findall(r"^export (.*)$", MAKEFILE, re.MULTILINE)).split()
    assert variable in exported


# Airflow itself still uses the older name of the pattern.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_airflows_plugin_loader_passes_over_the_package() -> None:
    """It would otherwise store slipway/model/platform.py as sys.modules['platform']."""
    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    found = list(find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob"))
    assert not [path for path in found if "/plugins/slipway/" in path]
