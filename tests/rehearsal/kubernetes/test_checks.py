"""Check pods, kubectl pods, and logs: nothing is shown as passed that did not run."""

from __future__ import annotations

from typing import Any

import kubernetes.client as k8s

from tests.rehearsal.kubernetes.support import config_map, eventually, refused

KUBECTL = "registry.k8s.io/kubectl:v1.36.0"


def check_pod(image: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "base", "image": image, "terminationMessagePolicy": "FallbackToLogsOnError", **spec}
    return {
        "metadata": {"name": "check", "labels": {"slipway.dev/role": "check"}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def ended(core: k8s.CoreV1Api, namespace: str, name: str = "check") -> Any:
    pod = eventually(
        lambda: (p := core.read_namespaced_pod(name, namespace)).status.phase in ("Succeeded", "Failed") and p
    )
    return pod.status.container_statuses[0].state.terminated


def log(core: k8s.CoreV1Api, namespace: str, name: str = "check", **query: Any) -> str:
    answer = core.read_namespaced_pod_log(name, namespace, _preload_content=False, **query)
    return str(answer.data.decode())


def test_a_check_that_cannot_run_here_ends_with_100_and_says_so(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, check_pod("apache/kafka:4.1.0", command=["sh", "/checks/round-trip.sh"]))
    state = ended(core, namespace)
    line = "rehearsal: image apache/kafka:4.1.0 is not run here; this check was not performed"
    assert (state.exit_code, state.message) == (100, line)
    assert core.read_namespaced_pod("check", namespace).status.phase == "Failed"
    assert log(core, namespace) == line + "\n"


def test_a_check_with_an_init_container_is_not_performed_either(core: k8s.CoreV1Api, namespace: str) -> None:
    body = check_pod("registry.example/main:1")
    body["spec"]["initContainers"] = [{"name": "prepare", "image": "registry.example/prepare:1"}]
    core.create_namespaced_pod(namespace, body)
    pod = eventually(lambda: (p := core.read_namespaced_pod("check", namespace)).status.phase == "Failed" and p)
    assert pod.status.init_container_statuses[0].state.terminated.exit_code == 100
    assert pod.status.container_statuses[0].state.terminated is None


def test_a_bare_pod_that_should_end_is_not_simulated_to_success(core: k8s.CoreV1Api, namespace: str) -> None:
    body = check_pod("registry.example/tool:1")
    del body["metadata"]["labels"]
    core.create_namespaced_pod(namespace, body)
    assert ended(core, namespace).exit_code == 100


def test_kubectl_is_run_with_the_rights_of_its_service_account(
    core: k8s.CoreV1Api, api: k8s.ApiClient, namespace: str
) -> None:
    core.create_namespaced_config_map(namespace, config_map("greeting", namespace, text="hello"))
    command = ["kubectl", "get", "configmap", "greeting", "-o", "jsonpath={.data.text}"]
    core.create_namespaced_pod(namespace, check_pod(KUBECTL, command=command))
    state = ended(core, namespace)
    assert state.exit_code == 1
    assert f'User "system:serviceaccount:{namespace}:default" cannot get resource "configmaps"' in state.message
    core.delete_namespaced_pod("check", namespace)
    rbac = k8s.RbacAuthorizationV1Api(api)
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["greeting"]}
    rbac.create_namespaced_role(namespace, {"metadata": {"name": "reader"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }
    rbac.create_namespaced_role_binding(namespace, binding)
    body = check_pod(KUBECTL, args=["get", "cm/greeting", "-o", 'go-template={{.data.text}} {{"$(WHO)"}}'])
    body["spec"]["containers"][0]["env"] = [{"name": "WHO", "value": "world"}]
    body["metadata"]["name"] = "again"
    core.create_namespaced_pod(namespace, body)
    assert ended(core, namespace, "again").exit_code == 0
    assert log(core, namespace, "again") == "hello world\n"


def test_only_kubectl_itself_is_run_of_its_image(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, check_pod(KUBECTL, command=["sh", "-c", "kubectl get pods"]))
    assert ended(core, namespace).exit_code == 100
    assert "sh is not in the image" in log(core, namespace)


def test_without_a_token_kubectl_knows_no_cluster(core: k8s.CoreV1Api, namespace: str) -> None:
    body = check_pod(KUBECTL, args=["get", "pods", "--request-timeout=5s"])
    body["spec"]["automountServiceAccountToken"] = False
    core.create_namespaced_pod(namespace, body)
    assert ended(core, namespace).exit_code == 1


def test_a_deadline_ends_a_pod(core: k8s.CoreV1Api, namespace: str) -> None:
    body = check_pod(KUBECTL, args=["wait", "--for=delete", "ns/default", "--timeout=60s"])
    body["spec"].update(activeDeadlineSeconds=1, serviceAccountName="default")
    core.create_namespaced_pod(namespace, body)
    eventually(lambda: core.read_namespaced_pod("check", namespace).status.phase == "Failed")


def test_logs_by_tail_time_and_following(core: k8s.CoreV1Api, namespace: str) -> None:
    body = check_pod(KUBECTL, args=["version", "--client", "--output=yaml"])
    core.create_namespaced_pod(namespace, body)
    followed = eventually(lambda: log(core, namespace, follow=True, timestamps=True))
    lines = followed.splitlines()
    assert len(lines) > 3
    assert lines[0].split(" ")[0].endswith("Z")
    assert log(core, namespace, tail_lines=1) == lines[-1].split(" ", 1)[1] + "\n"
    assert log(core, namespace, since_seconds=3600).count("\n") == len(lines)
    status = refused(lambda: core.read_namespaced_pod_log("check", namespace, container="nope"))
    assert "container nope is not valid for pod check" in status["message"]
    status = refused(lambda: core.read_namespaced_pod_log("check", namespace, previous=True))
    assert "previous terminated container" in status["message"]


def test_streams_into_containers_are_refused_clearly(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, check_pod(KUBECTL, args=["version"]))
    status = refused(lambda: core.connect_post_namespaced_pod_portforward("check", namespace))
    assert (status["code"], "not offered by the rehearsal" in status["message"]) == (501, True)
