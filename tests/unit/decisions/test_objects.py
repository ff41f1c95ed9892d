"""What components render, taken together."""

from __future__ import annotations

from typing import Any

import pytest
from slipway.decisions.objects import judge_disabled, judge_objects
from slipway.model.environment import Environment

from tests.unit.aws.conftest import BASE
from tests.unit.decisions.facts import component, workload


def test_one_owner_for_each_object() -> None:
    rendered = [(component("a"), [workload()]), (component("b"), [workload(), workload(name="y")])]
    (problem,) = judge_objects(rendered)
    assert problem.where == "include/manifests/data-layer/a"
    assert problem.field == "Deployment data/x"
    assert "include/manifests/data-layer/b" in problem.found


def test_another_version_of_the_api_is_the_same_object() -> None:
    newer = {**workload(), "apiVersion": "apps/v2"}
    assert len(judge_objects([(component("a"), [workload()]), (component("b"), [newer])])) == 1


@pytest.mark.parametrize("field", ["kind", "name", "namespace", "group"])
def test_a_difference_makes_two_objects(field: str) -> None:
    one, other = workload(), workload()
    if field == "kind":
        other["kind"] = "StatefulSet"
    elif field == "group":
        other["apiVersion"] = "example.com/v1"
    else:
        other["metadata"][field] = "other"
    assert judge_objects([(component("a"), [one]), (component("b"), [other])]) == []


def test_secrets_in_git_are_refused_without_their_values() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "aHVudGVyMg=="}}
    (problem,) = judge_objects([(component(), [secret])])
    assert "password" in problem.found
    assert "aHVudGVyMg" not in str(problem)
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert judge_objects([(component(), [empty])]) == []


@pytest.mark.parametrize(
    ("disabled", "found"),
    [
        ([], []),
        (["shop"], []),
        (["store", "shop", "till"], []),
        (["store"], ["'store', which shop and till need"]),
        (["store", "till"], ["'store', which shop needs"]),
        (["nothing"], ["unknown component 'nothing'"]),
    ],
)
def test_disabled_components(disabled: list[str], found: list[str]) -> None:
    components = {
        "store": component("store"),
        "shop": component("shop", needs=["store"]),
        "till": component("till", needs=["store"]),
    }
    content: dict[str, Any] = {**BASE, "components": {"disabled": disabled}}
    problems = judge_disabled(Environment.model_validate(content), components)
    assert [problem.found for problem in problems] == found
