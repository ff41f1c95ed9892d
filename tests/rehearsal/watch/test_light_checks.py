"""Light checks on the rehearsal cloud: a few pods a run, their findings in the verdict, and nothing left behind."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from slipway.hooks.health_state import HealthStateHook
from slipway.hooks.lease import LeaseHook
from slipway.hooks.reports import ReportsHook
from slipway.model.health import FindingKind, HealthBody
from slipway.model.records import CheckState
from slipway.model.report import Report
from slipway.operators.health import WatchOperator
from slipway.operators.light_checks import LightChecksOperator

from tests.rehearsal.components.driver import Outcome, Run
from tests.rehearsal.watch.conftest import COMPONENTS, MEMBER, Watched, thorough

pytestmark = thorough
DEFAULT = "storageclass.kubernetes.io/is-default-class"


@pytest.fixture
def released(watched: Watched) -> Any:
    """Components are deployed when they have a release; this folder's were applied by hand."""
    names = [f"{one.rpartition('/')[2]}.v1" for one in COMPONENTS]
    for name in names:
        watched.kubectl("-n", "slipway-system", "create", "configmap", name)
        label = f"slipway.dev/release-of={name.removesuffix('.v1')}"
        watched.kubectl("-n", "slipway-system", "label", "configmap", name, label)
    forget(watched)
    yield
    watched.kubectl("-n", "slipway-system", "delete", "configmap", *names)
    forget(watched)


def forget(watched: Watched) -> None:
    """As if no check had run yet."""
    hook = HealthStateHook(watched.platform)
    held = hook.read()
    hook.write(held.state.model_copy(update={"checks": {}, "checking": None}), held)


def checked(watched: Watched) -> tuple[Outcome, Report[HealthBody]]:
    """The DAG's first two tasks on a platform."""
    watched.runs += 1
    run = Run(f"manual__{watched.runs}", environment="dev")
    outcome = run.task(LightChecksOperator(task_id="checks", member=MEMBER))
    run.task(WatchOperator(task_id="watch", member=MEMBER))
    report = ReportsHook(watched.platform).latest("health", HealthBody)
    assert report is not None
    return outcome, report


def left(watched: Watched) -> str:
    return watched.kubectl("get", "pods", "-A", "-l", "slipway.dev/health-run", "-o", "name")


def test_checks_have_their_turns_and_leave_nothing(watched: Watched, released: None, described: Any) -> None:
    described(policies={"light_checks": 4})
    first, report = checked(watched)
    assert first.waits == ["PodsEndedTrigger"], "nothing waits on a worker"
    assert sum(first.value.values()) == 4
    assert report.body.checking is not None
    assert (report.body.checking.ran, report.body.checking.note) == (4, "")
    # What docs/health.md says of its calls: N pods made, read and deleted, three lists, and the looks at them.
    calls = report.body.checking.calls
    assert (calls["aws"], calls["s3"]) == (2, 4)
    assert 3 + 3 * 4 < calls["kubernetes"] <= 3 + 3 * 4 + 12
    # Of those that wait for their turn, it is said that they did not run.
    assert len(report.body.checks) > 4
    for _ in range(2):
        checked(watched)
    again, report = checked(watched)
    assert again.value == {"passed": 0, "failed": 0, "skipped": 0}, "an hour has not passed"
    states = {one.name: one for one in report.body.checks}
    # kubectl can be run here; what needs another image says that it was not run, and is held against nobody.
    assert states["storage-classes/default-class"].state is CheckState.PASSED
    assert states["storage-classes/default-class"].proved
    assert states["kafka/quorum"].state is CheckState.SKIPPED
    assert "kafka" in states["kafka/quorum"].reason
    assert report.verdict == "Healthy", [str(one) for one in report.body.findings]
    assert left(watched) == ""


def test_a_failed_check_is_a_reason_and_is_repeated_until_it_passes(watched: Watched, released: None) -> None:
    watched.kubectl("annotate", "storageclass", "gp3", f"{DEFAULT}-", "--overwrite")
    try:
        first, report = checked(watched)
    finally:
        watched.kubectl("annotate", "storageclass", "gp3", f"{DEFAULT}=true", "--overwrite")
    assert first.waits == ["PodsEndedTrigger"] * 2, "what fails at once is tried a second time"
    (finding,) = [one for one in report.body.findings if one.kind is FindingKind.CHECK_FAILED]
    assert finding.subject == "check storage-classes/default-class"
    assert "gp3 is marked as the cluster's default StorageClass" in finding.what
    assert report.verdict == "Degraded"
    second, report = checked(watched)
    assert second.value["passed"] >= 1
    assert report.verdict == "Healthy"
    assert left(watched) == ""


def test_nothing_is_checked_while_another_run_is_at_work(watched: Watched, released: None) -> None:
    lease = LeaseHook(watched.platform)
    lease.acquire(holder="manual__deploy", dag_id="platform_deploy")
    try:
        outcome, report = checked(watched)
    finally:
        lease.release(holder="manual__deploy", dag_id="platform_deploy")
    assert outcome.waits == []
    assert report.body.checking is not None
    assert "not while another run is at work" in report.body.checking.note
    assert "manual__deploy" in report.body.checking.note


def test_an_environment_may_do_without(watched: Watched, released: None, described: Any) -> None:
    described(policies={"light_checks": 0})
    with pytest.raises(AirflowSkipException, match="light_checks: 0"):
        Run("manual__none", environment="dev").task(LightChecksOperator(task_id="checks", member=MEMBER))
