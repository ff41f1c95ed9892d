"""Create, update, patch and list: what is refused, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kubernetes.client as k8s
import pytest

from tests.rehearsal.kubernetes.support import config_map, deployment, eventually, refused

Change = Callable[[dict[str, Any]], Any]


def _pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"]["template"]["spec"]
    return spec


INVALID: dict[str, tuple[Change, int, str]] = {
    "no containers": (lambda b: _pod(b).update(containers=[]), 422, "spec.template.spec.containers: Required value"),
    "selector": (
        lambda b: b["spec"]["selector"].update(matchLabels={"app": "other"}),
        422,
        "`selector` does not match template `labels`",
    ),
    "no selector": (lambda b: b["spec"].pop("selector"), 422, "spec.selector: Required value"),
    "name": (lambda b: b["metadata"].update(name="Web_1"), 422, "a lowercase RFC 1123 subdomain must consist of"),
    "label": (lambda b: b["metadata"].update(labels={"a": "b c"}), 422, "a valid label must be an empty string"),
    "type": (lambda b: b["spec"].update(replicas="three"), 400, "cannot unmarshal string into Go struct field"),
    "negative": (lambda b: b["spec"].update(replicas=-1), 422, "must be greater than or equal to 0"),
    "policy": (lambda b: _pod(b).update(restartPolicy="Never"), 422, 'supported values: "Always"'),
    "quantity": (
        lambda b: _pod(b)["containers"][0].update(resources={"requests": {"cpu": "a lot"}}),
        400,
        "quantities must match the regular expression",
    ),
    "request over limit": (
        lambda b: _pod(b)["containers"][0].update(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        422,
        "must be less than or equal to cpu limit of 1",
    ),
    "unknown volume": (
        lambda b: _pod(b)["containers"][0].update(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        422,
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ),
    "duplicate container": (
        lambda b: _pod(b)["containers"].append(_pod(b)["containers"][0]),
        422,
        'Duplicate value: "app"',
    ),
    "no image": (lambda b: _pod(b)["containers"][0].pop("image"), 422, "containers[0].image: Required value"),
    "pull policy": (
        lambda b: _pod(b)["containers"][0].update(imagePullPolicy="Sometimes"),
        422,
        'Unsupported value: "Sometimes"',
    ),
    "kind": (lambda b: b.update(kind="DaemonSet"), 400, "cannot be handled as a Deployment"),
    "known version": (
        lambda b: b.update(apiVersion="apps/v1beta1"),
        400,
        "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)",
    ),
    "version": (
        lambda b: b.update(apiVersion="apps/v9"),
        400,
        'no kind "Deployment" is registered for version "apps/v9"',
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_deployments_are_refused(apps: k8s.AppsV1Api, namespace: str, case: str) -> None:
    change, code, text = INVALID[case]
    body = deployment("web", namespace)
    change(body)
    status = refused(lambda: apps.create_namespaced_deployment(namespace, body))
    assert (status["code"], text in status["message"]) == (code, True), status["message"]


@pytest.mark.parametrize(("mode", "accepted"), [("Strict", False), ("Warn", True), ("Ignore", True)])
def test_unknown_fields_follow_field_validation(apps: k8s.AppsV1Api, namespace: str, mode: str, accepted: bool) -> None:
    body = deployment("web", namespace)
    body["spec"]["replicsa"] = 3

    def create() -> Any:
        return apps.create_namespaced_deployment_with_http_info(namespace, body, field_validation=mode)

    if not accepted:
        status = refused(create)
        assert (status["code"], status["reason"]) == (400, "BadRequest")
        assert 'strict decoding error: unknown field "spec.replicsa"' in status["message"]
        return
    headers = create()[2]
    assert (headers.get("Warning") == '299 - "unknown field \\"spec.replicsa\\""') is (mode == "Warn")


def test_absent_things_are_404(core: k8s.CoreV1Api, api: k8s.ApiClient) -> None:
    status = refused(lambda: core.create_namespaced_config_map("nowhere", config_map("a", "nowhere")))
    assert status["message"] == 'namespaces "nowhere" not found'
    assert refused(lambda: core.read_namespaced_pod("x", "default"))["message"] == 'pods "x" not found'
    custom = k8s.CustomObjectsApi(api)
    status = refused(lambda: custom.list_cluster_custom_object("apps", "v1", "things"))
    assert status["message"] == "the server could not find the requested resource"
    with pytest.raises(k8s.ApiException) as caught:
        custom.list_cluster_custom_object("nope.example", "v1", "things")
    assert (caught.value.status, caught.value.body.strip()) == (404, "404 page not found")


def test_create_twice_and_stale_update_conflict(core: k8s.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("a", namespace, x="1"))
    status = refused(lambda: core.create_namespaced_config_map(namespace, config_map("a", namespace)))
    assert status["reason"] == "AlreadyExists"
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "2"}})
    made.data = {"x": "3"}
    status = refused(lambda: core.replace_namespaced_config_map("a", namespace, made))
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "the object has been modified" in status["message"]


def test_immutable_fields(apps: k8s.AppsV1Api, core: k8s.CoreV1Api, api: k8s.ApiClient, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    selector = {
        "spec": {"selector": {"matchLabels": {"more": "x"}}, "template": {"metadata": {"labels": {"more": "x"}}}}
    }
    status = refused(lambda: apps.patch_namespaced_deployment("web", namespace, selector))
    assert "field is immutable" in status["message"]
    stateful = {**deployment("db", namespace), "kind": "StatefulSet"}
    stateful["spec"]["serviceName"] = "db"
    apps.create_namespaced_stateful_set(namespace, stateful)
    status = refused(lambda: apps.patch_namespaced_stateful_set("db", namespace, {"spec": {"serviceName": "other"}}))
    assert "updates to statefulset spec for fields other than" in status["message"]
    service = {"metadata": {"name": "svc"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}
    made = core.create_namespaced_service(namespace, service)
    assert made.spec.cluster_ip.startswith("10.100.")
    assert made.spec.ports[0].target_port == 80
    status = refused(lambda: core.patch_namespaced_service("svc", namespace, {"spec": {"clusterIP": "10.100.9.9"}}))
    assert "may not change once set" in status["message"]
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}}
    status = refused(lambda: k8s.BatchV1Api(api).create_namespaced_job(namespace, job))
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in status["message"]


def test_generation_counts_changes_of_spec_only(apps: k8s.AppsV1Api, namespace: str) -> None:
    made = apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    assert made.metadata.generation == 1
    labelled = apps.patch_namespaced_deployment("web", namespace, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.metadata.generation == 1
    assert apps.patch_namespaced_deployment("web", namespace, {"spec": {"paused": True}}).metadata.generation == 2


def test_patches_of_all_four_kinds(apps: k8s.AppsV1Api, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    env = {"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]}}}}
    strategic = apps.patch_namespaced_deployment("web", namespace, env)
    container = strategic.spec.template.spec.containers[0]
    assert (container.image, container.env[0].value) == ("registry.example/app:1", "1")
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/app:2"}]
    assert (
        apps.patch_namespaced_deployment("web", namespace, patch).spec.template.spec.containers[0].image.endswith(":2")
    )
    failing = [{"op": "test", "path": "/spec/replicas", "value": 99}]
    assert refused(lambda: apps.patch_namespaced_deployment("web", namespace, failing))["code"] == 422
    gone = apps.patch_namespaced_deployment(
        "web", namespace, {"spec": {"template": {"spec": {"containers": [{"name": "app", "env": None}]}}}}
    )
    assert gone.spec.template.spec.containers[0].env is None


SELECTORS = {
    "tier=web": {"a", "b"},
    "tier==web": {"a", "b"},
    "tier!=web": {"c", "d"},
    "tier in (web,db)": {"a", "b", "c"},
    "tier notin (web)": {"c", "d"},
    "canary": {"b"},
    "!canary": {"a", "c", "d"},
    "tier=web,!canary": {"a"},
    "test=yes,tier": {"a", "b", "c"},
}


def test_label_selectors(core: k8s.CoreV1Api, namespace: str) -> None:
    labels = {"a": {"tier": "web"}, "b": {"tier": "web", "canary": "1"}, "c": {"tier": "db"}, "d": {}}
    for name, own in labels.items():
        body = config_map(name, namespace)
        body["metadata"]["labels"] = {**own, "test": "yes"}
        core.create_namespaced_config_map(namespace, body)
    for selector, expected in SELECTORS.items():
        found = core.list_namespaced_config_map(namespace, label_selector=f"test,{selector}").items
        assert {item.metadata.name for item in found} == expected, selector
    assert refused(lambda: core.list_namespaced_config_map(namespace, label_selector="a in b"))["code"] == 400


def test_field_selectors_and_paging(core: k8s.CoreV1Api, namespace: str) -> None:
    for index in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"m{index}", namespace))
    one = core.list_namespaced_config_map(namespace, field_selector="metadata.name=m3").items
    assert [item.metadata.name for item in one] == ["m3"]
    status = refused(lambda: core.list_namespaced_config_map(namespace, field_selector="data.x=1"))
    assert "is not a known field selector" in status["message"]
    names: list[str] = []
    page = core.list_namespaced_config_map(namespace, limit=2)
    while True:
        names += [item.metadata.name for item in page.items]
        if not page.metadata._continue:
            break
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
    # A controller adds kube-root-ca.crt, at once or a moment later.
    assert [name for name in names if name != "kube-root-ca.crt"] == ["m0", "m1", "m2", "m3", "m4"]


def test_secrets_take_string_data_and_refuse_what_is_not_base64(core: k8s.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_secret(namespace, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (made.data, made.string_data, made.type) == ({"a": "Yg=="}, None, "Opaque")
    status = refused(lambda: core.create_namespaced_secret(namespace, {"metadata": {"name": "t"}, "data": {"a": "%"}}))
    assert (status["code"], "illegal base64 data at input byte 0" in status["message"]) == (400, True)


def test_custom_resources_are_served_and_validated(api: k8s.ApiClient, namespace: str) -> None:
    group = f"g{namespace[2:]}.example.com"
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "mode": {"type": "string", "default": "fast"},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    crd = {
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
    k8s.ApiextensionsV1Api(api).create_custom_resource_definition(crd)
    custom = k8s.CustomObjectsApi(api)
    eventually(lambda: custom.list_namespaced_custom_object(group, "v1", namespace, "widgets"))
    body: dict[str, Any] = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"size": 0},
    }

    def create() -> Any:
        return custom.create_namespaced_custom_object(group, "v1", namespace, "widgets", body)

    assert "greater than or equal to 1" in refused(create)["message"]
    body["spec"] = {}
    assert "spec.size: Required value" in refused(create)["message"]
    body["spec"] = {"size": "big"}
    assert refused(create)["code"] == 422
    body["spec"] = {"size": 2, "extra": 1}
    made: Any = create()
    assert made["spec"] == {"size": 2, "mode": "fast"}
    status = custom.patch_namespaced_custom_object_status(
        group, "v1", namespace, "widgets", "w", {"status": {"phase": "Ready"}, "spec": {"size": 9}}
    )
    assert (status["status"], status["spec"]["size"], status["metadata"]["generation"]) == ({"phase": "Ready"}, 2, 1)
    k8s.ApiextensionsV1Api(api).delete_custom_resource_definition(f"widgets.{group}")
