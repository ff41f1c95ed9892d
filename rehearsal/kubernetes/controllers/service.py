"""Services: their endpoints, and load balancers where a controller for them is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.controllers.pods import is_active, is_ready
from rehearsal.kubernetes.objects import (
    Obj,
    clone,
    containers_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from rehearsal.kubernetes.store import Event

_SLICES = "endpointslices.discovery.k8s.io"
_ZONE = "topology.kubernetes.io/zone"
_CONTROLLER = "aws-load-balancer-controller"


class Services(Controller):
    """Keeps Endpoints and one EndpointSlice per service."""

    resource = "services"
    watches = ("pods", "deployments.apps")

    def affected(self, event: Event) -> Iterable[Name]:
        """Services that select a pod now or did before."""
        if event.resource == self.resource:
            return super().affected(event)
        if event.resource == "deployments.apps":
            return self._load_balancers(event)
        namespace = namespace_of(event.obj)
        if (
            event.old is not None
            and event.type == "MODIFIED"
            and _endpoint_state(event.old) == _endpoint_state(event.obj)
        ):
            return []
        sets = [labels_of(obj) for obj in (event.obj, event.old) if obj is not None]
        return [
            (namespace, name_of(service))
            for service in self.store.objects(self.resource, namespace)
            if (selector := dig(service, "spec", "selector", default={}))
            and any(selector.items() <= labels.items() for labels in sets)
        ]

    def _load_balancers(self, event: Event) -> list[Name]:
        if labels_of(event.obj).get("app.kubernetes.io/name") != _CONTROLLER:
            return []
        return [
            (namespace_of(s), name_of(s))
            for s in self.store.scan(self.resource)
            if dig(s, "spec", "type") == "LoadBalancer"
        ]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write endpoints and the load balancer's address."""
        service = self.store.get(self.resource, namespace, name)
        if service is None:
            if (endpoints := self.store.get("endpoints", namespace, name)) is not None:
                self.delete("endpoints", endpoints)
            return None
        if is_deleting(service):
            return None
        self._balance(service)
        selector = dig(service, "spec", "selector", default={})
        if not selector or dig(service, "spec", "type") == "ExternalName":
            return None
        pods = [
            pod
            for pod in self.store.objects("pods", namespace)
            if selector.items() <= labels_of(pod).items() and is_active(pod) and dig(pod, "status", "podIP")
        ]
        self._write_endpoints(service, pods)
        self._write_slice(service, pods)
        return None

    def _write_endpoints(self, service: Obj, pods: list[Obj]) -> None:
        everybody = dig(service, "spec", "publishNotReadyAddresses", default=False)
        ready = [_address(pod) for pod in pods if is_ready(pod) or everybody]
        waiting = [_address(pod) for pod in pods if not is_ready(pod) and not everybody]
        subset: Obj = {"ports": _ports(service, pods)}
        if ready:
            subset["addresses"] = ready
        if waiting:
            subset["notReadyAddresses"] = waiting
        body: Obj = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": name_of(service),
                "namespace": namespace_of(service),
                "labels": {**labels_of(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"},
            },
        }
        if ready or waiting:
            body["subsets"] = [subset]
        self._write("endpoints", body, ("subsets",))

    def _write_slice(self, service: Obj, pods: list[Obj]) -> None:
        name = f"{name_of(service)}-{hashlib.sha256(uid_of(service).encode()).hexdigest()[:5]}"
        labels = {
            **labels_of(service),
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": name_of(service),
        }
        body: Obj = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": namespace_of(service),
                "labels": labels,
                "ownerReferences": [owner_reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": [self._endpoint(pod) for pod in pods],
            "ports": _ports(service, pods),
        }
        self._write(_SLICES, body, ("endpoints", "ports"))

    def _endpoint(self, pod: Obj) -> Obj:
        ready = is_ready(pod)
        node = self.store.get("nodes", "", dig(pod, "spec", "nodeName", default=""))
        entry: Obj = {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready, "serving": ready, "terminating": is_deleting(pod)},
            "nodeName": dig(pod, "spec", "nodeName"),
            "targetRef": _reference(pod),
        }
        if node is not None and (zone := labels_of(node).get(_ZONE)):
            entry["zone"] = zone
        return entry

    def _write(self, resource_id: str, body: Obj, fields: tuple[str, ...]) -> None:
        current = self.store.get(resource_id, namespace_of(body), name_of(body))
        if current is None:
            self.create(resource_id, body)
        elif any(current.get(field) != body.get(field) for field in fields):
            changed: dict[str, Any] = {k: v for k, v in clone(current).items() if k not in fields}
            self.store.put(resource_id, {**changed, **{k: body[k] for k in fields if k in body}})

    def _balance(self, service: Obj) -> None:
        """An address from the AWS Load Balancer Controller, where its Deployment is ready."""
        spec = service["spec"]
        if spec.get("type") != "LoadBalancer":
            if dig(service, "status", "loadBalancer", "ingress"):
                self.set_status(service, {"loadBalancer": {}})
            return
        if dig(service, "status", "loadBalancer", "ingress") or not self._controller_ready():
            return
        digest = hashlib.sha256(uid_of(service).encode()).hexdigest()
        prefix = f"k8s-{namespace_of(service)[:8]}-{name_of(service)[:8]}-{digest[:10]}"
        host = f"{prefix}-{digest[10:26]}.elb.{self.cluster.region}.amazonaws.com"
        self.set_status(service, {"loadBalancer": {"ingress": [{"hostname": host}]}})
        self.record(service, "Normal", "SuccessfullyReconciled", "Successfully reconciled")

    def _controller_ready(self) -> bool:
        return any(
            labels_of(d).get("app.kubernetes.io/name") == _CONTROLLER
            and dig(d, "status", "availableReplicas", default=0)
            for d in self.store.scan("deployments.apps")
        )


def _endpoint_state(pod: Obj) -> tuple[object, ...]:
    return labels_of(pod), dig(pod, "status", "podIP"), is_ready(pod), is_active(pod)


def _reference(pod: Obj) -> Obj:
    return {"kind": "Pod", "name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}


def _address(pod: Obj) -> Obj:
    return {"ip": pod["status"]["podIP"], "nodeName": dig(pod, "spec", "nodeName"), "targetRef": _reference(pod)}


def _ports(service: Obj, pods: list[Obj]) -> list[Obj]:
    result = []
    for port in dig(service, "spec", "ports", default=[]):
        number = _target(port.get("targetPort", port["port"]), pods)
        if number is None:
            continue
        entry = {"port": number, "protocol": port.get("protocol", "TCP")}
        if port.get("name"):
            entry["name"] = port["name"]
        result.append(entry)
    return result


def _target(target: Any, pods: list[Obj]) -> int | None:
    """The number of a target port; named ones are looked up in the pods."""
    if isinstance(target, int):
        return target
    for pod in pods:
        for _, _, container in containers_of(pod["spec"]):
            for port in container.get("ports") or []:
                if port.get("name") == target:
                    return int(port["containerPort"])
    return int(target) if str(target).isdigit() else None
