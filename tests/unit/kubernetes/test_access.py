"""Tokens and endpoints of EKS clusters."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from moto import mock_aws
from slipway.hooks import aws, kubernetes
from slipway.hooks.kubernetes import ClusterAbsent, EksAccess

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(EksAccess, "_tokens", {})
    aws._client.cache_clear()
    with mock_aws():
        yield
    aws._client.cache_clear()


def url_in(token: str) -> str:
    prefix, _, encoded = token.partition(".")
    assert prefix == "k8s-aws-v1"
    assert not encoded.endswith("=")
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def test_a_token_is_a_presigned_question_to_the_regions_sts_with_the_cluster_signed() -> None:
    parts = urlsplit(url_in(EksAccess("slipway-dev", REGION).token()))
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("https", f"sts.{REGION}.amazonaws.com")
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Expires"] == ["60"]
    assert f"/{REGION}/sts/aws4_request" in query["X-Amz-Credential"][0]


def test_an_endpoint_override_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert url_in(EksAccess("slipway-dev", REGION).token()).startswith("http://127.0.0.1:1/?")


def test_tokens_are_shared_per_cluster_and_renewed_before_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(kubernetes.time, "monotonic", lambda: now)
    made: list[str] = []
    monkeypatch.setattr(
        EksAccess, "_make_token", lambda self: made.append(self.cluster) or f"{self.cluster}-{len(made)}"
    )
    one = EksAccess("one", REGION, "https://one")
    first = one.token()
    assert EksAccess("one", REGION, "https://one").token() == first
    assert EksAccess("two", REGION, "https://two").token() != first
    now += kubernetes.TOKEN_LIFE_SECONDS - kubernetes.TOKEN_RENEWAL_SECONDS + 1
    assert one.token() != first
    second = one.token()
    one.forget_token()
    assert one.token() != second


def test_a_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="slipway"):
        token = EksAccess("slipway-dev", REGION).token()
    assert token not in caplog.text


def test_only_eks_own_not_found_means_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ClusterAbsent, match=rf"EKS cluster slipway-dev in {REGION}: found no such cluster;.*stage infrastructure"
    ):
        EksAccess("slipway-dev", REGION).endpoint()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(aws, "RETRIES", {"retries": {"mode": "standard", "total_max_attempts": 1}})
    aws._client.cache_clear()
    with pytest.raises(Exception, match="Could not connect") as caught:
        EksAccess("slipway-dev", REGION).endpoint()
    assert not isinstance(caught.value, ClusterAbsent)
