"""Deployments, StatefulSets, DaemonSets, Jobs, CronJobs and their pods."""

from __future__ import annotations

from typing import Any

import kubernetes.client as k8s

from tests.rehearsal.kubernetes.support import Kubectl, deployment, eventually, refused


def stateful_set(name: str, namespace: str, replicas: int = 3, **spec: Any) -> dict[str, Any]:
    body = {**deployment(name, namespace, replicas), "kind": "StatefulSet"}
    body["spec"].update(serviceName=name, **spec)
    return body


def test_a_deployment_rolls_out_and_keeps_its_history(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, kubectl: Kubectl, namespace: str
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=3))
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    status = apps.read_namespaced_deployment("web", namespace).status
    assert (status.ready_replicas, status.updated_replicas, status.observed_generation) == (3, 3, 1)
    image = [{"name": "app", "image": "registry.example/app:2"}]
    apps.patch_namespaced_deployment("web", namespace, {"spec": {"template": {"spec": {"containers": image}}}})
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    sets = apps.list_namespaced_replica_set(namespace).items
    revisions = {s.metadata.annotations["deployment.kubernetes.io/revision"]: s.spec.replicas for s in sets}
    assert revisions == {"1": 0, "2": 3}
    pods = eventually(lambda: len(p := core.list_namespaced_pod(namespace).items) == 3 and p)
    assert {pod.spec.containers[0].image for pod in pods} == {"registry.example/app:2"}
    kubectl("rollout", "undo", "deploy/web", "-n", namespace)
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    assert "3" in kubectl("rollout", "history", "deploy/web", "-n", namespace).out


def test_a_rollout_that_cannot_progress_says_so_and_keeps_the_old_pods(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, kubectl: Kubectl, namespace: str
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=2))
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    image = [{"name": "app", "image": "registry.example/app:does-not-exist"}]
    apps.patch_namespaced_deployment("web", namespace, {"spec": {"template": {"spec": {"containers": image}}}})
    waiting = eventually(lambda: _waiting(core, namespace))
    assert waiting in ("ErrImagePull", "ImagePullBackOff")
    done = kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s", ok=False)
    assert "exceeded its progress deadline" in done.err
    assert apps.read_namespaced_deployment("web", namespace).status.available_replicas == 2


def _waiting(core: k8s.CoreV1Api, namespace: str) -> str:
    for pod in core.list_namespaced_pod(namespace).items:
        for status in pod.status.container_statuses or []:
            if status.state.waiting and "Pull" in status.state.waiting.reason:
                return str(status.state.waiting.reason)
    return ""


def test_a_stateful_set_starts_in_order_with_its_own_claims(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str
) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "gp2",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    body = stateful_set("db", namespace, volumeClaimTemplates=[claim])
    apps.create_namespaced_stateful_set(namespace, body)
    eventually(lambda: apps.read_namespaced_stateful_set("db", namespace).status.ready_replicas == 3, 30)
    pods = {pod.metadata.name: pod for pod in core.list_namespaced_pod(namespace).items}
    assert set(pods) == {"db-0", "db-1", "db-2"}
    assert pods["db-2"].metadata.labels["apps.kubernetes.io/pod-index"] == "2"
    versions = [int(pods[f"db-{i}"].metadata.creation_timestamp.timestamp()) for i in range(3)]
    assert versions == sorted(versions)
    claims = core.list_namespaced_persistent_volume_claim(namespace).items
    assert {(c.metadata.name, c.status.phase) for c in claims} == {(f"data-db-{i}", "Bound") for i in range(3)}
    uid = pods["db-1"].metadata.uid
    core.delete_namespaced_pod("db-1", namespace)
    again = eventually(lambda: (p := core.read_namespaced_pod("db-1", namespace)).metadata.uid != uid and p)
    assert again.spec.volumes[0].persistent_volume_claim.claim_name == "data-db-1"
    apps.delete_namespaced_stateful_set("db", namespace)
    eventually(lambda: not core.list_namespaced_pod(namespace).items)
    assert len(core.list_namespaced_persistent_volume_claim(namespace).items) == 3


def test_a_partition_holds_back_a_rolling_update(apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    body = stateful_set("db", namespace, podManagementPolicy="Parallel", updateStrategy=strategy)
    apps.create_namespaced_stateful_set(namespace, body)
    eventually(lambda: apps.read_namespaced_stateful_set("db", namespace).status.ready_replicas == 3)
    image = [{"name": "app", "image": "registry.example/app:2"}]
    apps.patch_namespaced_stateful_set("db", namespace, {"spec": {"template": {"spec": {"containers": image}}}})

    def images() -> dict[str, str]:
        pods = core.list_namespaced_pod(namespace).items
        return {p.metadata.name: p.spec.containers[0].image[-1] for p in pods}

    eventually(lambda: images() == {"db-0": "1", "db-1": "1", "db-2": "2"})
    status = eventually(
        lambda: (s := apps.read_namespaced_stateful_set("db", namespace).status).ready_replicas == 3 and s
    )
    assert status.current_revision != status.update_revision
    apps.patch_namespaced_stateful_set(
        "db", namespace, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
    )
    eventually(lambda: images() == {"db-0": "2", "db-1": "2", "db-2": "2"})


def test_a_daemon_set_covers_every_node(apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str) -> None:
    body = {**deployment("agent", namespace), "kind": "DaemonSet"}
    del body["spec"]["replicas"]
    apps.create_namespaced_daemon_set(namespace, body)
    nodes = {node.metadata.name for node in core.list_node().items}
    status = eventually(lambda: (s := apps.read_namespaced_daemon_set("agent", namespace).status).number_ready and s)
    assert status.desired_number_scheduled == len(nodes)
    pods = eventually(lambda: len(p := core.list_namespaced_pod(namespace).items) == len(nodes) and p)
    assert {pod.spec.node_name for pod in pods} == nodes


def job(image: str = "registry.example/job:1", **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "job", "image": image}]}
    return {"metadata": {"name": "job"}, "spec": {"template": {"spec": pod}, **spec}}


def test_a_job_completes_and_its_log_says_that_nothing_ran(
    api: k8s.ApiClient, core: k8s.CoreV1Api, namespace: str
) -> None:
    batch = k8s.BatchV1Api(api)
    batch.create_namespaced_job(namespace, job(completions=2, parallelism=1))
    status = eventually(lambda: (s := batch.read_namespaced_job("job", namespace).status).completion_time and s)
    assert status.succeeded == 2
    assert {c.type for c in status.conditions if c.status == "True"} == {"SuccessCriteriaMet", "Complete"}
    pod = core.list_namespaced_pod(namespace, label_selector="job-name=job").items[0]
    log = core.read_namespaced_pod_log(pod.metadata.name, namespace, _preload_content=False).data
    assert log == b"rehearsal: image registry.example/job:1 is not run here; completion is simulated\n"


def test_a_job_that_keeps_failing_stops_at_its_limit(api: k8s.ApiClient, namespace: str) -> None:
    batch = k8s.BatchV1Api(api)
    body = job("registry.k8s.io/kubectl:v1.36.0", backoffLimit=1)
    body["spec"]["template"]["spec"]["containers"][0]["args"] = ["no-such-command"]
    batch.create_namespaced_job(namespace, body)
    failed = eventually(
        lambda: [c for c in batch.read_namespaced_job("job", namespace).status.conditions or [] if c.type == "Failed"],
        40,
    )
    assert failed[0].reason == "BackoffLimitExceeded"
    assert batch.read_namespaced_job("job", namespace).status.failed == 2


def test_a_cron_job_checks_its_schedule(api: k8s.ApiClient, namespace: str) -> None:
    batch = k8s.BatchV1Api(api)
    template = {"spec": job()["spec"]}
    body = {"metadata": {"name": "nightly"}, "spec": {"schedule": "every night", "jobTemplate": template}}
    assert "spec.schedule" in refused(lambda: batch.create_namespaced_cron_job(namespace, body))["message"]
    body["spec"] = {"schedule": "0 3 * * *", "timeZone": "Europe/Vienna", "jobTemplate": template}
    made = batch.create_namespaced_cron_job(namespace, body)
    assert (made.spec.concurrency_policy, made.spec.suspend) == ("Allow", False)


def test_missing_configuration_holds_a_pod_until_it_appears(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, namespace: str
) -> None:
    body = deployment("web", namespace, volumes=[{"name": "c", "configMap": {"name": "late"}}])
    reference = {"secretKeyRef": {"name": "late", "key": "password"}}
    body["spec"]["template"]["spec"]["containers"][0].update(
        env=[{"name": "P", "valueFrom": reference}], volumeMounts=[{"name": "c", "mountPath": "/c"}]
    )
    apps.create_namespaced_deployment(namespace, body)
    event = eventually(lambda: core.list_namespaced_event(namespace, field_selector="reason=FailedMount").items)[0]
    assert event.message == 'MountVolume.SetUp failed for volume "c" : configmap "late" not found'
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "late"}})
    eventually(lambda: core.list_namespaced_event(namespace, field_selector="reason=Failed").items)
    pod = core.list_namespaced_pod(namespace).items[0]
    assert pod.status.container_statuses[0].state.waiting.reason == "CreateContainerConfigError"
    core.create_namespaced_secret(namespace, {"metadata": {"name": "late"}, "stringData": {"password": "x"}})
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 1)


def test_services_get_endpoints_of_ready_pods(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, api: k8s.ApiClient, namespace: str
) -> None:
    service = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    core.create_namespaced_service(namespace, service)
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=2))

    def addresses() -> set[str]:
        subsets = core.read_namespaced_endpoints("web", namespace).subsets or []
        return {a.ip for s in subsets for a in s.addresses or []}

    eventually(lambda: len(addresses()) == 2)
    slices = k8s.DiscoveryV1Api(api).list_namespaced_endpoint_slice(
        namespace, label_selector="kubernetes.io/service-name=web"
    )
    assert [p.port for p in slices.items[0].ports] == [8080]
    assert {a for e in slices.items[0].endpoints for a in e.addresses} == addresses()


def test_a_load_balancer_waits_for_its_controller(core: k8s.CoreV1Api, namespace: str) -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    made = core.create_namespaced_service(namespace, {"metadata": {"name": "web"}, "spec": spec})
    assert made.spec.ports[0].node_port >= 30000
    assert core.read_namespaced_service("web", namespace).status.load_balancer.ingress is None


def test_a_budget_decides_over_evictions(
    apps: k8s.AppsV1Api, core: k8s.CoreV1Api, api: k8s.ApiClient, namespace: str
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=2))
    budget = {"metadata": {"name": "web"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    policy = k8s.PolicyV1Api(api)
    policy.create_namespaced_pod_disruption_budget(namespace, budget)
    eventually(lambda: policy.read_namespaced_pod_disruption_budget("web", namespace).status.disruptions_allowed == 1)
    policy.patch_namespaced_pod_disruption_budget("web", namespace, {"spec": {"maxUnavailable": 0}})
    eventually(lambda: policy.read_namespaced_pod_disruption_budget("web", namespace).status.disruptions_allowed == 0)
    name = core.list_namespaced_pod(namespace).items[0].metadata.name
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    status = refused(lambda: core.create_namespaced_pod_eviction(name, namespace, eviction))
    assert (status["code"], status["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
    policy.patch_namespaced_pod_disruption_budget("web", namespace, {"spec": {"maxUnavailable": 1}})
    eventually(lambda: policy.read_namespaced_pod_disruption_budget("web", namespace).status.disruptions_allowed == 1)
    core.create_namespaced_pod_eviction(name, namespace, eviction)


def test_scale_subresource_and_autoscaler_bounds(apps: k8s.AppsV1Api, api: k8s.ApiClient, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    scale = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    k8s.AutoscalingV2Api(api).create_namespaced_horizontal_pod_autoscaler(
        namespace, {"metadata": {"name": "web"}, "spec": spec}
    )
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).spec.replicas == 3)
