"""What people change by hand in a cluster is found field by field with who did it, and is brought back."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from slipway.decisions.inventory import ObjectRef
from slipway.hooks.apply import Applier
from slipway.hooks.drift import ClusterDriftHook
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.reconcile import Reconciler
from slipway.hooks.releases import Releases
from slipway.model.drift import Finding, How
from slipway.model.records import ReleaseState

from tests.rehearsal.components.conftest import Stack

pytestmark = pytest.mark.timeout(120)
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((Path(__file__).parent / "kinds.yaml").read_text()))
BY_KIND = {item["kind"]: item for item in MANIFESTS}
# A merge patch by hand for every kind, and the field that it changes.
EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "Namespace": ({"metadata": {"labels": {"team": "mine"}}}, "metadata.labels.team"),
    "ServiceAccount": ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    "ConfigMap": ({"data": {"mode": "lax"}}, "data.mode"),
    "Secret": ({"data": {"token": "c2VjcmV0"}}, "data.token"),
    "Service": ({"spec": {"selector": {"app": "other"}}}, "spec.selector.app"),
    "ResourceQuota": ({"spec": {"hard": {"pods": "99"}}}, "spec.hard.pods"),
    "LimitRange": (
        {"spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}},
        "spec.limits",
    ),
    "NetworkPolicy": ({"spec": {"policyTypes": ["Ingress", "Egress"]}}, "spec.policyTypes"),
    "Ingress": (
        {"spec": {"rules": [{"host": "evil.example.org"}]}},
        "spec.rules",
    ),
    "PodDisruptionBudget": ({"spec": {"minAvailable": 0}}, "spec.minAvailable"),
    "Role": ({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]}, "rules"),
    "RoleBinding": (
        {"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "drift"}]},
        "subjects",
    ),
    "ClusterRole": ({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, "rules"),
    "PriorityClass": ({"description": "changed"}, "description"),
    "StorageClass": ({"allowVolumeExpansion": True}, "allowVolumeExpansion"),
    "Deployment": (
        {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5, "containers": [
            {"name": "app", "image": "registry.k8s.io/pause:3.9"}]}}}},
        "spec.template.spec.containers[app].image",
    ),
    "StatefulSet": ({"spec": {"replicas": 0}}, "spec.replicas"),
    "DaemonSet": (
        {"spec": {"template": {"metadata": {"labels": {"app": "sample", "extra": "yes"}}}}},
        "spec.template.metadata.labels.extra",
    ),
    "CronJob": ({"spec": {"suspend": True}}, "spec.suspend"),
    "HorizontalPodAutoscaler": ({"spec": {"maxReplicas": 30}}, "spec.maxReplicas"),
}  # fmt: skip
PERSON = "kubectl-edit"


class Bench:
    """The sample component in the cluster."""

    def __init__(self, stack: Stack) -> None:
        self.access = EksAccess.of(stack.platform)
        self.endpoint = stack.endpoint

    def run(self, function: Any, *arguments: Any) -> Any:
        async def inside() -> Any:
            async with connect(self.access, self.endpoint) as api:
                return await function(api, *arguments)

        return asyncio.run(inside())

    def deploy(self) -> None:
        async def act(api: KubernetesApi) -> None:
            refs = [ObjectRef.of(item) for item in MANIFESTS]
            store = Releases(api)
            release = await store.begin("sample", MANIFESTS, refs, "run", datetime.now(UTC))
            await Applier(api).apply(copy.deepcopy(MANIFESTS))
            await store.advance(release, ReleaseState.READY)

        self.run(act)

    def drift(self) -> list[Finding]:
        async def act(api: KubernetesApi) -> list[Finding]:
            hook = ClusterDriftHook(api)
            found = await hook.component("sample", MANIFESTS)
            known = {ObjectRef.of(item).identity for item in MANIFESTS}
            found += await hook.added(["drift"], known)
            assert hook.missing == []
            return found

        return list(self.run(act))

    def patch(self, kind: str, body: Any) -> None:
        async def act(api: KubernetesApi) -> None:
            path = await api.path(ObjectRef.of(BY_KIND[kind]))
            await api.request(
                "PATCH", str(path), params={"fieldManager": PERSON}, body=body,
                content_type="application/merge-patch+json",
            )  # fmt: skip

        self.run(act)

    def reconcile(self, prune: bool = False) -> list[str]:
        findings = self.drift()

        async def act(api: KubernetesApi) -> list[str]:
            reconciler = Reconciler(api)
            touched = {one.resource for one in findings if one.how is not How.ADDED}
            done = await reconciler.bring_back([m for m in MANIFESTS if str(ObjectRef.of(m)) in touched])
            if prune:
                done += await reconciler.remove([one.resource for one in findings if one.how is How.ADDED])
            return done

        return list(self.run(act))


@pytest.fixture
def bench(stack: Stack) -> Bench:
    """The sample, as Git says."""
    made = Bench(stack)
    # An earlier test may have ended in the middle of it.
    made.reconcile(prune=True)
    made.deploy()
    return made


def test_a_fresh_deploy_has_no_drift(bench: Bench) -> None:
    assert "\n".join(map(str, bench.drift())) == ""


def test_every_kind_that_was_edited_is_found_and_brought_back(bench: Bench) -> None:
    assert len(EDITS) >= 15
    for kind, (body, _) in EDITS.items():
        bench.patch(kind, body)
    found = {one.kind: one for one in bench.drift()}
    for kind, (_, path) in EDITS.items():
        assert kind in found, f"{kind} was edited and not found"
        paths = [drift.path for drift in found[kind].fields]
        assert any(one.startswith(path) for one in paths), (kind, path, paths)
        assert [author.who for author in found[kind].authors] == [PERSON], kind
        assert found[kind].how is How.EDITED
    image = next(one for one in found["Deployment"].fields if one.path.endswith("image"))
    assert (image.wanted, image.found) == ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.9")
    assert "c2VjcmV0" not in found["Secret"].model_dump_json(), "values of secrets are not for reports"

    assert len(bench.reconcile()) == len(EDITS)
    assert "\n".join(map(str, bench.drift())) == ""


def test_every_kind_that_was_deleted_is_found_and_made_again(bench: Bench) -> None:
    gone = [item for item in MANIFESTS if item["kind"] not in {"Namespace", "PersistentVolumeClaim"}]

    async def act(api: KubernetesApi) -> None:
        for item in gone:
            await api.request("DELETE", str(await api.path(ObjectRef.of(item))))

    bench.run(act)
    found = {one.resource: one.how for one in bench.drift()}
    assert found == {str(ObjectRef.of(item)): How.DELETED for item in gone}
    bench.reconcile()
    assert bench.drift() == []


def test_what_was_added_by_hand_is_found_and_deleted_only_when_asked(bench: Bench) -> None:
    kinds = [
        kind for kind in EDITS
        if kind not in {"Namespace", "ClusterRole", "PriorityClass", "StorageClass", "StatefulSet", "DaemonSet"}
    ]  # fmt: skip

    async def act(api: KubernetesApi) -> None:
        for kind in kinds:
            body = copy.deepcopy(BY_KIND[kind])
            body["metadata"] = {"name": f"by-hand-{kind.lower()}", "namespace": "drift"}
            resource = await api.resource(body["apiVersion"], kind)
            assert resource
            head, _, plural = resource.collection.rpartition("/")
            await api.request(
                "POST", f"{head}/namespaces/drift/{plural}", params={"fieldManager": "kubectl-create"}, body=body
            )

    bench.run(act)
    found = {one.resource: one for one in bench.drift() if one.how is How.ADDED}
    assert set(found) == {f"{kind} drift/by-hand-{kind.lower()}" for kind in kinds}
    assert {author.who for one in found.values() for author in one.authors} == {"kubectl-create"}
    bench.reconcile()
    assert {one.resource for one in bench.drift()} == set(found)
    bench.reconcile(prune=True)
    assert bench.drift() == []


def test_what_controllers_own_is_no_drift(bench: Bench) -> None:
    async def scale(api: KubernetesApi) -> None:
        path = await api.path(ObjectRef.of(BY_KIND["Deployment"]))
        body = {"spec": {"replicas": 3}}
        await api.request(
            "PATCH", f"{path}/scale", params={"fieldManager": "kube-controller-manager"}, body=body,
            content_type="application/merge-patch+json",
        )  # fmt: skip

    bench.run(scale)
    assert [one for one in bench.drift() if one.kind == "Deployment"] == []
