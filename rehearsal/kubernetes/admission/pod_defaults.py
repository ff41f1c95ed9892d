"""What admission adds to pods and claims: service account, priority, limit ranges, tolerations."""

from __future__ import annotations

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.errors import forbidden
from rehearsal.kubernetes.objects import Obj, annotations_of, clone, containers_of, dig, name_of, namespace_of
from rehearsal.kubernetes.store import Store

_BUILTIN_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, not a secret
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def admit(store: Store, pod: Obj) -> None:
    """Complete a new pod in place.

    :raises ApiError: 403 when its service account or priority class does not exist, or a container
        is outside a LimitRange.
    """
    _service_account(store, pod)
    _priority(store, pod)
    _tolerations(pod)
    _limit_ranges(store, pod)


def _service_account(store: Store, pod: Obj) -> None:
    spec, namespace = pod["spec"], namespace_of(pod)
    name = spec.get("serviceAccountName") or "default"
    account = store.get("serviceaccounts", namespace, name)
    if account is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden("pods", "", name_of(pod), why)
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = clone(account["imagePullSecrets"])
    mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if mounts and not _mounts_token(spec):
        _mount_token(spec)


def _mounts_token(spec: Obj) -> bool:
    return any(volume["name"].startswith("kube-api-access-") for volume in spec.get("volumes") or [])


def _mount_token(spec: Obj) -> None:
    name = "kube-api-access-" + dig(spec, "containers", 0, "name", default="x")[:5]
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    spec.setdefault("volumes", []).append({"name": name, "projected": {"sources": sources, "defaultMode": 420}})
    for _, _, container in containers_of(spec):
        mounts = container.setdefault("volumeMounts", [])
        if all(mount.get("mountPath") != _TOKEN_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": _TOKEN_PATH})


def _priority(store: Store, pod: Obj) -> None:
    spec = pod["spec"]
    name = spec.get("priorityClassName")
    if name in _BUILTIN_PRIORITIES:
        spec["priority"] = _BUILTIN_PRIORITIES[name]
    elif name:
        found = store.get("priorityclasses.scheduling.k8s.io", "", name)
        if found is None:
            why = f"no PriorityClass with name {name} was found"
            raise forbidden("pods", "", name_of(pod), why)
        spec["priority"] = found["value"]
        spec.setdefault("preemptionPolicy", found.get("preemptionPolicy", "PreemptLowerPriority"))
    else:
        default = next((p for p in store.scan("priorityclasses.scheduling.k8s.io") if p.get("globalDefault")), None)
        spec["priority"] = default["value"] if default else 0
        if default:
            spec["priorityClassName"] = name_of(default)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _tolerations(pod: Obj) -> None:
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        covered = any(t.get("key", key) == key and t.get("effect", "NoExecute") == "NoExecute" for t in tolerations)
        if not covered:
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


def _limit_ranges(store: Store, pod: Obj) -> None:
    for limit_range in store.objects("limitranges", namespace_of(pod)):
        for limit in dig(limit_range, "spec", "limits", default=[]):
            if limit.get("type") != "Container":
                continue
            for _, _, container in containers_of(pod["spec"]):
                _default_resources(limit, container)
                _check_range(limit, container, pod)


def _default_resources(limit: Obj, container: Obj) -> None:
    resources = container.setdefault("resources", {})
    for field, source in (("limits", "default"), ("requests", "defaultRequest")):
        for name, amount in (limit.get(source) or {}).items():
            resources.setdefault(field, {}).setdefault(name, amount)
    for name, amount in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def _check_range(limit: Obj, container: Obj, pod: Obj) -> None:
    resources = container.get("resources") or {}
    for name, most in (limit.get("max") or {}).items():
        found = (resources.get("limits") or {}).get(name)
        if found is None:
            raise forbidden(
                "pods", "", name_of(pod), f"maximum {name} usage per Container is {most}.  No limit is specified"
            )
        if quantity.parse(found) > quantity.parse(most):
            raise forbidden(
                "pods", "", name_of(pod), f"maximum {name} usage per Container is {most}, but limit is {found}"
            )
    for name, least in (limit.get("min") or {}).items():
        found = (resources.get("requests") or {}).get(name)
        if found is None or quantity.parse(found) < quantity.parse(least):
            raise forbidden(
                "pods", "", name_of(pod), f"minimum {name} usage per Container is {least}, but request is {found or 0}"
            )


def default_storage_class(store: Store, claim: Obj) -> None:
    """Name the newest default StorageClass in a claim that names none."""
    if "storageClassName" in claim["spec"]:
        return
    defaults = [
        entry
        for entry in store.scan("storageclasses.storage.k8s.io")
        if annotations_of(entry).get(_DEFAULT_CLASS) == "true"
    ]
    if defaults:
        newest = max(defaults, key=lambda entry: entry["metadata"]["creationTimestamp"])
        claim["spec"]["storageClassName"] = name_of(newest)
