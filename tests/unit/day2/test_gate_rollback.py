"""What goes back when a gate fails: chosen by the run, the same for every try, and never hiding the gate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from slipway.decisions.gate_rollback import failed_stage, left_alone, still_moving
from slipway.decisions.rollback import Target, before_run
from slipway.model.component import Component, ComponentSpec, StageName
from slipway.model.records import CheckState, Release, ReleaseState
from slipway.model.rollback import CheckAfter, GateRollback, WentBack

NOW = datetime(2026, 11, 22, tzinfo=UTC)
READY, APPLIED = ReleaseState.READY, ReleaseState.APPLIED


def release(number: int, run: str, digest: str, state: ReleaseState = READY) -> Release:
    return Release(component="kafka", number=number, digest=digest, applied_at=NOW, run_id=run, objects=[], state=state)


def test_goes_back_to_the_last_ready_release_before_the_run() -> None:
    releases = [release(1, "a", "x"), release(2, "b", "y"), release(3, "c", "z", APPLIED), release(4, "d", "w")]
    found = before_run(releases, "d")
    assert found is not None
    assert found.number == 2


def test_a_retry_takes_no_second_step_back() -> None:
    before = [release(1, "a", "x"), release(2, "b", "y"), release(3, "d", "bad")]
    after = [*before, release(4, "d", "y")]
    assert before_run(before, "d") == before_run(after, "d") == before[1]


def test_what_the_run_did_not_change_stays() -> None:
    assert before_run([release(1, "a", "x")], "d") is None
    assert before_run([], "d") is None


def test_without_a_release_to_go_back_to_it_says_why() -> None:
    with pytest.raises(LookupError, match="first release: there is nothing to go back to"):
        before_run([release(1, "d", "x")], "d")
    with pytest.raises(LookupError, match=r"ever ready; there are 1 \(applied\)"):
        before_run([release(1, "a", "x", APPLIED), release(2, "d", "y")], "d")


def test_the_first_stage_with_a_failed_task_is_the_one() -> None:
    states = {
        "preflight": "success",
        "data_layer.kafka.deploy": "success",
        "data_layer.kafka.check_quorum": "failed",
        "data_layer.mongodb.deploy": "running",
        "data_layer.hdfs.deploy": None,
        "data_layer.gate": "upstream_failed",
        "applications.maze.deploy": "upstream_failed",
    }
    assert failed_stage(states) == (StageName.DATA_LAYER, ["data_layer.kafka.check_quorum"])
    assert still_moving(states, StageName.DATA_LAYER) == ["data_layer.hdfs.deploy", "data_layer.mongodb.deploy"]
    assert failed_stage({"preflight": "failed", "data_layer.gate": "upstream_failed"}) == (None, [])


@pytest.mark.parametrize(("stateful", "too", "goes"), [(False, False, True), (True, False, False), (True, True, True)])
def test_data_is_left_unless_the_policy_says_so(stateful: bool, too: bool, goes: bool, tmp_path: Path) -> None:
    spec = ComponentSpec.model_validate({"description": "d", "namespace": "data", "stateful": stateful})
    component = Component(name="kafka", stage=StageName.DATA_LAYER, folder=tmp_path, spec=spec)
    target = Target(component="kafka", current=3, number=2, warnings=["its data stays"])
    reason = left_alone(component, target, too)
    assert (reason == "") is goes
    if not goes:
        assert "its data stays" in reason


def test_a_report_says_what_failed_what_went_back_and_what_did_not() -> None:
    body = GateRollback(
        stage="data-layer",
        failed=["data_layer.kafka.check_quorum"],
        back=[WentBack(component="kafka", failed=3, number=2, warnings=["its data stays"])],
        left={"mongodb": "it holds data"},
        checks=[CheckAfter(component="kafka", check="quorum", state=CheckState.PASSED)],
    )
    assert body.sound
    for word in ("check_quorum", "kafka: release 3 back to 2", "its data stays", "mongodb", "quorum passed"):
        assert word in body.markdown()
    failed = CheckAfter(component="kafka", check="quorum", state=CheckState.FAILED, reason="no leader")
    assert not body.model_copy(update={"checks": [failed]}).sound
    assert not body.model_copy(update={"unready": ["StatefulSet streaming/kafka"]}).sound
