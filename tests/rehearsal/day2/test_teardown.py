"""Teardown from every state ends in nothing left, and touches nothing of others."""

from __future__ import annotations

import pytest

from tests.rehearsal.day2.taking import Teardown, inventory, show
from tests.rehearsal.infrastructure.conftest import Aws, EnvironmentFile
from tests.rehearsal.infrastructure.stage import Stage

pytestmark = pytest.mark.timeout(120)


def test_whole_platform_goes(aws: Aws, environment: EnvironmentFile) -> None:
    import time

    t = time.time()
    Stage(environment).whole()
    print("deployed", time.time() - t)
    t = time.time()
    teardown = Teardown(environment)
    for task in teardown.tasks:
        t = time.time()
        v = teardown.step(task)
        print(task, round(time.time() - t, 2), str(v)[:1200])
    print(show(inventory(environment.platform)))
