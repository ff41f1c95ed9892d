"""Drift is found and mended in what today's components have: an object of every kind of theirs, as dev renders it."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from slipway.catalog import paths
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.catalog.render import render_all
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
from tests.rehearsal.day2.thorough import thorough

pytestmark = [thorough, pytest.mark.timeout(1200)]
ROOT = Path(__file__).resolve().parents[4]
PERSON = "kubectl-edit"
_POD = {"template": {"spec": {"terminationGracePeriodSeconds": 3}}}
_ALL = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
_SOMEBODY = [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]
_LABEL = {"metadata": {"labels": {"team": "mine"}}}
# A merge patch by hand for every kind; what nobody edits otherwise gets a label.
EDITS: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"by-hand": "yes"}},
    "Service": {"spec": {"selector": {"by-hand": "yes"}}},
    "ResourceQuota": {"spec": {"hard": {"pods": "999"}}},
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"by-hand": "yes"}}}},
    "Role": {"rules": _ALL},
    "ClusterRole": {"rules": _ALL},
    "RoleBinding": {"subjects": _SOMEBODY},
    "ClusterRoleBinding": {"subjects": _SOMEBODY},
    "PriorityClass": {"description": "by hand"},
    "Deployment": {"spec": _POD},
    "StatefulSet": {"spec": _POD},
    "DaemonSet": {"spec": _POD},
    "CronJob": {"spec": {"schedule": "1 1 1 1 *"}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 99}},
    **dict.fromkeys(
        (
            "Namespace", "ServiceAccount", "LimitRange", "PodDisruptionBudget", "StorageClass", "IngressClass",
            "CustomResourceDefinition", "PersistentVolumeClaim",
        ),
        _LABEL,
    ),
}  # fmt: skip
# Deleting these takes other objects with them.
KEPT = {"Namespace", "PersistentVolumeClaim", "CustomResourceDefinition"}
ADDED = ("ConfigMap", "Service", "Deployment", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "CronJob")


def of_today() -> dict[str, dict[str, Any]]:
    """One object of each kind of today's components, with the namespaces that they lie in."""
    paths.include_dir.cache_clear()
    platform = load_platform("dev")
    disabled = platform.environment.components.disabled
    rendered = render_all([one for one in load_components().values() if one.name not in disabled], platform)
    found: dict[str, dict[str, Any]] = {}
    for _, manifests in rendered:
        for item in manifests:
            if item["kind"] in EDITS:
                found.setdefault(item["kind"], item)
    wanted = {item["metadata"].get("namespace") for item in found.values()}
    for _, manifests in rendered:
        for item in manifests:
            if item["kind"] == "Namespace" and item["metadata"]["name"] in wanted:
                found.setdefault(f"Namespace {item['metadata']['name']}", item)
    return found


class Bench:
    """These objects in the cluster, as one component."""

    def __init__(self, stack: Stack, objects: dict[str, dict[str, Any]]) -> None:
        self.access, self.endpoint = EksAccess.of(stack.platform), stack.endpoint
        self.by_kind = {kind: item for kind, item in objects.items() if kind in EDITS}
        self.manifests = [copy.deepcopy(item) for item in objects.values()]
        for item in self.manifests:
            item["metadata"].setdefault("labels", {})["slipway.dev/component"] = "today"
        self.namespaces = sorted({item["metadata"].get("namespace") or "" for item in self.manifests} - {""})

    def run(self, function: Any) -> Any:
        async def inside() -> Any:
            async with connect(self.access, self.endpoint) as api:
                return await function(api)

        return asyncio.run(inside())

    def deploy(self) -> None:
        async def act(api: KubernetesApi) -> None:
            refs = [ObjectRef.of(item) for item in self.manifests]
            store = Releases(api)
            release = await store.begin("today", self.manifests, refs, "run", datetime.now(UTC))
            await Applier(api).apply(copy.deepcopy(self.manifests))
            await store.advance(release, ReleaseState.READY)

        self.run(act)

    def drift(self) -> list[Finding]:
        async def act(api: KubernetesApi) -> list[Finding]:
            hook = ClusterDriftHook(api)
            found = await hook.component("today", self.manifests)
            known = {ObjectRef.of(item).identity for item in self.manifests}
            found += [one for one in await hook.added(self.namespaces, known) if "by-hand" in one.resource]
            assert hook.missing == []
            return found

        return list(self.run(act))

    def patch(self, kind: str) -> None:
        async def act(api: KubernetesApi) -> None:
            path = str(await api.path(ObjectRef.of(self.by_kind[kind])))
            await api.request(
                "PATCH", path, params={"fieldManager": PERSON}, body=EDITS[kind],
                content_type="application/merge-patch+json",
            )  # fmt: skip

        self.run(act)

    def reconcile(self) -> None:
        findings = self.drift()

        async def act(api: KubernetesApi) -> None:
            touched = {one.resource for one in findings if one.how is not How.ADDED}
            reconciler = Reconciler(api)
            await reconciler.bring_back([one for one in self.manifests if str(ObjectRef.of(one)) in touched])
            await reconciler.remove([one.resource for one in findings if one.how is How.ADDED])

        self.run(act)


def test_every_kind_of_todays_components(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(paths.VARIABLE, str(ROOT / "include"))
        objects = of_today()
    paths.include_dir.cache_clear()
    bench = Bench(stack, objects)
    assert len(bench.by_kind) >= 15, sorted(bench.by_kind)
    bench.deploy()
    assert "\n".join(map(str, bench.drift())) == ""

    for kind in bench.by_kind:
        bench.patch(kind)
    found = {one.resource: one for one in bench.drift()}
    edited = {kind for kind, item in bench.by_kind.items() if str(ObjectRef.of(item)) in found}
    assert set(bench.by_kind) - edited == set(), "edited and not found"
    for kind, item in bench.by_kind.items():
        one = found[str(ObjectRef.of(item))]
        assert one.how is How.EDITED
        assert PERSON in [author.who for author in one.authors], kind
    bench.reconcile()
    assert "\n".join(map(str, bench.drift())) == ""

    gone = [item for kind, item in bench.by_kind.items() if kind not in KEPT]

    async def delete(api: KubernetesApi) -> None:
        for item in gone:
            await api.request("DELETE", str(await api.path(ObjectRef.of(item))))

    bench.run(delete)
    deleted = {one.resource for one in bench.drift() if one.how is How.DELETED}
    assert deleted == {str(ObjectRef.of(item)) for item in gone}
    assert len({resource.split()[0] for resource in deleted}) >= 15
    bench.reconcile()
    assert [one for one in bench.drift() if one.how is How.DELETED] == []

    async def add(api: KubernetesApi) -> None:
        for kind in ADDED:
            body = copy.deepcopy(bench.by_kind[kind])
            namespace = body["metadata"]["namespace"]
            body["metadata"] = {"name": f"by-hand-{kind.lower()}", "namespace": namespace}
            resource = await api.resource(body["apiVersion"], kind)
            assert resource
            head, _, plural = resource.collection.rpartition("/")
            await api.request(
                "POST", f"{head}/namespaces/{namespace}/{plural}", params={"fieldManager": PERSON}, body=body
            )

    bench.run(add)
    added = {one.resource.split()[0] for one in bench.drift() if one.how is How.ADDED}
    assert added == set(ADDED)
    bench.reconcile()
    assert [one for one in bench.drift() if one.how is How.ADDED] == []
