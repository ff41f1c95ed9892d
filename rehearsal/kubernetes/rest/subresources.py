"""The subresources that are more than a part of their object: scale, eviction, binding, finalize."""

from __future__ import annotations

from typing import Any

from rehearsal.kubernetes import selectors
from rehearsal.kubernetes.apply import patches
from rehearsal.kubernetes.errors import ApiError, bad_request, bad_value, conflict, invalid, no_such_path, stale
from rehearsal.kubernetes.media import APPLY, JSON, MERGE, STRATEGIC
from rehearsal.kubernetes.objects import Obj, clone, dig, labels_of, name_of, namespace_of, uid_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.deletion import delete
from rehearsal.kubernetes.rest.options import DeleteOptions, WriteOptions
from rehearsal.kubernetes.rest.registry import Registry


def scale_of(resource: Resource, obj: Obj) -> Obj:
    """The ``autoscaling/v1`` Scale of a workload or of a custom resource with that subresource."""
    replicas_path, status_path, selector_path = _scale_paths(resource)
    selector: Any = dig(obj, *selector_path, default={}) if selector_path else {}
    metadata = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    status = {"replicas": dig(obj, *status_path, default=0)}
    text = selector if isinstance(selector, str) else selectors.to_text(selector)
    if text:
        status["selector"] = text
    spec = {"replicas": dig(obj, *replicas_path, default=0)}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _scale_paths(resource: Resource) -> tuple[list[str], list[str], list[str]]:
    if not resource.custom:
        return ["spec", "replicas"], ["status", "replicas"], ["spec", "selector"]
    if not resource.scale:
        raise no_such_path()
    paths = [resource.scale.get(f, "") for f in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")]
    spec, status, selector = ([part for part in path.split(".") if part] for path in paths)
    return spec, status, selector


def write_scale(
    registry: Registry, resource: Resource, namespace: str, name: str, body: Any, patch: str, options: WriteOptions
) -> Obj:
    """Set the replicas through the Scale; ``patch`` is the media type of a patch or empty."""
    current = registry.get(resource, namespace, name)
    scale = _patched(scale_of(resource, current), body, patch)
    given = dig(scale, "metadata", "resourceVersion", default="")
    if given and given != current["metadata"]["resourceVersion"]:
        raise stale(resource.plural, resource.group, name)
    replicas = dig(scale, "spec", "replicas", default=0)
    if not isinstance(replicas, int) or replicas < 0:
        cause = bad_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", name, [cause])
    obj: Any = clone(current)
    path = _scale_paths(resource)[0]
    holder = obj
    for step in path[:-1]:
        holder = holder.setdefault(step, {})
    holder[path[-1]] = replicas
    return scale_of(resource, registry.update(resource, namespace, name, obj, options))


def _patched(scale: Obj, body: Any, patch: str) -> Obj:
    if patch == JSON:
        return patches.json_patch(scale, body)
    if not isinstance(body, dict):
        raise bad_request("the body is not a Scale")
    if patch in (MERGE, STRATEGIC, APPLY):
        merged = patches.merge_patch(scale, body)
        return dict(merged)
    return body


def bind(registry: Registry, namespace: str, name: str, node: str) -> None:
    """Put a pod onto a node, once.

    :raises ApiError: 409 when it is on one already.
    """
    resource = registry.catalog.by_id("pods")
    pod = clone(registry.get(resource, namespace, name))
    if pod["spec"].get("nodeName"):
        raise conflict("pods", "", name, f"pod {name} is already assigned to node {pod['spec']['nodeName']!r}")
    pod["spec"]["nodeName"] = node
    registry.store.put("pods", pod)


def evict(registry: Registry, namespace: str, name: str, options: DeleteOptions) -> Obj:
    """Delete a pod unless a PodDisruptionBudget forbids it now.

    :raises ApiError: 429 with the budget as its cause; 500 when several budgets select the pod.
    """
    resource = registry.catalog.by_id("pods")
    pod = registry.get(resource, namespace, name)
    if dig(pod, "status", "phase") not in ("Succeeded", "Failed"):
        _spend_budget(registry, pod, options.dry_run)
    delete(registry, resource, namespace, name, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _spend_budget(registry: Registry, pod: Obj, dry_run: bool) -> None:
    budgets = [
        budget
        for budget in registry.store.objects("poddisruptionbudgets.policy", namespace_of(pod))
        if selectors.label_selector(dig(budget, "spec", "selector"))(labels_of(pod))
    ]
    if not budgets:
        return
    if len(budgets) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "InternalError", text)
    budget = budgets[0]
    status = budget.get("status") or {}
    if status.get("disruptionsAllowed", 0) <= 0:
        message = (
            f"The disruption budget {name_of(budget)} needs {status.get('desiredHealthy', 0)} healthy pods and has "
            f"{status.get('currentHealthy', 0)} currently"
        )
        causes = [{"reason": "DisruptionBudget", "message": message, "field": ""}]
        text = "Cannot evict pod as it would violate the pod's disruption budget."
        raise ApiError(429, "TooManyRequests", text, {"causes": causes})
    if not dry_run:
        spent = {
            **status,
            "disruptionsAllowed": status["disruptionsAllowed"] - 1,
            "disruptedPods": {**(status.get("disruptedPods") or {}), name_of(pod): uid_of(pod)},
        }
        registry.set_status(registry.catalog.by_id("poddisruptionbudgets.policy"), budget, spent)


def finalize_namespace(registry: Registry, name: str, body: Obj, options: WriteOptions) -> Obj:
    """Replace ``spec.finalizers`` of a namespace."""
    resource = registry.catalog.by_id("namespaces")
    current = clone(registry.get(resource, "", name))
    current["spec"] = {**current.get("spec", {}), "finalizers": dig(body, "spec", "finalizers", default=[])}
    if options.dry_run:
        return dict(current)
    stored = registry.store.put("namespaces", current)
    registry.remove_if_final(resource, stored)
    return stored
