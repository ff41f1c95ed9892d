"""People answer a teardown's questions in a running Airflow: yes, no, nothing, the wrong name, and without the right.

Everything goes through Airflow's REST API as the UI uses it, by people who signed in.
"""

from __future__ import annotations

import pytest

from tests.rehearsal.day2.people.conftest import HASTY, Office
from tests.rehearsal.day2.thorough import thorough

pytestmark = [
    thorough,
    pytest.mark.timeout(850),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]
WHOLE = {"keep": [], "all_regions": False}


def require_untouched(office: Office, run_id: str, dag_id: str = "platform_teardown") -> None:
    """No task that takes something away has run."""
    states = office.states(run_id, dag_id)
    asking = {"survey", "approve", "confirm", "sweep", "release_lease"}
    ran = {task for task, state in states.items() if task not in asking and state not in {"skipped", "upstream_failed"}}
    assert ran == set(), states


def test_a_viewer_may_look_and_neither_start_nor_answer(office: Office) -> None:
    mine = office.disk("dev")
    run_id = office.ann.trigger(environment="dev", **WHOLE)
    question = office.until_asked(run_id, "approve")
    assert question["subject"] == "Tear down slipway-dev?"
    assert "Saves" in question["body"]
    assert "AWS::EC2::Volume".removeprefix("AWS::") in question["body"]
    assert office.vic.question(run_id, "approve")["subject"] == question["subject"], "a viewer sees what is asked"
    assert office.vic.answer(run_id, "approve", "Approve").status_code == 403
    refused = office.vic.api.post("/api/v2/dags/platform_teardown/dagRuns", json={"logical_date": None, "conf": {}})
    assert refused.status_code == 403
    stranger = office.vic.api.patch(
        f"/api/v2/dags/platform_teardown/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails",
        json={"chosen_options": ["Approve"], "params_input": {}},
        headers={"Authorization": "Bearer nonsense"},
    )
    assert stranger.status_code in {401, 403}
    assert office.states(run_id)["approve"] == "awaiting_input", "it still waits for somebody who may answer"

    # And a no of somebody who may: everything is skipped, nothing is touched, the run is no failure.
    assert office.ann.answer(run_id, "approve", "Burn it").status_code == 400, "only what was offered"
    office.ann.answer(run_id, "approve", "Reject").raise_for_status()
    assert office.until_over(run_id) == "success"
    require_untouched(office, run_id)
    assert office.states(run_id)["sweep"] == "skipped"
    assert mine in office.disks()
    answered = office.ann.question(run_id, "approve")
    assert answered["responded_by_user"]["name"] == "ann"
    assert office.ann.answer(run_id, "approve", "Approve").status_code == 409, "an answer is final"


def test_nobody_answers(office: Office) -> None:
    mine = office.disk("dev")
    run_id = office.ann.trigger(HASTY, environment="dev", **WHOLE)
    assert office.until_over(run_id, HASTY) == "failed"
    states = office.states(run_id, HASTY)
    assert states["approve"] == "failed"
    assert office.tries(run_id, "approve", HASTY) == 1, "old facts are not asked about again"
    assert "Nobody answered within 0:00:10" in office.log(run_id, "approve", HASTY)
    require_untouched(office, run_id, HASTY)
    assert mine in office.disks()


def test_a_yes_takes_ours_and_leaves_theirs(office: Office) -> None:
    mine, theirs = office.disk("dev"), office.disk(None)
    run_id = office.ann.trigger(environment="dev", **WHOLE)
    office.until_asked(run_id, "approve")
    office.ann.answer(run_id, "approve", "Approve").raise_for_status()
    assert office.until_over(run_id) == "success", office.states(run_id)
    states = office.states(run_id)
    assert states["confirm"] == "skipped", "dev is not protected"
    assert states["sweep"] == "success"
    assert mine not in office.disks()
    assert theirs in office.disks()


def test_a_protected_environment_wants_its_name_typed(office: Office) -> None:
    mine = office.disk("prod")
    run_id = office.ann.trigger(environment="prod", unattended=True, **WHOLE)
    assert office.until_over(run_id) == "failed"
    assert "protected: true, so a person must approve" in office.log(run_id, "approve")
    require_untouched(office, run_id)

    run_id = office.ann.trigger(environment="prod", **WHOLE)
    office.until_asked(run_id, "approve")
    office.ann.answer(run_id, "approve", "Approve").raise_for_status()
    assert "type its name" in office.until_asked(run_id, "confirm")["subject"]
    assert mine in office.disks(), "one yes is not enough"
    office.ann.answer(run_id, "confirm", "Approve", platform="slipway-dev").raise_for_status()
    assert office.until_over(run_id) == "failed"
    assert "allowed: 'slipway-prod'" in office.log(run_id, "confirm")
    require_untouched(office, run_id)
    assert mine in office.disks()

    run_id = office.ann.trigger(environment="prod", **WHOLE)
    office.until_asked(run_id, "approve")
    office.ann.answer(run_id, "approve", "Approve").raise_for_status()
    office.until_asked(run_id, "confirm")
    assert office.vic.answer(run_id, "confirm", "Approve", platform="slipway-prod").status_code == 403
    office.ann.answer(run_id, "confirm", "Approve", platform="slipway-prod").raise_for_status()
    assert office.until_over(run_id) == "success", office.states(run_id)
    assert mine not in office.disks()
