"""A deploy whose gate fails goes back by itself, as far as the policy lets it. The tests follow each other."""

from __future__ import annotations

import pytest

from tests.rehearsal.day2.gate.conftest import Gate
from tests.rehearsal.day2.thorough import thorough
from tests.rehearsal.deploy.conftest import Run

pytestmark = [
    thorough,
    pytest.mark.timeout(850),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


def require_failed_gate(run: Run) -> None:
    """The run failed, because of its gate, whatever was rolled back."""
    assert run.state == "failed"
    assert run.states["data_layer.gentle.check_mode"] == "failed"
    assert run.states["data_layer.gate"] == "upstream_failed"
    assert run.states["validation.gate"] == "upstream_failed"
    assert run.states["release_lease"] == "success"


def test_a_good_deploy_has_nothing_to_roll_back(gate: Gate) -> None:
    gate.policies(rollback_on_failed_gate=True)
    run = gate.deploy()
    assert run.state == "success", run.failed()
    assert run.states["roll_back"] == "skipped"
    assert run.returned["data_layer.gentle.check_mode"]["state"] == "passed"


def test_what_the_run_changed_goes_back_and_data_stays(gate: Gate) -> None:
    gate.edit("gentle", "gentle-calm", "gentle-wild")
    gate.edit("keeper", "mode: strict", "mode: lax")
    gate.add("newcomer")
    run = gate.deploy()
    require_failed_gate(run)
    assert run.states["roll_back"] == "success"
    assert gate.has("configmap/gentle-calm", "gentle")
    assert not gate.has("configmap/gentle-wild", "gentle")
    told = gate.told()
    assert told.verdict == "went-back"
    assert [(one.component, one.failed, one.number) for one in told.body.back] == [("gentle", 2, 1)]
    assert "creates ConfigMap gentle/gentle-calm" in told.body.back[0].changes
    assert [(one.check, one.state.value) for one in told.body.checks] == [("mode", "passed")]
    assert told.body.failed == ["data_layer.gentle.check_mode"]
    # Data is left as the newer version wrote it, and a first release has nothing before it.
    assert set(told.body.left) == {"keeper", "newcomer"}
    assert "cannot undo" in told.body.left["keeper"]
    assert "first release: there is nothing to go back to" in told.body.left["newcomer"]
    assert "lax" in gate.kubectl("get", "configmap/keeper", "-n", "keeper", "-o", "yaml")


def test_stateful_components_go_back_where_the_policy_says_so(gate: Gate) -> None:
    gate.policies(rollback_on_failed_gate=True, rollback_stateful=True)
    gate.edit("keeper", "mode: lax", "mode: loose")
    run = gate.deploy()
    require_failed_gate(run)
    assert run.states["roll_back"] == "success"
    told = gate.told().body
    assert {one.component for one in told.back} == {"gentle", "keeper"}
    (keeper,) = [one for one in told.back if one.component == "keeper"]
    assert any("its data stays" in line for line in keeper.warnings)
    assert "lax" in gate.kubectl("get", "configmap/keeper", "-n", "keeper", "-o", "yaml")


def test_without_the_policy_everything_stays(gate: Gate) -> None:
    gate.policies()
    run = gate.deploy()
    require_failed_gate(run)
    assert run.states["roll_back"] == "skipped"
    assert gate.has("configmap/gentle-wild", "gentle")
    assert "loose" in gate.kubectl("get", "configmap/keeper", "-n", "keeper", "-o", "yaml")


def test_the_mended_release_deploys(gate: Gate) -> None:
    gate.policies(rollback_on_failed_gate=True)
    gate.edit("gentle", "gentle-wild", "gentle-calm")
    run = gate.deploy()
    assert run.state == "success", run.failed()
    assert run.states["roll_back"] == "skipped"
