"""A cluster's contents go while their controllers run, and take what they have in AWS along."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from slipway.operators.teardown_cluster import (
    RemoveComponentOperator,
    RemoveLoadBalancersOperator,
    RemoveVolumesOperator,
)

from tests.rehearsal.components.conftest import Stack
from tests.rehearsal.components.driver import Run

pytestmark = pytest.mark.timeout(120)
CLUSTER = "slipway-dev"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "users"}}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "users"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "quick",
        "resources": {"requests": {"storage": "3Gi"}},
    },
}
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "quick"},
    "provisioner": "ebs.csi.aws.com",
    "volumeBindingMode": "Immediate",
}
EDGE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "edge", "namespace": "users"},
    "spec": {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 80}]},
}


def until(probe: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "still not so"
        time.sleep(0.1)
    return found


def disks() -> list[dict[str, Any]]:
    """Disks that the driver made."""
    found = boto3.client("ec2").describe_volumes(Filters=[{"Name": "tag-key", "Values": ["CSIVolumeName"]}])
    return list(found["Volumes"])


@pytest.fixture
def ours(stack: Stack) -> Iterator[Stack]:
    """A user's claim and load balancer beside a component of ours, on a cluster that carries our tags."""
    eks = boto3.client("eks")
    arn = eks.describe_cluster(name=CLUSTER)["cluster"]["arn"]
    eks.tag_resource(resourceArn=arn, tags=stack.platform.tags)
    if "aws-ebs-csi-driver" not in eks.list_addons(clusterName=CLUSTER)["addons"]:
        eks.create_addon(clusterName=CLUSTER, addonName="aws-ebs-csi-driver")
    until(
        lambda: eks.describe_addon(clusterName=CLUSTER, addonName="aws-ebs-csi-driver")["addon"]["status"] == "ACTIVE"
    )
    for path, body in {
        "/api/v1/namespaces": NAMESPACE,
        "/apis/storage.k8s.io/v1/storageclasses": CLASS,
        "/api/v1/namespaces/users/persistentvolumeclaims": CLAIM,
        "/api/v1/namespaces/users/services": EDGE,
    }.items():
        if stack.kubernetes("GET", f"{path}/{body['metadata']['name']}") is None:  # type: ignore[index]
            stack.kubernetes("POST", path, body)
    yield stack
    eks.untag_resource(resourceArn=arn, tagKeys=list(stack.platform.tags))


def removed(value: list[dict[str, Any]]) -> list[str]:
    return [change["resource"] for change in value if change["action"] == "delete"]


def test_everything_goes_and_its_disks_with_it(ours: Stack) -> None:
    ours.deploy("tiny")
    (disk,) = until(disks)
    tags = {tag["Key"]: tag["Value"] for tag in disk["Tags"]}
    assert tags[f"kubernetes.io/cluster/{CLUSTER}"] == "owned"
    assert (disk["Size"], tags["kubernetes.io/created-for/pvc/name"]) == (3, "data")

    run = Run(keep=None)
    edge = run.task(RemoveLoadBalancersOperator(task_id="load_balancers")).value
    assert removed(edge) == ["Service users/edge"]
    tiny = run.task(RemoveComponentOperator(task_id="tiny", component=ours.component("tiny"))).value
    assert "Deployment tiny/tiny" in removed(tiny)
    assert "Namespace tiny" not in removed(tiny), "namespaces go with the cluster"
    assert ours.kubernetes("GET", "/apis/apps/v1/namespaces/tiny/deployments/tiny") is None
    volumes = run.task(RemoveVolumesOperator(task_id="volumes")).value
    assert "PersistentVolumeClaim users/data" in removed(volumes)
    until(lambda: not disks())

    # A second time there is nothing to do.
    for task in (RemoveLoadBalancersOperator(task_id="a"), RemoveVolumesOperator(task_id="b")):
        assert removed(run.task(task).value) == []


def test_what_does_not_go_is_reported_and_passed_over(ours: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    path = "/api/v1/namespaces/users/services/edge"
    held = {"metadata": {"finalizers": ["example.org/never"]}}
    ours.kubernetes("PATCH", path, held, "application/merge-patch+json")
    monkeypatch.setattr(RemoveLoadBalancersOperator, "limit", timedelta(seconds=1))
    left = Run(keep=None).task(RemoveLoadBalancersOperator(task_id="load_balancers")).value
    (kept,) = [change for change in left if change["action"] == "keep"]
    assert kept["resource"] == "Service users/edge"
    assert "kept by finalizer example.org/never" in kept["note"]
    ours.kubernetes("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")


def test_a_cluster_that_is_not_ours_is_left_alone(stack: Stack) -> None:
    before = stack.mutating_calls()["kubernetes"]
    left = Run(keep=None).task(RemoveVolumesOperator(task_id="volumes")).value
    assert [change["note"] for change in left] == ["left alone: this cluster is not ours"]
    assert stack.mutating_calls()["kubernetes"] == before
