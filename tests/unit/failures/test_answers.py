"""Answers that cannot be read are errors that botocore retries, in every protocol in use."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from slipway.hooks.answers import UNREADABLE, refuse_unreadable

SESSION = botocore.session.get_session()
CASES = {
    "rest-json": ("eks", "DescribeCluster", b'{"cluster": {"name": "x"}}'),
    "json": ("secretsmanager", "DescribeSecret", b'{"Name": "x"}'),
    "query": ("cloudformation", "DescribeStacks", b"<DescribeStacksResponse><X/></DescribeStacksResponse>"),
    "ec2": ("ec2", "DescribeVpcs", b"<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"),
    "rest-xml": ("s3", "ListObjectsV2", b"<ListBucketResult><Name>x</Name></ListBucketResult>"),
}  # fmt: skip


def operation(service: str, name: str) -> Any:
    return SESSION.get_service_model(service).operation_model(name)


def answered(protocol: str, body: bytes, status: int = 200) -> dict[str, Any]:
    service, name, _ = CASES[protocol]
    response = {"status_code": status, "headers": {}, "body": body}
    refuse_unreadable(operation(service, name), response)
    return response


@pytest.mark.parametrize("protocol", CASES)
def test_what_can_be_read_is_left_as_it_is(protocol: str) -> None:
    body = CASES[protocol][2]
    assert answered(protocol, body) == {"status_code": 200, "headers": {}, "body": body}


@pytest.mark.parametrize("damage", ["truncated", "corrupted"])
@pytest.mark.parametrize("protocol", CASES)
def test_what_cannot_be_read_is_an_error_of_the_service(protocol: str, damage: str) -> None:
    service, name, body = CASES[protocol]
    broken = body[: len(body) // 2] if damage == "truncated" else body[:5] + b"\xff\xfe\x00" + body[8:]
    response = answered(protocol, broken)
    assert response["status_code"] == 503
    parsed = create_parser(operation(service, name).service_model.resolved_protocol).parse(
        response, operation(service, name).output_shape
    )
    assert parsed["Error"]["Code"] == UNREADABLE
    assert name in parsed["Error"]["Message"]


def test_an_empty_answer_is_unreadable_where_one_is_expected() -> None:
    assert answered("rest-json", b"")["status_code"] == 503
    response = {"status_code": 200, "headers": {}, "body": b""}
    refuse_unreadable(operation("eks", "TagResource"), response)
    assert response["status_code"] == 200


def test_errors_are_left_to_botocore_as_long_as_they_are_text() -> None:
    assert answered("rest-json", b"<html>403</html>", 403)["status_code"] == 403
    assert answered("rest-json", b"\xff\xfe", 403)["status_code"] == 503
    assert json.loads(answered("rest-json", b"\xff\xfe", 500)["body"])["__type"] == UNREADABLE


def test_streams_are_not_touched() -> None:
    response = {"status_code": 200, "headers": {}, "body": SimpleNamespace()}
    refuse_unreadable(operation("s3", "GetObject"), response)
    assert response["status_code"] == 200
