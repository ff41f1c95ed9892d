"""The evaluator says of policies what IAM's documentation says of them."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.aws.permissions.evaluate import PolicyError, Request, decide, holds, statements_of
from rehearsal.aws.permissions.requests import requests_of


def verdict(*statements: dict[str, Any], action: str = "s3:GetObject", resource: str = "*", **facts: str) -> bool:
    found = statements_of({"Statement": list(statements)}, "p")
    context = {key.replace("__", ":").lower(): (value,) for key, value in facts.items()}
    return decide(found, Request(action, resource), context.get).allowed


ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def test_nothing_is_allowed_by_itself() -> None:
    assert not verdict()
    assert verdict(ALLOW)
    assert not verdict(ALLOW, action="s3:PutObject")


def test_a_deny_wins_whatever_the_order() -> None:
    deny = {**ALLOW, "Effect": "Deny"}
    assert not verdict(ALLOW, deny)
    assert not verdict(deny, ALLOW)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("s3:get*", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:Get", "s3:GetObject", False),
        ("s3:Get.*", "s3:GetObject", False),
    ],
)
def test_actions_ignore_case_and_take_wildcards(pattern: str, value: str, fits: bool) -> None:
    assert verdict({**ALLOW, "Action": pattern}, action=value) is fits


def test_resources_mind_case_and_are_not_matched_by_an_action_without_resource() -> None:
    bound = {**ALLOW, "Resource": "arn:aws:s3:::Bucket/*"}
    assert verdict(bound, resource="arn:aws:s3:::Bucket/a/b")
    assert not verdict(bound, resource="arn:aws:s3:::bucket/a")
    assert not verdict(bound, resource="*")


def test_not_action_and_not_resource() -> None:
    assert not verdict({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    assert verdict({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    assert not verdict({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, resource="arn:aws:s3:::b")


@pytest.mark.parametrize(
    ("operator", "wanted", "values", "result"),
    [
        ("StringEquals", ("a", "b"), ("b",), True),
        ("StringEquals", ("a",), None, False),
        ("StringEqualsIfExists", ("a",), None, True),
        ("StringNotEquals", ("a",), None, True),
        ("StringNotEquals", ("a", "b"), ("b",), False),
        ("StringLike", ("slipway-*",), ("slipway-dev",), True),
        ("ForAnyValue:StringEquals", ("x",), ("y", "x"), True),
        ("ForAnyValue:StringEquals", ("x",), None, False),
        ("ForAllValues:StringEquals", ("x",), ("y", "x"), False),
        ("ForAllValues:StringEquals", ("x",), None, True),
        ("Null", ("true",), None, True),
        ("Null", ("true",), ("x",), False),
        ("Bool", ("true",), ("True",), True),
        ("NumericLessThan", ("1.2",), ("1.1",), True),
        ("NumericLessThan", ("1.2",), ("1.2",), False),
        ("ArnLike", ("arn:aws:s3:*:*:b*",), ("arn:aws:s3:::bucket",), True),
        ("ArnLike", ("arn:*",), ("arn:aws:s3:::bucket",), False),
        ("StringEquals", ("x",), ("x", "y"), False),
    ],
)
def test_conditions(operator: str, wanted: tuple[str, ...], values: tuple[str, ...] | None, result: bool) -> None:
    assert holds(operator, wanted, values) is result


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, "IpAddress"),
        ({"Principal": "*"}, "Principal"),
        ({"Effect": "Maybe"}, "Maybe"),
        ({"Resource": "arn:aws:s3:::${aws:username}"}, "aws:username"),
    ],
)
def test_what_is_not_evaluated_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        statements_of({"Statement": [{**ALLOW, **change}]}, "p")


def asked(service: str, operation: str, **params: Any) -> set[tuple[str, str]]:
    return {(one.action, one.resource) for one in requests_of(service, operation, "us-east-1", "123456789012", params)}


def test_calls_become_actions_on_resources() -> None:
    prefix = "arn:aws:eks:us-east-1:123456789012"
    assert asked("s3", "HeadBucket", Bucket="b") == {("s3:ListBucket", "arn:aws:s3:::b")}
    assert asked("ec2", "DescribeVpcs") == {("ec2:DescribeVpcs", "*")}
    assert asked("ec2", "DeleteVolume", VolumeId="vol-0123456789abcdef0") == {
        ("ec2:DeleteVolume", "arn:aws:ec2:us-east-1:123456789012:volume/vol-0123456789abcdef0")
    }
    assert asked("eks", "DescribeNodegroup", clusterName="c", nodegroupName="n") == {
        ("eks:DescribeNodegroup", f"{prefix}:nodegroup/c/n/x")
    }
    assert asked("budgets", "DescribeBudgets", AccountId="1") == {("budgets:ViewBudget", "*")}


def test_making_something_also_asks_for_what_comes_with_it() -> None:
    role, key = "arn:aws:iam::123456789012:role/r", "arn:aws:kms:us-east-1:123456789012:key/k"
    found = asked(
        "eks", "CreateCluster", name="c", roleArn=role, tags={"a": "b"},
        encryptionConfig=[{"provider": {"keyArn": key}, "resources": ["secrets"]}],
    )  # fmt: skip
    assert {("iam:PassRole", role), ("kms:CreateGrant", key)} <= found
    assert ("eks:TagResource", "arn:aws:eks:us-east-1:123456789012:cluster/c") in found
    volume = asked(
        "ec2", "CreateSnapshot", VolumeId="vol-0123456789abcdef0",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}],
    )  # fmt: skip
    assert ("ec2:CreateTags", "arn:aws:ec2:us-east-1::snapshot/new") in volume
