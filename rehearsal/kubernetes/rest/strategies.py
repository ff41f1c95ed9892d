"""What some kinds need done to their objects before they are stored."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from rehearsal.kubernetes.errors import bad_value, invalid
from rehearsal.kubernetes.objects import Obj, clone, containers_of, dig, name_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.store import Store

SERVICE_NETWORK = ipaddress.ip_network("10.100.0.0/16")
NODE_PORTS = range(30000, 32768)
_GENERATION_GROUPS = frozenset({
    "apps", "batch", "networking.k8s.io", "policy", "apiextensions.k8s.io", "admissionregistration.k8s.io",
})  # fmt: skip


def has_generation(resource: Resource) -> bool:
    """Whether ``metadata.generation`` counts changes of the desired state."""
    return resource.custom or resource.id == "pods" or resource.group in _GENERATION_GROUPS


class Strategies:
    """Preparation by resource id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._create: dict[str, Callable[[Obj], None]] = {
            "pods": self._pod,
            "services": self._service,
            "persistentvolumeclaims": self._claim,
            "jobs.batch": self._job,
        }
        self._update: dict[str, Callable[[Obj, Obj], None]] = {"services": self._service_update}

    def prepare_create(self, resource: Resource, obj: Obj, trusted: bool) -> None:
        """Reset what clients may not set, allocate what the server gives out."""
        if resource.has_status and resource.id != "namespaces" and not (trusted and resource.id == "nodes"):
            obj.pop("status", None)
        if hook := self._create.get(resource.id):
            hook(obj)
        if resource.has_status and not resource.custom:
            obj["status"] = {**_zeroes(resource), **(obj.get("status") or {})}

    def prepare_update(self, resource: Resource, obj: Obj, old: Obj, subresource: str) -> None:
        """The same for updates."""
        hook = self._update.get(resource.id)
        if hook is not None and not subresource:
            hook(obj, old)

    def _pod(self, pod: Obj) -> None:
        pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod["spec"])}

    def _claim(self, claim: Obj) -> None:
        claim["status"] = {"phase": "Pending"}
        finalizers = claim["metadata"].setdefault("finalizers", [])
        if "kubernetes.io/pvc-protection" not in finalizers:
            finalizers.append("kubernetes.io/pvc-protection")

    def _job(self, job: Obj) -> None:
        spec = job["spec"]
        if spec.get("manualSelector"):
            return
        uid = job["metadata"]["uid"]
        names = {"controller-uid": uid, "batch.kubernetes.io/controller-uid": uid,
                 "job-name": name_of(job), "batch.kubernetes.io/job-name": name_of(job)}  # fmt: skip
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        metadata = spec["template"].setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **names}

    def _service(self, service: Obj) -> None:
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
            return
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._free_address()
        elif spec["clusterIP"] != "None":
            self._check_address(service, spec["clusterIP"])
        spec["clusterIPs"] = [spec["clusterIP"]]
        self._node_ports(spec)
        if spec.get("type") == "LoadBalancer":
            service["status"] = {"loadBalancer": {}}

    def _service_update(self, service: Obj, old: Obj) -> None:
        spec, before = service["spec"], old["spec"]
        if spec.get("type") == "ExternalName":
            for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(field, None)
            return
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = clone(before[field])
        if not spec.get("clusterIP"):
            self._service(service)
        known = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or []}
        for port in spec.get("ports") or []:
            if spec.get("type") == "ClusterIP":
                port.pop("nodePort", None)
            elif not port.get("nodePort") and known.get((port.get("port"), port.get("protocol"))):
                port["nodePort"] = known[port.get("port"), port.get("protocol")]
        self._node_ports(spec)

    def _free_address(self) -> str:
        taken = {dig(s, "spec", "clusterIP") for s in self._store.scan("services")}
        hosts = SERVICE_NETWORK.hosts()
        return next(str(address) for address in hosts if str(address) not in taken)

    def _check_address(self, service: Obj, address: str) -> None:
        why = ""
        try:
            if ipaddress.ip_address(address) not in SERVICE_NETWORK:
                why = f"failed to allocate IP {address}: the provided IP is not in the valid range {SERVICE_NETWORK}"
        except ValueError:
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        if any(dig(s, "spec", "clusterIP") == address for s in self._store.scan("services")):
            why = f"failed to allocate IP {address}: provided IP is already allocated"
        if why:
            cause = bad_value("spec.clusterIPs", [address], why)
            raise invalid("Service", "", name_of(service), [cause])

    def _node_ports(self, spec: Obj) -> None:
        if spec.get("type") not in ("NodePort", "LoadBalancer") or spec.get("allocateLoadBalancerNodePorts") is False:
            return
        taken = {
            port.get("nodePort")
            for service in self._store.scan("services")
            for port in dig(service, "spec", "ports", default=[])
        }
        for port in spec.get("ports") or []:
            if not port.get("nodePort"):
                port["nodePort"] = next(number for number in NODE_PORTS if number not in taken)
                taken.add(port["nodePort"])


def _zeroes(resource: Resource) -> Obj:
    """Counts the schema requires of a status, before any controller has counted."""
    status = resource.node.child("status")
    if status is None:
        return {}
    return {name: 0 for name in status.required if "integer" in status.fields[name].types}


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort from the containers' requests and limits."""
    any_set, guaranteed = False, True
    for _, _, container in containers_of(spec):
        requests = dig(container, "resources", "requests", default={})
        limits = dig(container, "resources", "limits", default={})
        any_set = any_set or bool(requests or limits)
        guaranteed = guaranteed and all(
            limits.get(name) and requests.get(name, limits[name]) == limits[name] for name in ("cpu", "memory")
        )
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


__all__ = ["Strategies", "has_generation", "qos_class"]
