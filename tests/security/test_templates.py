"""What a component or an environment says is never taken for Jinja, which could read every connection of Airflow."""

from __future__ import annotations

from pathlib import Path

from slipway.model.component import Check, Component, ComponentSpec, StageName
from slipway.operators.check import CheckOperator

from tests.support.deferral import context

HOSTILE = "{{ conn.aws_default.password }}{{ 1 / 0 }}"


def test_a_checks_values_and_command_stay_as_they_are_written(tmp_path: Path) -> None:
    check = Check(name="c", proves="x", command=["echo", HOSTILE], env={"A": HOSTILE}, image="registry.example/x:1")
    spec = ComponentSpec(description=HOSTILE, namespace="data", checks=[check])
    component = Component(name="thing", stage=StageName.DATA_LAYER, folder=tmp_path, spec=spec)
    operator = CheckOperator(task_id="c", component=component, check=check)
    operator.render_template_fields(context())
    assert {variable.name: variable.value for variable in operator.env_vars}["A"] == HOSTILE
    assert [*operator.cmds, *(operator.arguments or [])][-1] == HOSTILE


def test_what_is_shown_of_manifests_is_not_rendered_by_airflow() -> None:
    """The one field that holds what ``include/`` says is filled by the operator itself, without Jinja."""
    from airflow.sdk import BaseOperator
    from slipway.operators.component import DeployComponentOperator
    from slipway.operators.stack import StackOperator

    assert DeployComponentOperator.template_fields == ("manifests",)
    assert DeployComponentOperator.render_template_fields is not BaseOperator.render_template_fields
    assert StackOperator.template_fields == BaseOperator.template_fields == ()
