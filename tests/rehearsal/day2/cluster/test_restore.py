"""Claims are put on disks made of the snapshots that a backup took, and a retry finds what an earlier try did."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException
from slipway.hooks.lease import LeaseHook
from slipway.hooks.reports import ReportsHook
from slipway.model.restore import RestoreBody
from slipway.operators import teardown
from slipway.operators.backup import BackupOperator
from slipway.operators.restore import RestoreOperator, SurveyRestoreOperator

from tests.rehearsal.components.conftest import Stack
from tests.rehearsal.components.driver import Run
from tests.rehearsal.day2.thorough import thorough

pytestmark = [thorough, pytest.mark.timeout(1200)]
VAULT = """
apiVersion: v1
kind: Namespace
metadata: {name: vault}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: quick}
provisioner: ebs.csi.aws.com
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: Service
metadata: {name: vault, namespace: vault}
spec:
  clusterIP: None
  selector: {app.kubernetes.io/name: vault}
  ports: [{name: http, port: 8080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: vault, namespace: vault}
spec:
  serviceName: vault
  replicas: 2
  selector: {matchLabels: {app.kubernetes.io/name: vault}}
  template:
    metadata: {labels: {app.kubernetes.io/name: vault}}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: vault
          image: registry.k8s.io/pause:3.10
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi}}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: quick
        resources: {requests: {storage: 3Gi}}
"""
CLAIMS = ("data-vault-0", "data-vault-1")


class Restore(Run):
    """One run of the restore: the survey's choice is what the restore pulls."""

    def __init__(self, run_id: str, **params: Any) -> None:
        super().__init__(run_id, components=["vault"], **params)
        self.surveyed: Any = None

    def context(self, operator: Any) -> Any:
        found = super().context(operator)
        found["ti"].xcom_pull = lambda task_id: self.surveyed if task_id == "survey" else None
        return found

    def survey(self) -> dict[str, Any]:
        self.surveyed = self.task(SurveyRestoreOperator(task_id="survey")).value
        return dict(self.surveyed)

    def restore(self) -> list[dict[str, Any]]:
        return list(self.task(RestoreOperator(task_id="restore")).value)


class Vault:
    """A component that holds data, in the cluster and in the account."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ec2 = boto3.client("ec2")

    def claim(self, name: str) -> Any:
        return self.stack.kubernetes("GET", f"/api/v1/namespaces/vault/persistentvolumeclaims/{name}")

    def volume(self, name: str) -> Any:
        return self.stack.kubernetes("GET", f"/api/v1/persistentvolumes/{self.claim(name)['spec']['volumeName']}")

    def disks(self) -> dict[str, str]:
        return {name: self.volume(name)["spec"]["csi"]["volumeHandle"] for name in CLAIMS}

    def snapshots(self) -> set[str]:
        return {one["SnapshotId"] for one in self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}

    def origin(self, *disks: str) -> set[str]:
        return {one["SnapshotId"] for one in self.ec2.describe_volumes(VolumeIds=list(disks))["Volumes"]}

    def ready(self) -> int:
        live = self.stack.kubernetes("GET", "/apis/apps/v1/namespaces/vault/statefulsets/vault")
        return int(live["status"].get("readyReplicas", 0))


@pytest.fixture
def vault(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """It is deployed, and backed up once."""
    monkeypatch.setattr(teardown, "FIRST_PAUSE", 0.3)
    monkeypatch.setattr(teardown, "LONGEST_PAUSE", 1.0)
    eks = boto3.client("eks")
    if "aws-ebs-csi-driver" not in eks.list_addons(clusterName="slipway-dev")["addons"]:
        values = {"controller": {"extraVolumeTags": stack.platform.tags}}
        eks.create_addon(
            clusterName="slipway-dev", addonName="aws-ebs-csi-driver", configurationValues=json.dumps(values)
        )
        eks.get_waiter("addon_active").wait(
            clusterName="slipway-dev", addonName="aws-ebs-csi-driver", WaiterConfig={"Delay": 0.2}
        )
    folder = stack.include / "manifests/data-layer/vault"
    folder.mkdir()
    (folder / "vault.yaml").write_text(VAULT)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["vault.yaml"]}))
    described = {"description": "holds data", "namespace": "vault", "timeout": "3m", "stateful": True}
    (folder / "component.yaml").write_text(yaml.safe_dump(described))
    stack.deploy("vault")
    return Vault(stack)


def test_in_place_and_once(stack: Stack, vault: Vault) -> None:
    with pytest.raises(AirflowFailException, match="it was never backed up"):
        Restore("manual__1").survey()
    Run("manual__1").task(BackupOperator(task_id="back_up"))
    before = vault.disks()
    snapshots = vault.snapshots()
    assert len(snapshots) == 2

    run = Restore("manual__1")
    surveyed = run.survey()
    assert "is lost" in surveyed["body"]
    assert [one["component"] for one in surveyed["choices"]] == ["vault"]
    changes = run.restore()
    after = vault.disks()
    assert set(after.values()).isdisjoint(before.values())
    assert vault.origin(*after.values()) == snapshots
    assert vault.ready() == 2
    # The class says Delete, and still no disk was lost: they are the way back.
    kept = vault.ec2.describe_volumes(VolumeIds=list(before.values()))["Volumes"]
    assert len(kept) == 2
    # And no backup takes them for the claims' disks.
    lease = LeaseHook(stack.platform)
    lease.release("manual__1", "platform_deploy")
    lease.acquire("manual__1b", "platform_deploy")
    Run("manual__1b").task(BackupOperator(task_id="back_up_again"))
    lease.release("manual__1b", "platform_deploy")
    lease.acquire("manual__1", "platform_deploy")
    taken = vault.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert {one["VolumeId"] for one in taken if one["SnapshotId"] not in snapshots} == set(after.values())
    assert {change["action"] for change in changes} == {"create", "replace"}
    body = ReportsHook(stack.platform).latest("restore", RestoreBody)
    assert body is not None
    assert {one.disk for one in body.body.restored} == set(after.values())

    # A try after a crash finds everything done.
    assert run.restore() == []
    assert vault.disks() == after
    # A deploy has nothing to change on what was restored.
    assert stack.deploy("vault").value == []
    # And what the restore set on the way does not stop a deploy that wants it otherwise.
    manifest = stack.folder("vault") / "vault.yaml"
    manifest.write_text(manifest.read_text().replace("replicas: 2", "replicas: 1"))
    assert stack.actions("vault") == {"StatefulSet vault/vault": "change"}


def test_a_component_that_is_not_there_gets_its_claims_before_its_pods(stack: Stack, vault: Vault) -> None:
    if not vault.snapshots():
        Run("manual__1").task(BackupOperator(task_id="back_up"))
    stack.kubernetes("DELETE", "/apis/apps/v1/namespaces/vault/statefulsets/vault")
    run = Restore("manual__2")
    LeaseHook(stack.platform).release("manual__1", "platform_deploy")
    LeaseHook(stack.platform).acquire("manual__2", "platform_deploy")
    run.survey()
    run.restore()
    LeaseHook(stack.platform).release("manual__2", "platform_deploy")
    LeaseHook(stack.platform).acquire("manual__1", "platform_deploy")
    disks = vault.disks()
    assert stack.kubernetes("GET", "/apis/apps/v1/namespaces/vault/statefulsets/vault") is None
    stack.deploy("vault")
    assert vault.disks() == disks, "the pods took the claims that they found"
    assert vault.ready() == 2
