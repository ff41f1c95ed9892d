"""ResourceQuota: usage of a namespace, and refusing what would exceed it."""

from __future__ import annotations

from collections import Counter

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.errors import forbidden, qualified
from rehearsal.kubernetes.objects import Obj, dig, name_of, namespace_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.store import Store

_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}
_CHARGED = {
    "pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "replicationcontrollers",
    "resourcequotas",
}  # fmt: skip


def admit(store: Store, resource: Resource, obj: Obj) -> None:
    """Refuse a creation that some quota of the namespace has no room for.

    :raises ApiError: 403.
    """
    if not resource.namespaced:
        return
    for quota in store.objects("resourcequotas", namespace_of(obj)):
        hard: dict[str, str] = dig(quota, "spec", "hard", default={})
        charge = charges(resource.id, obj)
        if resource.id == "pods":
            _require_specified(quota, hard, obj, charge)
        relevant = {name: charge[name] for name in charge if name in hard and charge[name]}
        if not relevant:
            continue
        used = usage(store, namespace_of(obj), hard)
        over = [name for name, amount in relevant.items() if used[name] + amount > quantity.parse(hard[name])]
        if over:
            _refuse(resource, obj, quota, over, relevant, used)


def _require_specified(quota: Obj, hard: dict[str, str], pod: Obj, charge: dict[str, int]) -> None:
    """A pod must say how much it wants of what is limited."""
    missing = []
    for name in hard:
        full = _SHORT.get(name, name)
        scope, _, resource = full.partition(".")
        if scope not in ("requests", "limits") or resource not in ("cpu", "memory"):
            continue
        lacking = [
            c["name"] for c in dig(pod, "spec", "containers", default=[]) if not dig(c, "resources", scope, resource)
        ]
        if lacking:
            missing.append(f"{name} for: {','.join(lacking)}")
    if missing:
        why = f"failed quota: {name_of(quota)}: must specify {'; '.join(missing)}"
        raise forbidden("pods", "", name_of(pod), why)


def _refuse(
    resource: Resource, obj: Obj, quota: Obj, over: list[str], asked: dict[str, int], used: Counter[str]
) -> None:
    hard = quota["spec"]["hard"]

    def listed(amounts: dict[str, int]) -> str:
        return ",".join(f"{name}={quantity.render(amounts[name], hard[name])}" for name in sorted(over))

    limited = ",".join(f"{name}={hard[name]}" for name in sorted(over))
    why = f"exceeded quota: {name_of(quota)}, requested: {listed(asked)}, used: {listed(used)}, limited: {limited}"
    raise forbidden(resource.plural, resource.group, name_of(obj), why)


def usage(store: Store, namespace: str, hard: dict[str, str]) -> Counter[str]:
    """What the namespace uses of each name in ``hard``, in thousandths."""
    used: Counter[str] = Counter()
    wanted = {_resource_for(name) for name in hard}
    for resource_id in wanted:
        for obj in store.objects(resource_id, namespace):
            if resource_id == "pods" and dig(obj, "status", "phase") in ("Succeeded", "Failed"):
                continue
            used.update({name: amount for name, amount in charges(resource_id, obj).items() if name in hard})
    return used


def _resource_for(name: str) -> str:
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name in _CHARGED:
        return name
    if name.startswith("services."):
        return "services"
    if name == "requests.storage" or ".storageclass.storage.k8s.io/" in name:
        return "persistentvolumeclaims"
    return "pods"


def charges(resource_id: str, obj: Obj) -> dict[str, int]:
    """What one object counts for, in thousandths, under every name a quota may use."""
    plural, _, group = resource_id.partition(".")
    result = {f"count/{qualified(plural, group)}": 1000}
    if resource_id in _CHARGED:
        result[resource_id] = 1000
    if resource_id == "pods":
        result.update(pod_charges(obj["spec"]))
    elif resource_id == "persistentvolumeclaims":
        storage = quantity.parse(dig(obj, "spec", "resources", "requests", "storage", default="0"))
        result["requests.storage"] = storage
        if class_name := dig(obj, "spec", "storageClassName"):
            result[f"{class_name}.storageclass.storage.k8s.io/requests.storage"] = storage
            result[f"{class_name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = 1000
    elif resource_id == "services":
        kind = dig(obj, "spec", "type")
        result["services.loadbalancers"] = 1000 if kind == "LoadBalancer" else 0
        result["services.nodeports"] = 1000 if kind in ("NodePort", "LoadBalancer") else 0
    return result


def pod_charges(spec: Obj) -> dict[str, int]:
    """Requests and limits of a pod: the sum of its containers, or its largest init container."""
    result: dict[str, int] = {}
    for scope in ("requests", "limits"):
        for name, amount in effective(spec, scope).items():
            result[f"{scope}.{name}"] = amount
            if scope == "requests":
                result[name] = amount
    return result


def effective(spec: Obj, scope: str) -> dict[str, int]:
    """The pod's effective requests or limits by resource name, in thousandths.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """
    total: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    largest: dict[str, int] = {}
    for container in spec.get("containers") or []:
        total.update(_amounts(container, scope))
    for container in spec.get("initContainers") or []:
        amounts = _amounts(container, scope)
        if container.get("restartPolicy") == "Always":
            sidecars.update(amounts)
            amounts = dict(sidecars)
        else:
            amounts = {name: amount + sidecars[name] for name, amount in amounts.items()}
        largest = {name: max(largest.get(name, 0), amounts.get(name, 0)) for name in largest.keys() | amounts.keys()}
    total.update(sidecars)
    result = {name: max(total[name], largest.get(name, 0)) for name in total.keys() | largest.keys()}
    if scope == "requests":
        for name, amount in (spec.get("overhead") or {}).items():
            result[name] = result.get(name, 0) + quantity.parse(amount)
    return result


def _amounts(container: Obj, scope: str) -> dict[str, int]:
    return {name: quantity.parse(value) for name, value in dig(container, "resources", scope, default={}).items()}
