"""Answers that cannot be read are errors that botocore retries, in every protocol in use."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from slipway.hooks.answers import UNREADABLE, refuse_unreadable, watch

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


class Body(io.BytesIO):
    """What urllib3 would have."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize(("cut", "sent"), [(1, 2), (9, 3)])
def test_botocore_asks_again_and_then_raises_an_error_with_a_code(
    cut: int, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    session = boto3.Session(region_name="us-east-1")
    watch(session)
    eks = session.client("eks", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    bodies: list[bytes] = []

    def answer(request: Any, **_: object) -> AWSResponse:
        whole = CASES["rest-json"][2]
        bodies.append(whole[:10] if len(bodies) < cut else whole)
        return AWSResponse(request.url, 200, {}, Body(bodies[-1]))

    eks.meta.events.register("before-send", answer)
    if cut == 1:
        assert eks.describe_cluster(name="x")["cluster"]["name"] == "x"
    else:
        with pytest.raises(ClientError, match="UnreadableResponse"):
            eks.describe_cluster(name="x")
    assert len(bodies) == sent


def test_streams_are_not_touched() -> None:
    response = {"status_code": 200, "headers": {}, "body": SimpleNamespace()}
    refuse_unreadable(operation("s3", "GetObject"), response)
    assert response["status_code"] == 200
