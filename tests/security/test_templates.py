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


def test_no_field_that_airflow_renders_holds_what_a_component_says() -> None:
    """Airflow renders ``template_fields`` by itself; of our operators none is filled from ``include/``."""
    from slipway.operators.component import DeployComponentOperator
    from slipway.operators.stack import StackOperator

    for operator in (DeployComponentOperator, StackOperator):
        assert {"component", "stack", "manifests", "template"}.isdisjoint(operator.template_fields)
