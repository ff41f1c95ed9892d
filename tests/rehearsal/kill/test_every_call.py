"""A worker is killed at every mutating call of deploy, change, upgrade and teardown; the end is the same.

Run by ``make kill``; SLIPWAY_KILL_EVERY=9 kills one call of nine. What was found goes to docs/reliability-kills.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.rehearsal.kill import record
from tests.rehearsal.kill.conftest import VERBS, Step, folder_of, life, whole
from tests.rehearsal.kill.state import differences

EVERY = int(os.environ.get("SLIPWAY_KILL_EVERY") or 0)

pytestmark = [
    pytest.mark.skipif(not EVERY, reason="not run here; make kill does"),
    pytest.mark.timeout(3600),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="session")
def killed(quiet: dict[str, Step], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Step]]:
    """The life whose workers die."""
    assert set(quiet) == set(VERBS), "there is no undisturbed life to compare with"
    with life(folder_of(tmp_path_factory, "killed"), every=EVERY) as one:
        steps = whole(one, quiet)
    yield steps
    record.calls(EVERY, quiet, steps)


@pytest.mark.parametrize("verb", VERBS)
def test_undisturbed_run_ends_well_and_all_its_calls_are_seen(quiet: dict[str, Step], verb: str) -> None:
    step = quiet[verb]
    assert step.outcome.state == "success", step.outcome.bad()
    assert not step.outcome.failed, step.outcome.failed
    aws = sum(count for label, count in step.calls.items() if not label.split(": ", 1)[1].split()[0].isupper())
    assert aws == step.counted, "AWS counts as many mutating calls as the knife saw"


@pytest.mark.parametrize("verb", VERBS)
def test_killed_run_ends_well_after_every_call_was_killed(killed: dict[str, Step], verb: str) -> None:
    step = killed[verb]
    assert step.outcome.state == "success", step.outcome.bad()
    assert step.left_out == [], "calls of the undisturbed run that were not killed"
    assert step.kills > 0


@pytest.mark.parametrize("verb", VERBS)
def test_killed_run_fails_at_nothing_by_itself(killed: dict[str, Step], verb: str) -> None:
    assert not killed[verb].outcome.failed


@pytest.mark.parametrize("verb", VERBS)
def test_account_is_the_same_in_the_end(quiet: dict[str, Step], killed: dict[str, Step], verb: str) -> None:
    assert differences(quiet[verb].account, killed[verb].account) == []


@pytest.mark.parametrize("verb", VERBS)
def test_cluster_is_the_same_in_the_end(quiet: dict[str, Step], killed: dict[str, Step], verb: str) -> None:
    assert differences(quiet[verb].cluster, killed[verb].cluster) == []
