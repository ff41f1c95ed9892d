"""What is simulated on real nodes, and that no check passes by it."""

from __future__ import annotations

import json
from typing import Any

from rehearsal.node import simulation


def pod(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": {key.replace("_", "/"): value for key, value in labels.items()}}}


def test_a_component_is_simulated_when_a_pod_of_it_is_but_not_for_its_checks() -> None:
    mark = {"slipway.dev_simulated": "true"}
    pods = [
        pod(**{"slipway.dev_component": "grafana"}, **mark),
        pod(**{"slipway.dev_component": "kafka"}),
        pod(**{"slipway.dev_component": "trivy", "slipway.dev_role": "check"}, **mark),
        {"metadata": {}},
    ]
    assert simulation.simulated_components(pods) == {"grafana"}


def test_what_needs_a_simulated_component_is_named_only_then() -> None:
    assert "check-blackbox-exporter" not in json.dumps(simulation.policy(["a:1"], []))
    assert "check-blackbox-exporter" in json.dumps(simulation.policy(["a:1"], ["grafana"]))


def test_a_simulated_check_ends_with_what_shows_as_skipped() -> None:
    (mutation,) = simulation.policy(["a:1"], [])["spec"]["mutations"]
    assert "exit 100" in mutation["jsonPatch"]["expression"]


def test_what_is_fetched_from_maven_central_comes_from_a_folder_of_the_image() -> None:
    (mutation,) = simulation.policy(["a:1"], [])["spec"]["mutations"]
    expression = mutation["jsonPatch"]["expression"]
    assert "value: 'file:///opt/maven2'" in expression
    # Of what runs for itself, that is; what is simulated fetches nothing.
    assert expression.index("file:///opt/maven2") > expression.rindex(") : (")
