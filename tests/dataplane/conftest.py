"""A platform that runs on real nodes, for tests that break it and mend it again. ``make dataplane`` says which."""

from __future__ import annotations

import os

import pytest

from tests.dataplane.running import RUN_DIR, Running

ASKED = bool(os.environ.get("SLIPWAY_DATAPLANE"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only on demand: each test takes minutes, and breaks what runs."""
    for item in items:
        if "dataplane" in item.path.parts:
            item.add_marker(pytest.mark.timeout(900))
            if not ASKED:
                item.add_marker(pytest.mark.skip(reason="make dataplane runs this, on a platform with real nodes"))


@pytest.fixture(scope="session")
def platform() -> Running:
    """What `make run CLUSTER=real` has deployed.

    Fails, and does not skip, when there is none: whoever asks for this wants to know.
    """
    running = Running(RUN_DIR)
    running.require()
    return running
