"""Intrinsic functions and parameters, against plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.intrinsics import evaluate, references
from rehearsal.aws.cloudformation.template import parse, read


class Values:
    """A scope of plain values."""

    def ref(self, name: str) -> Any:
        return {"Name": "n", "List": ["a", "b", "c"], "Number": 3, "Flag": True}[name]

    def attribute(self, logical_id: str, name: str) -> Any:
        return f"{logical_id}#{name}"

    def condition(self, name: str) -> bool:
        return name == "Left"

    def mapping(self, name: str) -> Mapping[str, Any]:
        return {"Sizes": {"small": {"cpu": 2}}}[name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!Ref Name", "n"),
        ("!GetAtt A.Arn", "A#Arn"),
        ("!GetAtt A.B.C", "A#B.C"),
        ("!Sub 'x-${Name}-${A.Arn}-${!Literal}'", "x-n-A#Arn-${Literal}"),
        ("!Sub ['${Own}-${Name}', {Own: !Ref Number}]", "3-n"),
        ("!Sub '${Flag}'", "true"),
        ("!Join [',', !Ref List]", "a,b,c"),
        ("!Join ['', [a, !Ref 'AWS::NoValue', b]]", "ab"),
        ("!Split ['=', 'k=v']", ["k", "v"]),
        ("!Select [1, !Ref List]", "b"),
        ("!If [Left, one, !Select [9, !Ref List]]", "one"),
        ("!FindInMap [Sizes, small, cpu]", 2),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        ("{Fn::Base64: !Ref Name}", "bg=="),
        ("{Fn::ToJsonString: {a: !Ref Number}}", '{"a": 3}'),
        ("!And [!Equals [a, a], !Not [!Equals [a, b]]]", True),
        ("!Or [!Equals [1, '2'], Condition: Left]", True),
        ("!Equals [1, '1']", True),
        ("[1, !Ref 'AWS::NoValue', 2]", [1, 2]),
        ("{a: 1, b: !If [Right, 2, !Ref 'AWS::NoValue']}", {"a": 1}),
        ("2012-10-17", "2012-10-17"),
    ],
)
def test_functions(text: str, expected: Any) -> None:
    node = parse(f"Resources: {{A: {text}}}")["Resources"]["A"]
    assert evaluate(node, Values()) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!Select [9, !Ref List]", "the list has 3"),
        ("!FindInMap [Sizes, huge, cpu]", "Unable to get mapping for Sizes::huge::cpu"),
        ("!ImportValue x", "Fn::ImportValue is not supported"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    node = parse(f"Resources: {{A: {text}}}")["Resources"]["A"]
    with pytest.raises(ValidationError, match=message):
        evaluate(node, Values())


def test_references_are_found_wherever_they_hide() -> None:
    node = parse("Resources: {A: [!Ref B, !Sub '${C}-${D.Arn}-${Own}', {x: !GetAtt E.Id}]}")["Resources"]["A"]
    node[1] = {"Fn::Sub": [node[1]["Fn::Sub"], {"Own": {"Ref": "F"}}]}
    assert set(references(node)) == {("B", None), ("C", None), ("D", "Arn"), ("E", "Id"), ("F", None)}


NAMES = st.text(alphabet="abcdefgh", min_size=1, max_size=3).map(str.capitalize)


@given(st.dictionaries(NAMES, st.sets(NAMES, max_size=3), min_size=1, max_size=8))
def test_needs_are_what_is_referred_to_and_taken(graph: dict[str, set[str]]) -> None:
    resources = {}
    for name, others in graph.items():
        joined = {"Fn::Join": ["", [{"Ref": other} for other in sorted(others & graph.keys())]]}
        resources[name] = {"Type": "AWS::KMS::Key", "Properties": {"Description": joined}}
    template = read(json.dumps({"Resources": resources}), {}, {})
    for name, others in graph.items():
        assert template.needs(name) == (others & graph.keys()) - {name}


def test_a_branch_not_taken_needs_nothing() -> None:
    body = """
Parameters: {Pick: {Type: String}}
Conditions: {Left: !Equals [!Ref Pick, left]}
Resources:
  Left: {Type: AWS::KMS::Key}
  Right: {Type: AWS::KMS::Key}
  Both: {Type: AWS::KMS::Key, Properties: {Description: !If [Left, !Ref Left, !Ref Right]}}
"""
    assert read(body, {"Pick": "left"}, {}).needs("Both") == {"Left"}
    assert read(body, {"Pick": "right"}, {}).needs("Both") == {"Right"}


@pytest.mark.parametrize(
    ("resource_type", "old", "new", "expected"),
    [
        ("AWS::EC2::VPC", {"CidrBlock": "a"}, {"CidrBlock": "b"}, "True"),
        ("AWS::EC2::VPC", {"InstanceTenancy": "a"}, {"InstanceTenancy": "b"}, "Conditional"),
        ("AWS::EC2::VPC", {"EnableDnsSupport": True}, {"EnableDnsSupport": False}, "False"),
        ("AWS::Budgets::Budget", {"Budget": {"BudgetName": "a"}}, {"Budget": {"BudgetName": "b"}}, "True"),
        ("AWS::Budgets::Budget", {"Budget": {"BudgetLimit": 1}}, {"Budget": {"BudgetLimit": 2}}, "False"),
    ],
)
def test_replacement_follows_the_published_schema(
    resource_type: str, old: dict[str, Any], new: dict[str, Any], expected: str
) -> None:
    assert schemas.replacement(resource_type, old, old, new) == expected
