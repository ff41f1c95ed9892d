"""What a cluster's controllers make: told twice, it is there once."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws, Platform

NAME = "k8s-default-maze-4f2a9c"
PATH = f"/_rehearsal/outside/us-east-1.slipway-dev/load-balancers/{NAME}"
BODY = {"namespace": "default", "service": "maze"}


@pytest.fixture
def cluster(aws: Aws, platform: Platform) -> Platform:
    aws.client("eks").create_cluster(**platform.cluster_request())
    return platform


def _tell(aws: Aws, method: str) -> int:
    request = urllib.request.Request(  # noqa: S310 - loopback
        aws.url + PATH, json.dumps(BODY).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _public(aws: Aws, subnets: list[str]) -> None:
    aws.client("ec2").create_tags(Resources=subnets, Tags=[{"Key": "kubernetes.io/role/elb", "Value": "1"}])


def _balancers(aws: Aws) -> list[dict[str, Any]]:
    return list(aws.client("elbv2").describe_load_balancers()["LoadBalancers"])


def _groups(aws: Aws) -> list[str]:
    filters = [{"Name": "group-name", "Values": [f"{NAME}-sg"]}]
    return [one["GroupId"] for one in aws.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]]


def test_a_load_balancer_told_twice_is_there_once_and_goes(aws: Aws, cluster: Platform) -> None:
    _public(aws, cluster.subnets)
    assert [_tell(aws, "PUT"), _tell(aws, "PUT")] == [200, 200]
    (made,) = _balancers(aws)
    assert made["LoadBalancerName"] == NAME
    assert made["SecurityGroups"] == _groups(aws)
    assert [_tell(aws, "DELETE"), _tell(aws, "DELETE")] == [200, 200]
    assert _balancers(aws) == _groups(aws) == []


def test_a_security_group_that_was_left_half_way_is_taken(aws: Aws, cluster: Platform) -> None:
    _public(aws, cluster.subnets)
    left = aws.client("ec2").create_security_group(GroupName=f"{NAME}-sg", Description="left", VpcId=cluster.vpc)
    assert _tell(aws, "PUT") == 200
    (made,) = _balancers(aws)
    assert made["SecurityGroups"] == _groups(aws) == [left["GroupId"]]


def test_without_a_public_subnet_nothing_is_made_until_there_is_one(aws: Aws, cluster: Platform) -> None:
    assert [_tell(aws, "PUT"), _tell(aws, "PUT")] == [503, 503]
    assert _balancers(aws) == _groups(aws) == []
    _public(aws, cluster.subnets)
    assert _tell(aws, "PUT") == 200
    assert len(_balancers(aws)) == 1
