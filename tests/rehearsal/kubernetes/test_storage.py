"""Claims and volumes: provisioning by the EBS driver, and what happens without it."""

from __future__ import annotations

from typing import Any

import kubernetes.client as k8s

from tests.rehearsal.kubernetes.support import ClusterUnderTest, Process, deployment, eventually, refused


def claim(name: str, storage_class: str | None = "gp2", size: str = "1Gi") -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {"metadata": {"name": name}, "spec": spec}


def consumer(name: str, claim_name: str) -> dict[str, Any]:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}
    return {"metadata": {"name": name}, "spec": {"volumes": [volume], "containers": [{"name": "a", "image": "a:1"}]}}


def phase(core: k8s.CoreV1Api, name: str, namespace: str) -> str:
    return str(core.read_namespaced_persistent_volume_claim(name, namespace).status.phase)


def reasons(core: k8s.CoreV1Api, name: str, namespace: str) -> set[str]:
    events = core.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
    return {event.reason for event in events}


def test_a_volume_is_made_in_the_zone_of_its_first_consumer(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_persistent_volume_claim(namespace, claim("data"))
    eventually(lambda: "WaitForFirstConsumer" in reasons(core, "data", namespace))
    assert phase(core, "data", namespace) == "Pending"
    core.create_namespaced_pod(namespace, consumer("p", "data"))
    eventually(lambda: phase(core, "data", namespace) == "Bound")
    pod = eventually(lambda: (p := core.read_namespaced_pod("p", namespace)).status.phase == "Running" and p)
    volume = core.read_persistent_volume(
        core.read_namespaced_persistent_volume_claim("data", namespace).spec.volume_name
    )
    assert volume.spec.csi.driver == "ebs.csi.aws.com"
    zone = core.read_node(pod.spec.node_name).metadata.labels["topology.kubernetes.io/zone"]
    term = volume.spec.node_affinity.required.node_selector_terms[0].match_expressions[0]
    assert term.values == [zone]
    core.delete_namespaced_persistent_volume_claim("data", namespace)
    assert core.read_namespaced_persistent_volume_claim("data", namespace).metadata.deletion_timestamp
    core.delete_namespaced_pod("p", namespace)
    eventually(lambda: not core.list_namespaced_persistent_volume_claim(namespace).items)
    eventually(lambda: volume.metadata.name not in {v.metadata.name for v in core.list_persistent_volume().items})


def test_claims_without_a_class_or_with_an_unknown_one_stay_pending(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_persistent_volume_claim(namespace, claim("none", None))
    core.create_namespaced_persistent_volume_claim(namespace, claim("unknown", "fast"))
    eventually(lambda: "FailedBinding" in reasons(core, "none", namespace))
    eventually(lambda: "ProvisioningFailed" in reasons(core, "unknown", namespace))
    assert {phase(core, name, namespace) for name in ("none", "unknown")} == {"Pending"}


def test_a_claim_does_not_change_but_in_size(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_persistent_volume_claim(namespace, claim("data"))
    change = {"spec": {"accessModes": ["ReadWriteMany"]}}
    status = refused(lambda: core.patch_namespaced_persistent_volume_claim("data", namespace, change))
    assert "spec is immutable after creation" in status["message"]
    smaller = {"spec": {"resources": {"requests": {"storage": "1Mi"}}}}
    status = refused(lambda: core.patch_namespaced_persistent_volume_claim("data", namespace, smaller))
    assert "field can not be less than" in status["message"]


def test_without_the_driver_nothing_is_provisioned(process: Process) -> None:
    cluster = ClusterUnderTest(process, "driverless")
    cluster.node_group("primary", 1)
    with cluster.client(cluster.admin_token()) as client:
        core = k8s.CoreV1Api(client)
        eventually(lambda: core.read_namespaced_service_account("default", "default"))
        core.create_namespaced_persistent_volume_claim("default", claim("data"))
        core.create_namespaced_pod("default", consumer("p", "data"))
        eventually(lambda: "ExternalProvisioning" in reasons(core, "data", "default"))
        assert phase(core, "data", "default") == "Pending"
        # The node the volume was meant for goes; its zone must not decide where the volume is made.
        cluster.node_group("primary", 1, zones=["us-east-1b"], instanceType="t3.large")
        core.create_namespaced_persistent_volume_claim("default", claim("early", None))
        eventually(lambda: "FailedBinding" in reasons(core, "early", "default"))
        cluster.add_on("aws-ebs-csi-driver")
        eventually(lambda: core.read_namespaced_pod("p", "default").status.phase == "Running", 20)
        [volume] = core.list_persistent_volume().items
        term = volume.spec.node_affinity.required.node_selector_terms[0].match_expressions[0]
        assert term.values == ["us-east-1b"]
        annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
        default = {"metadata": {"name": "late", "annotations": annotations}, "provisioner": "ebs.csi.aws.com"}
        k8s.StorageV1Api(client).create_storage_class(default)
        eventually(lambda: phase(core, "early", "default") == "Bound")
        early = core.read_namespaced_persistent_volume_claim("early", "default")
        assert early.spec.storage_class_name == "late"
    process.call("DELETE", cluster.path, expect=204)


def test_a_disk_is_attached_to_one_node_at_a_time(core: k8s.CoreV1Api, namespace: str) -> None:
    zones: dict[str, list[str]] = {}
    for node in core.list_node().items:
        zones.setdefault(node.metadata.labels["topology.kubernetes.io/zone"], []).append(node.metadata.name)
    first, second = next(names for names in zones.values() if len(names) > 1)[:2]
    core.create_namespaced_persistent_volume_claim(namespace, claim("data"))
    for name, node in (("old", first), ("new", second)):
        body = consumer(name, "data")
        body["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        core.create_namespaced_pod(namespace, body)
        if name == "old":
            eventually(lambda: core.read_namespaced_pod("old", namespace).status.phase == "Running")
    eventually(lambda: "FailedAttachVolume" in reasons(core, "new", namespace))
    assert core.read_namespaced_pod("new", namespace).status.phase == "Pending"
    core.delete_namespaced_pod("old", namespace)
    eventually(lambda: core.read_namespaced_pod("new", namespace).status.phase == "Running")


def test_pods_whose_volumes_are_made_at_once_still_spread(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str
) -> None:
    """A pod holds its place while its volume is made, or all would choose the same zone."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "db"}},
    }
    body = {**deployment("db", namespace, 3, topologySpreadConstraints=[constraint]), "kind": "StatefulSet"}
    body["spec"].update(serviceName="db", podManagementPolicy="Parallel", volumeClaimTemplates=[claim("data")])
    apps.create_namespaced_stateful_set(namespace, body)
    eventually(lambda: apps.read_namespaced_stateful_set("db", namespace).status.ready_replicas == 3, 30)
    assert len({pod.spec.node_name for pod in core.list_namespaced_pod(namespace).items}) == 3
