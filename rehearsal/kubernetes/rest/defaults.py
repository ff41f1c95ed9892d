"""Defaulting: the table ``data/defaults.yaml``, and the defaults that depend on other fields."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml

from rehearsal.kubernetes.objects import Obj, clone, dig
from rehearsal.kubernetes.resources import DATA, Resource
from rehearsal.kubernetes.schema import Node


@lru_cache(maxsize=1)
def _table() -> dict[str, Obj]:
    loaded: dict[str, Obj] = yaml.safe_load((DATA / "defaults.yaml").read_text())
    return loaded


def apply_defaults(resource: Resource, obj: Obj) -> None:
    """Fill in, in place, what a kube-apiserver would."""
    if hook := _BEFORE.get(resource.id):
        hook(obj)
    _walk(resource.node, obj)


def _walk(node: Node, value: Any) -> None:
    if isinstance(value, list):
        if node.element.kind in ("struct", "list", "map"):
            for item in value:
                _walk(node.element, item)
        return
    if not isinstance(value, dict) or node.kind not in ("struct", "map"):
        return
    if hook := _DEPENDENT.get(node.definition):
        hook(value)
    for field, default in _table().get(node.definition, {}).items():
        if field not in value:
            value[field] = clone(default)
    if node.custom:
        _custom_defaults(node, value)
    for key, item in value.items():
        if isinstance(item, (dict, list)) and key != "metadata":
            child = node.child(key)
            if child is not None:
                _walk(child, item)


def _custom_defaults(node: Node, value: Obj) -> None:
    for name, field in node.fields.items():
        if "default" in field.raw and name not in value:
            value[name] = clone(field.raw["default"])


def _container(container: Obj) -> None:
    if "imagePullPolicy" not in container:
        image = str(container.get("image", "")).split("@")[0]
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        latest = tag in ("", "latest") and "@" not in str(container.get("image", ""))
        container["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    limits = dig(container, "resources", "limits", default={})
    if limits:
        requests = container["resources"].setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _pod_spec(spec: Obj) -> None:
    if "serviceAccount" in spec:
        spec.setdefault("serviceAccountName", spec["serviceAccount"])
    elif spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or []:
            for port in container.get("ports") or []:
                port.setdefault("hostPort", port.get("containerPort"))


def _volume(volume: Obj) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _service_spec(spec: Obj) -> None:
    for port in spec.get("ports") or []:
        if spec.get("clusterIP") != "None" or "targetPort" not in port:
            port.setdefault("targetPort", port.get("port"))
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec.get("type") == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _rolling(details: bool = True) -> Callable[[Obj], None]:
    def fill(strategy: Obj) -> None:
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate" and details:
            strategy.setdefault("rollingUpdate", {})

    return fill


def _job_spec(spec: Obj) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)


def _network_policy_spec(spec: Obj) -> None:
    spec.setdefault("podSelector", {})
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _subject(subject: Obj) -> None:
    if "apiGroup" not in subject and subject.get("kind") in ("User", "Group"):
        subject["apiGroup"] = "rbac.authorization.k8s.io"


def _hpa_spec(spec: Obj) -> None:
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _crd_spec(spec: Obj) -> None:
    names = spec.get("names") or {}
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    names.setdefault("singular", str(names.get("kind", "")).lower())


def _secret(secret: Obj) -> None:
    """``stringData`` is write-only: it becomes ``data``."""
    for key, text in (secret.pop("stringData", None) or {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()


def _namespace(namespace: Obj) -> None:
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")
    labels = namespace["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = namespace["metadata"].get("name", "")


def _workload(obj: Obj) -> None:
    template = dig(obj, "spec", "template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})


_BEFORE: dict[str, Callable[[Obj], None]] = {
    "secrets": _secret,
    "namespaces": _namespace,
    "deployments.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
}
_DEPENDENT: dict[str, Callable[[Obj], None]] = {
    "io.k8s.api.core.v1.Container": _container,
    "io.k8s.api.core.v1.PodSpec": _pod_spec,
    "io.k8s.api.core.v1.Volume": _volume,
    "io.k8s.api.core.v1.ServiceSpec": _service_spec,
    "io.k8s.api.apps.v1.DeploymentStrategy": _rolling(),
    "io.k8s.api.apps.v1.StatefulSetUpdateStrategy": _rolling(),
    "io.k8s.api.apps.v1.DaemonSetUpdateStrategy": _rolling(),
    "io.k8s.api.batch.v1.JobSpec": _job_spec,
    "io.k8s.api.networking.v1.NetworkPolicySpec": _network_policy_spec,
    "io.k8s.api.rbac.v1.Subject": _subject,
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec": _hpa_spec,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec": _crd_spec,
}
