"""Deletion: finalizers, propagation, garbage, namespaces, grace."""

from __future__ import annotations

import time

import kubernetes.client as k8s

from tests.rehearsal.kubernetes.support import config_map, deployment, eventually, refused


def test_a_finalizer_holds_an_object(core: k8s.CoreV1Api, namespace: str) -> None:
    body = config_map("a", namespace)
    body["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map(namespace, body)
    core.delete_namespaced_config_map("a", namespace)
    assert core.read_namespaced_config_map("a", namespace).metadata.deletion_timestamp
    status = refused(
        lambda: core.patch_namespaced_config_map("a", namespace, {"metadata": {"finalizers": ["example.com/more"]}})
    )
    assert "no new finalizers can be added" in status["message"]
    core.patch_namespaced_config_map("a", namespace, [{"op": "remove", "path": "/metadata/finalizers"}])
    assert refused(lambda: core.read_namespaced_config_map("a", namespace))["code"] == 404


def test_dependents_go_with_their_owner_in_the_background(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=2))
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 2)
    apps.delete_namespaced_deployment("web", namespace)
    eventually(lambda: not apps.list_namespaced_replica_set(namespace).items)
    eventually(lambda: not core.list_namespaced_pod(namespace).items)


def test_orphans_stay(apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 1)
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Orphan")
    eventually(lambda: not apps.list_namespaced_deployment(namespace).items)
    sets = apps.list_namespaced_replica_set(namespace).items
    assert [s.metadata.owner_references for s in sets] == [None]
    assert len(core.list_namespaced_pod(namespace).items) == 1


def test_foreground_deletion_waits_for_dependents(apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str) -> None:
    body = deployment("web", namespace)
    body["spec"]["template"]["metadata"]["finalizers"] = ["example.com/hold"]
    apps.create_namespaced_deployment(namespace, body)
    pod = eventually(lambda: core.list_namespaced_pod(namespace).items)[0].metadata.name
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    eventually(lambda: core.read_namespaced_pod(pod, namespace).metadata.deletion_timestamp)
    assert apps.read_namespaced_deployment("web", namespace).metadata.finalizers == ["foregroundDeletion"]
    core.patch_namespaced_pod(pod, namespace, [{"op": "remove", "path": "/metadata/finalizers"}])
    eventually(lambda: not apps.list_namespaced_deployment(namespace).items)


def test_an_object_whose_owner_never_was_is_collected(core: k8s.CoreV1Api, namespace: str) -> None:
    body = config_map("a", namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "0" * 8}
    body["metadata"]["ownerReferences"] = [reference]
    core.create_namespaced_config_map(namespace, body)
    eventually(lambda: "a" not in {c.metadata.name for c in core.list_namespaced_config_map(namespace).items})


def test_preconditions(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("a", namespace))
    options = {"preconditions": {"uid": "other"}}
    assert refused(lambda: core.delete_namespaced_config_map("a", namespace, body=options))["code"] == 409


def test_a_namespace_empties_and_names_what_holds_it(core: k8s.CoreV1Api) -> None:
    core.create_namespace({"metadata": {"name": "ending"}})
    body = config_map("a", "ending")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map("ending", body)
    core.create_namespaced_config_map("ending", config_map("b", "ending"))
    core.delete_namespace("ending")

    def held() -> k8s.V1NamespaceCondition | None:
        conditions = core.read_namespace("ending").status.conditions or []
        return next((c for c in conditions if c.type == "NamespaceFinalizersRemaining" and c.status == "True"), None)

    assert "example.com/hold in 1 resource instances" in eventually(held).message
    assert core.read_namespace("ending").status.phase == "Terminating"
    status = refused(lambda: core.create_namespaced_config_map("ending", config_map("c", "ending")))
    assert (status["code"], "is being terminated" in status["message"]) == (403, True)
    core.patch_namespaced_config_map("a", "ending", [{"op": "remove", "path": "/metadata/finalizers"}])
    eventually(lambda: "ending" not in {n.metadata.name for n in core.list_namespace().items})


def test_running_pods_stop_gracefully(core: k8s.CoreV1Api, namespace: str) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    core.create_namespaced_pod(namespace, body)
    eventually(lambda: core.read_namespaced_pod("p", namespace).status.phase == "Running")
    marked = core.delete_namespaced_pod("p", namespace)
    assert marked.metadata.deletion_grace_period_seconds == 30
    begun = time.monotonic()
    eventually(lambda: not core.list_namespaced_pod(namespace).items)
    assert time.monotonic() - begun < 5


def test_deleting_a_collection_by_label(core: k8s.CoreV1Api, namespace: str) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        body = config_map(name, namespace)
        body["metadata"]["labels"] = {"tier": tier}
        core.create_namespaced_config_map(namespace, body)
    core.delete_collection_namespaced_config_map(namespace, label_selector="tier=x")
    left = {item.metadata.name for item in core.list_namespaced_config_map(namespace).items}
    assert left == {"c", "kube-root-ca.crt"}
