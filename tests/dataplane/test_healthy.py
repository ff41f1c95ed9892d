"""Every check passes on a healthy platform and says with numbers what it proved, or could not run and says why."""

from __future__ import annotations

import os

import pytest
from slipway.catalog.components import load_components

from tests.dataplane.running import PASSED, SKIPPED, Running

# The stream's checks follow one another's events, so they stand in order in test_stream.py.
ALL = [
    (component.name, check.name)
    for component in (load_components().values() if os.environ.get("SLIPWAY_DATAPLANE") else [])
    for check in component.spec.checks
    if component.name not in {"stream", "zookeeper"}
]


@pytest.mark.parametrize(("component", "check"), ALL)
def test_check(platform: Running, component: str, check: str) -> None:
    outcome = platform.check(component, check)
    if outcome.code == SKIPPED:
        pytest.skip(outcome.output.strip().splitlines()[-1])
    assert outcome.code == PASSED, outcome.output
    assert outcome.proof, "it passed without saying what it proved"
