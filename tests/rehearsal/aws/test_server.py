"""The server itself: statistics, reset, health, presigned requests, and which operations it offers."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from rehearsal.aws.statistics import is_mutating
from rehearsal.kubeconfig import token
from tests.rehearsal.aws.conftest import Aws, Platform

_NOT_OFFERED = ("Fargate", "Capabilit", "EksAnywhere", "CertificateAuthorit", "IdentityProviderConfig")


def _get(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Any:
    request = urllib.request.Request(url, headers=headers or {}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read()) if "json" in answer.headers["Content-Type"] else answer.read().decode()


@pytest.mark.parametrize(
    ("service", "operation", "mutating"),
    [
        ("eks", "CreateCluster", True),
        ("eks", "ListInsights", False),
        ("eks", "TagResource", True),
        ("s3", "HeadObject", False),
        ("s3", "PutObject", True),
        ("sts", "AssumeRole", False),
        ("pricing", "GetProducts", False),
        ("cloudformation", "ValidateTemplate", False),
        ("iam", "SimulatePrincipalPolicy", False),
        ("tagging", "TagResources", True),
    ],
)
def test_mutating_by_name(service: str, operation: str, mutating: bool) -> None:
    assert is_mutating(service, operation) is mutating


def test_statistics_count_every_protocol(aws: Aws) -> None:
    aws.client("eks").list_clusters()
    aws.client("ec2").describe_vpcs()
    aws.client("s3").create_bucket(Bucket="counted")
    aws.client("s3").list_buckets()
    aws.client("secretsmanager").list_secrets()
    aws.client("sts").get_caller_identity()
    found = _get(f"{aws.url}/_rehearsal/stats")
    assert found["calls"] == {
        "ec2.DescribeVpcs": {"count": 1, "mutating": False},
        "eks.ListClusters": {"count": 1, "mutating": False},
        "s3.CreateBucket": {"count": 1, "mutating": True},
        "s3.ListBuckets": {"count": 1, "mutating": False},
        "secretsmanager.ListSecrets": {"count": 1, "mutating": False},
        "sts.GetCallerIdentity": {"count": 1, "mutating": False},
    }
    assert (found["mutating"], found["reading"]) == (1, 5)


def test_reset_empties_everything(aws: Aws, cluster: dict[str, Any]) -> None:
    assert _get(f"{aws.url}/_rehearsal/reset", method="POST") == {"status": "ok"}
    assert aws.client("eks").list_clusters()["clusters"] == []
    assert aws.kubernetes.objects == {}
    assert _get(f"{aws.url}/_rehearsal/health")["status"] == "ok"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(f"{aws.url}/_rehearsal/nonsense")


def test_kubernetes_token_is_a_presigned_identity(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "rehearsal")
    prefix, _, encoded = token("slipway-dev").partition(".")
    assert prefix == "k8s-aws-v1"
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert "x-k8s-aws-id" in url
    answer = _get(url, {"x-k8s-aws-id": "slipway-dev"})
    assert "<Arn>arn:aws:iam::123456789012:user/rehearsal</Arn>" in answer


def test_presigned_identity_lasts_a_quarter_of_an_hour_whatever_it_asks_for(aws: Aws) -> None:
    """As in AWS: EKS tokens ask for 60 seconds, and are used for 14 minutes."""
    assert "<Arn>" in _get(_presigned(aws.url, age=timedelta(minutes=14)))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        _get(_presigned(aws.url, age=timedelta(minutes=16)))


def _presigned(url: str, age: timedelta) -> str:
    query = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "rehearsal/20260101/us-east-1/sts/aws4_request",
        "X-Amz-Date": f"{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
    return f"{url}/?{urlencode(query)}"


def test_identity_of_a_session(aws: Aws, platform: Platform) -> None:
    role = aws.client("sts").assume_role(RoleArn=platform.roles["pod"], RoleSessionName="s")["Credentials"]
    arn = aws.client("sts", access_key=role["AccessKeyId"]).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/pod/s"


def test_every_operation_of_eks_is_offered_or_left_out_on_purpose(aws: Aws) -> None:
    service = aws.cloud.services["eks"]
    missing = {name for name in service.model.operation_names if name not in service._handlers}
    unexpected = {name for name in missing if not any(part in name for part in _NOT_OFFERED)}
    assert unexpected == {"RegisterCluster", "DeregisterCluster"}
