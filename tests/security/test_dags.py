"""Every DAG, bound by the policies of ``deployer.yaml``: all succeed, nothing is refused, nothing is granted in vain.

The tests follow each other: one platform's life.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.conftest import ROOT, TEMPLATE, Bound, client, thorough
from tests.security.strays import plant
from tests.security.test_policy import ALLOWING, needs, types
from tests.security.unused import NOT_REHEARSED

pytestmark = [
    thorough,
    pytest.mark.timeout(400),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]
# Images asks the registries on the internet and nothing of AWS but, for ECR, a token. A drill triggers others that are
# run here, for which it needs a scheduler; what it does itself is to read, and to keep secrets.
ELSEWHERE = {"platform_images", "platform_dr_drill"}
REHEARSED: set[str] = set()


def lived(bound: Bound, dag_id: str, **conf: object) -> None:
    """Run a DAG: it succeeds and nothing is refused."""
    REHEARSED.add(dag_id)
    run = bound.run(dag_id, **conf)
    refused = [f"{one['call']}{' via ' + one['via'] if one['via'] else ''}: {one['action']} on {one['resource']}"
               for one in bound.permissions()["denied"]]  # fmt: skip
    assert refused == []
    assert run.state == "success", run.failed()


def test_deploy(bound: Bound) -> None:
    lived(bound, "platform_deploy", environment="dev")


def test_a_second_deploy_with_other_tags(bound: Bound) -> None:
    """Changes stacks, cluster and node groups in place."""
    path = bound.include / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("team: platform", "team: platform-of-others").replace("max: 5", "max: 6"))
    lived(bound, "platform_deploy", environment="dev")


def test_health(bound: Bound) -> None:
    lived(bound, "platform_health", environment="dev")


def test_drift_and_back(bound: Bound) -> None:
    bound.kubectl("-n", "keeper", "patch", "configmap", "keeper", "-p", '{"data":{"mode":"lax"}}')
    lived(bound, "platform_drift", environment="dev", reconcile="auto")


def test_backup(bound: Bound) -> None:
    lived(bound, "platform_backup", environment="dev")


def test_restore(bound: Bound) -> None:
    lived(bound, "platform_restore", environment="dev", components=["keeper"], unattended=True)


def test_nightly_cost(bound: Bound) -> None:
    lived(bound, "platform_nightly_cost", environment="dev")


def test_nightly_scale(bound: Bound) -> None:
    lived(bound, "platform_nightly_scale", environment="dev")


def test_rollback(bound: Bound) -> None:
    folder = bound.include / "manifests/data-layer/vault"
    text = (folder / "vault.yaml").read_text()
    (folder / "vault.yaml").write_text(text.replace("cpu: 10m", "cpu: 11m"))
    lived(bound, "platform_deploy", environment="dev", stages=["data-layer"])
    lived(bound, "platform_rollback", environment="dev", components=["vault"], unattended=True)


def test_upgrade(bound: Bound) -> None:
    lived(bound, "platform_upgrade", environment="dev", version="1.37", unattended=True, bake_minutes=0)


def test_teardown_with_what_controllers_left(bound: Bound) -> None:
    """In an account where things of all kinds were left behind, and others have theirs."""
    plant(bound.cloud)
    theirs = client(bound.cloud, "ec2").create_volume(Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    lived(bound, "platform_teardown", environment="dev", unattended=True, keep=[], all_regions=False)
    assert client(bound.cloud, "ec2").describe_volumes(VolumeIds=[theirs])["Volumes"]


def test_every_dag_was_run() -> None:
    dags = {path.stem for path in (ROOT / "dags").glob("platform_*.py")}
    assert dags - ELSEWHERE == REHEARSED


def test_nothing_is_granted_in_vain(bound: Bound) -> None:
    """What no DAG asked for is what AWS's CloudFormation needs beyond the rehearsal's, or listed with its reason."""
    asked = set(bound.permissions()["allowed"])
    granted = {action for one in ALLOWING for action in one.actions}
    needed = {permission.lower() for kind in types() for permission in needs(kind)}
    vain = {action for action in granted - asked - set(NOT_REHEARSED) if action.lower() not in needed}
    assert sorted(vain) == [], "granted and never asked for: take it away, or say why in unused.py"
    assert sorted(set(NOT_REHEARSED) - granted) == [], "not granted: take it off the list"


def test_the_refusal_is_real(bound: Bound) -> None:
    """The cloud refuses: without this, a cloud that enforces nothing would pass all of the above."""
    import boto3
    from botocore.exceptions import ClientError

    before = len(bound.permissions()["denied"])
    for service, call, arguments in (
        ("ec2", "create_vpc", {"CidrBlock": "10.1.0.0/16"}),
        ("iam", "create_user", {"UserName": "intruder"}),
        ("eks", "delete_cluster", {"name": "theirs"}),
        ("s3", "create_bucket", {"Bucket": "theirs"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "theirs"}),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|UnauthorizedOperation"):
            getattr(boto3.client(service), call)(**arguments)
    assert len(bound.permissions()["denied"]) == before + 5
    assert Path(TEMPLATE).is_file()
