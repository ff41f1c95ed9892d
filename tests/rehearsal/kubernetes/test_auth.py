"""EKS tokens, access entries and policies, service account tokens."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import boto3
import kubernetes.client as k8s
import pytest
from airflow.providers.amazon.aws.utils.eks_get_token import fetch_access_token_for_cluster

from tests.rehearsal.kubernetes.support import ClusterUnderTest, Process, eventually, refused

SECRET = "secret-of-creator"


@pytest.fixture(scope="module")
def guarded(process: Process) -> Iterator[ClusterUnderTest]:
    made = ClusterUnderTest(process, "guarded")
    yield made
    process.call("DELETE", made.path, expect=204)


def token(sts: str, key: str = "creator", secret: str = SECRET, cluster: str = "guarded") -> str:
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
    url = f"{sts}/?Action=GetCallerIdentity&Version=2011-06-15"
    return str(fetch_access_token_for_cluster(cluster, url, "us-east-1", session))


def pods(cluster: ClusterUnderTest, with_token: str, namespace: str = "default") -> int:
    """The status code of listing pods."""
    with cluster.client(with_token) as client:
        try:
            k8s.CoreV1Api(client).list_namespaced_pod(namespace)
        except k8s.ApiException as error:
            return int(error.status)
    return 200


def entries(cluster: ClusterUnderTest, *given: dict[str, object]) -> None:
    cluster.process.call("PUT", f"{cluster.path}/access", {"entries": list(given)})


def test_the_creator_is_admin(guarded: ClusterUnderTest, sts_endpoint: str) -> None:
    assert pods(guarded, token(sts_endpoint)) == 200
    public = "https://sts.us-east-1.amazonaws.com"
    assert pods(guarded, token(public)) == 200


def test_what_is_refused(guarded: ClusterUnderTest, sts_endpoint: str) -> None:
    refusals = {
        "another cluster's token": token(sts_endpoint, cluster="other"),
        "a forged signature": token(sts_endpoint, secret="guess"),
        "a key STS does not know": token(sts_endpoint, key="bad"),
        "a principal without access": token(sts_endpoint, key="stranger"),
        "another host": token("http://evil.example"),
        "an expired url": old(token(sts_endpoint, key="expired")),
        "another action": token(sts_endpoint).replace("x", "y"),
        "no token at all": "nonsense",
        "not base64": "k8s-aws-v1.%%%",
    }
    assert {why: pods(guarded, bad) for why, bad in refusals.items()} == dict.fromkeys(refusals, 401)


def old(made: str) -> str:
    """The same URL with a date of long ago."""
    encoded = made.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    day = url.split("X-Amz-Date=")[1][:8]
    aged = url.replace(f"X-Amz-Date={day}", "X-Amz-Date=20200101")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(aged.encode()).decode().rstrip("=")


def test_access_policies_and_groups(guarded: ClusterUnderTest, sts_endpoint: str) -> None:
    policy = "arn:aws:eks::aws:cluster-access-policy/"
    view = {"policyArn": policy + "AmazonEKSViewPolicy", "scope": {"type": "namespace", "namespaces": ["default"]}}
    admin = {"policyArn": policy + "AmazonEKSClusterAdminPolicy", "scope": {"type": "cluster"}}
    entries(
        guarded,
        {
            "principalArn": "arn:aws:iam::123456789012:user/viewer",
            "username": "viewer",
            "groups": [],
            "policies": [view],
        },
        {"principalArn": "arn:aws:iam::123456789012:role/ops", "username": "ops", "groups": [], "policies": [admin]},
        {
            "principalArn": "arn:aws:iam::123456789012:user/grouped",
            "username": "g",
            "groups": ["readers"],
            "policies": [],
        },
    )
    viewer, ops = token(sts_endpoint, key="viewer"), token(sts_endpoint, key="role-ops")
    # Authorizers learn of bindings from watches, and remember whom they knew for seconds.
    eventually(lambda: pods(guarded, viewer) == 200)
    assert pods(guarded, viewer, "kube-system") == 403
    with guarded.client(viewer) as client:
        status = refused(lambda: k8s.CoreV1Api(client).list_namespaced_secret("default"))
    assert status["message"] == (
        'secrets is forbidden: User "viewer" cannot list resource "secrets" in API group "" in the namespace "default"'
    )
    eventually(lambda: pods(guarded, ops, "kube-system") == 200)
    grouped = token(sts_endpoint, key="grouped")
    assert pods(guarded, grouped) == 403
    with guarded.client(guarded.admin_token()) as client:
        reference = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
        subject = {"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}
        body = {"metadata": {"name": "readers"}, "roleRef": reference, "subjects": [subject]}
        k8s.RbacAuthorizationV1Api(client).create_cluster_role_binding(body)
    eventually(lambda: pods(guarded, grouped, "kube-system") == 200)
    entries(guarded)
    eventually(lambda: pods(guarded, ops) == 401, seconds=30)


def test_service_account_tokens(guarded: ClusterUnderTest) -> None:
    with guarded.client(guarded.admin_token()) as client:
        core = k8s.CoreV1Api(client)
        eventually(lambda: core.read_namespaced_service_account("default", "default"))
        request = {"spec": {"audiences": [], "expirationSeconds": 600}}
        answer = core.create_namespaced_service_account_token("default", "default", request, _preload_content=False)
        issued = answer.json()["status"]["token"]
        assert pods(guarded, issued) == 403
        with guarded.client(issued) as own:
            review = k8s.AuthenticationV1Api(own).create_self_subject_review({})
            assert review.status.user_info.username == "system:serviceaccount:default:default"
        access = k8s.AuthorizationV1Api(client).create_self_subject_access_review(
            {"spec": {"resourceAttributes": {"verb": "delete", "resource": "nodes"}}}
        )
        assert access.status.allowed
        core.delete_namespaced_service_account("default", "default")
        eventually(lambda: pods(guarded, issued) == 401, seconds=30)


def test_aggregated_roles_gather_the_rules_of_others(guarded: ClusterUnderTest) -> None:
    with guarded.client(guarded.admin_token()) as client:
        rbac = k8s.RbacAuthorizationV1Api(client)
        selector = {"matchLabels": {"aggregate-to": "all"}}
        rbac.create_cluster_role({"metadata": {"name": "all"}, "aggregationRule": {"clusterRoleSelectors": [selector]}})
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        rbac.create_cluster_role({"metadata": {"name": "part", "labels": {"aggregate-to": "all"}}, "rules": [rule]})
        assert eventually(lambda: rbac.read_cluster_role("all").rules)[0].resources == ["pods"]
