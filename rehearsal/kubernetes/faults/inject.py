"""Puts faults into a cluster and takes them out again.

Times are set back by ``minutes``, since what matters about most faults is how long they last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rehearsal.kubernetes.certificates import expiring
from rehearsal.kubernetes.faults.model import Fault
from rehearsal.kubernetes.objects import (
    Obj,
    clone,
    controller_of,
    dig,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
    uid_of,
    with_condition,
)
from rehearsal.kubernetes.rest.options import controller_options

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

Injector = Callable[["Cluster", Fault], None]
_IMAGE = "registry.k8s.io/pause:3.10"


class FaultError(ValueError):
    """A fault that cannot be injected, with what is allowed."""


def inject(cluster: Cluster, kind: str, spec: Obj) -> Fault:
    """Let a fault happen.

    :raises FaultError: no such kind, or nothing there that it could happen to.
    """
    injector = KINDS.get(kind)
    if injector is None:
        raise FaultError(f"no fault is called {kind!r}; there are {', '.join(sorted(KINDS))}")
    fault = cluster.faults.new(kind, spec, time.time())
    injector(cluster, fault)
    cluster.faults.add(fault)
    return fault


async def settled(cluster: Cluster, fault: Fault) -> None:
    """Wait until a fault shows that controllers bring about, for a few seconds at most."""
    shows = _SHOWS.get(fault.kind)
    async with asyncio.timeout(_LONGEST_WAIT):
        while shows is not None and not shows(cluster, fault):
            await asyncio.sleep(0.05)


def heal(cluster: Cluster, fault_id: str) -> None:
    """End a fault: what it made goes, what it changed comes back unless it is gone.

    :raises KeyError: there is none of that id.
    """
    fault = cluster.faults.pop(fault_id)
    for made in fault.made:
        cluster.store.remove(*made)
    for resource, before in fault.kept:
        current = cluster.store.get(resource, namespace_of(before), name_of(before))
        if resource == "nodes" and current is None:
            _create(cluster, resource, {**before, "metadata": {**before["metadata"], "resourceVersion": ""}}, fault)
            fault.made.clear()
        elif current is not None and uid_of(current) == uid_of(before):
            cluster.store.put(resource, {**current, **{k: before[k] for k in ("spec", "status") if k in before}})

    if fault.kind == "node-not-ready":
        _answer_again(cluster)


def _answer_again(cluster: Cluster) -> None:
    """A kubelet that is back says of its pods that they were ready all along."""
    for pod in list(cluster.store.scan("pods")):
        entries = dig(pod, "status", "conditions", default=[])
        if any(one["type"] == "Ready" and one.get("reason") == "NodeNotReady" for one in entries):
            conditions = with_condition(entries, "Ready", "True")
            cluster.store.put("pods", {**clone(pod), "status": {**pod["status"], "conditions": conditions}})


def _nothing(cluster: Cluster, fault: Fault) -> None:
    """Shows in series or add-ons alone, which ask for active faults."""


def _node(cluster: Cluster, fault: Fault) -> Obj:
    wanted = fault.text("name")
    for node in cluster.store.objects("nodes"):
        if wanted in ("", name_of(node)):
            return node
    raise FaultError(f"there is no node {wanted!r}")


def _node_gone(cluster: Cluster, fault: Fault) -> None:
    node = _node(cluster, fault)
    fault.kept.append(("nodes", clone(node)))
    fault.spec["machines"] = [dig(node, "spec", "providerID", default="")]
    for pod in list(cluster.store.scan("pods")):
        if dig(pod, "spec", "nodeName") == name_of(node):
            cluster.store.remove("pods", namespace_of(pod), name_of(pod))
    cluster.store.remove("nodes", "", name_of(node))


def _node_not_ready(cluster: Cluster, fault: Fault) -> None:
    node = _node(cluster, fault)
    fault.kept.append(("nodes", clone(node)))
    text = "Kubelet stopped posting node status."
    conditions = with_condition(node["status"]["conditions"], "Ready", "Unknown", "NodeStatusUnknown", text)
    for entry in conditions:
        if entry["type"] == "Ready":
            entry["lastTransitionTime"] = _ago(fault)
    cluster.store.put("nodes", {**clone(node), "status": {**node["status"], "conditions": conditions}})


def _node_pressure(cluster: Cluster, fault: Fault) -> None:
    node = _node(cluster, fault)
    fault.kept.append(("nodes", clone(node)))
    kind = fault.text("condition", "DiskPressure")
    conditions = with_condition(node["status"]["conditions"], kind, "True", f"KubeletHas{kind}", f"kubelet has {kind}")
    cluster.store.put("nodes", {**clone(node), "status": {**node["status"], "conditions": conditions}})


def _pods_pending(cluster: Cluster, fault: Fault) -> None:
    for index in range(int(fault.number("count", 1))):
        _create(cluster, "pods", _pod(fault, f"pending-{index}", cpu=fault.text("cpu", "500")), fault)


def _evicted(cluster: Cluster, fault: Fault) -> None:
    for index in range(int(fault.number("count", 3))):
        made = clone(_create(cluster, "pods", _pod(fault, f"evicted-{index}"), fault))
        text = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 40Mi."
        made["status"] = {"phase": "Failed", "reason": "Evicted", "message": text, "startTime": _ago(fault)}
        cluster.store.put("pods", made)


def _crash_loop(cluster: Cluster, fault: Fault) -> None:
    pod = clone(_serving_pod(cluster, fault))
    fault.kept.append(("pods", clone(pod)))
    now, restarts = timestamp(), int(fault.number("restarts", 12))
    entry = pod["status"]["containerStatuses"][0]
    text = f"back-off 5m0s restarting failed container={entry['name']} pod={name_of(pod)}"
    ended = {"exitCode": 1, "reason": "Error", "startedAt": _ago(fault), "finishedAt": now}
    entry.update(
        state={"waiting": {"reason": "CrashLoopBackOff", "message": text}},
        lastState={"terminated": ended},
        ready=False,
        started=False,
        restartCount=restarts,
    )
    for kind in ("Ready", "ContainersReady"):
        why = ("ContainersNotReady", f"containers with unready status: [{entry['name']}]")
        pod["status"]["conditions"] = with_condition(pod["status"]["conditions"], kind, "False", *why)
    for condition in pod["status"]["conditions"]:
        if condition["status"] == "False":
            condition["lastTransitionTime"] = _ago(fault)
    cluster.store.put("pods", pod)
    log = cluster.logs.start(uid_of(pod), entry["name"])
    log.write(fault.text("log", "panic: cannot open database: connection refused"))
    path = f"spec.containers{{{entry['name']}}}"
    node = dig(pod, "spec", "nodeName", default="")
    cluster.manager.recorder.record(pod, "Warning", "BackOff", text, "kubelet", node, path)


def _serving_pod(cluster: Cluster, fault: Fault) -> Obj:
    wanted, namespace = fault.text("workload"), fault.text("namespace")
    for pod in cluster.store.objects("pods", namespace or None):
        owner = controller_of(pod)
        named = not wanted or (owner is not None and str(owner["name"]).startswith(wanted))
        if named and owner is not None and owner["kind"] != "DaemonSet" and is_true(pod, "Ready"):
            return pod
    raise FaultError(f"no ready pod of a workload {wanted!r} in {namespace or 'any namespace'}")


def _stuck_rollout(cluster: Cluster, fault: Fault) -> None:
    """A Deployment whose new version's image does not exist."""
    name = fault.text("name", "stuck")
    labels = {"app.kubernetes.io/name": name, "slipway.dev/component": fault.text("component", name)}
    pod = _pod(fault, name, image="registry.example.com/none:does-not-exist", labels=labels)
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
    }
    body = {**_metadata(fault, name, "apps/v1", "Deployment", labels), "spec": spec}
    _create(cluster, "deployments.apps", body, fault)


def _has_given_up(cluster: Cluster, fault: Fault) -> bool:
    made = cluster.store.get("deployments.apps", _namespace(fault), fault.text("name", "stuck"))
    conditions = dig(made, "status", "conditions", default=[]) if made else []
    return any(one.get("reason") == "ProgressDeadlineExceeded" for one in conditions)


def _failed_job(cluster: Cluster, fault: Fault) -> None:
    for index in range(int(fault.number("count", 1))):
        name = f"{fault.text('name', 'nightly')}-{index}"
        pod = _pod(fault, name)
        pod["spec"]["restartPolicy"] = "Never"
        template = {"metadata": {"labels": {"job-name": name}}, "spec": pod["spec"]}
        spec = {
            "backoffLimit": 0,
            "suspend": True,
            "selector": {"matchLabels": {"job-name": name}},
            "manualSelector": True,
            "template": template,
        }
        body = {**_metadata(fault, name, "batch/v1", "Job"), "spec": spec}
        made = clone(_create(cluster, "jobs.batch", body, fault))
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit",
            "lastTransitionTime": _ago(fault),
            "lastProbeTime": _ago(fault),
        }
        made["status"] = {"failed": 1, "startTime": _ago(fault), "conditions": [condition]}
        cluster.store.put("jobs.batch", made)


def _certificate(cluster: Cluster, fault: Fault) -> None:
    name = fault.text("name", "ingress-tls")
    expires = datetime.now(UTC) + timedelta(days=fault.number("days", 5))
    data = expiring(f"{name}.example.com", expires)
    body = {**_metadata(fault, name, "v1", "Secret"), "type": "kubernetes.io/tls", "data": data}
    _create(cluster, "secrets", body, fault)


def _quota(cluster: Cluster, fault: Fault) -> None:
    namespace = _namespace(fault)
    used = len([pod for pod in cluster.store.objects("pods", namespace) if dig(pod, "status", "phase") == "Running"])
    if not used:
        raise FaultError(f"no pod runs in {namespace}: a quota there is not used")
    hard = str(max(used, int(used / fault.number("ratio", 0.96))))
    body = {**_metadata(fault, "tight", "v1", "ResourceQuota"), "spec": {"hard": {"pods": hard}}}
    made = clone(_create(cluster, "resourcequotas", body, fault))
    cluster.store.put("resourcequotas", {**made, "status": {"hard": {"pods": hard}, "used": {"pods": str(used)}}})


def _endpoints(cluster: Cluster, fault: Fault) -> None:
    name = fault.text("name", "nobody-answers")
    spec = {"selector": {"app.kubernetes.io/name": name}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}
    body = {**_metadata(fault, name, "v1", "Service"), "spec": {**spec, "clusterIP": "None", "type": "ClusterIP"}}
    _backdate(cluster, "services", _create(cluster, "services", body, fault), fault)


def _claim_pending(cluster: Cluster, fault: Fault) -> None:
    name = fault.text("name", "waits")
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "no-such-class",
        "volumeMode": "Filesystem",
    }
    body = {**_metadata(fault, name, "v1", "PersistentVolumeClaim"), "spec": spec}
    _backdate(cluster, "persistentvolumeclaims", _create(cluster, "persistentvolumeclaims", body, fault), fault)


def _prometheus_gone(cluster: Cluster, fault: Fault) -> None:
    for pod in cluster.store.objects("pods", "monitoring"):
        if labels_of(pod).get("app.kubernetes.io/name") == "prometheus":
            fault.kept.append(("pods", clone(pod)))
            conditions = with_condition(pod["status"]["conditions"], "Ready", "False", "ContainersNotReady", "injected")
            cluster.store.put("pods", {**clone(pod), "status": {**pod["status"], "conditions": conditions}})
    if not fault.kept:
        raise FaultError("no pod of Prometheus runs in monitoring")


def _create(cluster: Cluster, resource_id: str, body: Obj, fault: Fault) -> Obj:
    resource = cluster.catalog.by_id(resource_id)
    made = cluster.registry.create(resource, namespace_of(body), body, controller_options("rehearsal-faults"))
    fault.made.append((resource_id, namespace_of(made), name_of(made)))
    return _backdate(cluster, resource_id, made, fault)


def _backdate(cluster: Cluster, resource_id: str, obj: Obj, fault: Fault) -> Obj:
    changed = clone(obj)
    changed["metadata"]["creationTimestamp"] = _ago(fault)
    return cluster.store.put(resource_id, changed)


def _ago(fault: Fault) -> str:
    return timestamp(datetime.fromtimestamp(fault.at, UTC) - timedelta(minutes=fault.number("minutes", 15)))


def _namespace(fault: Fault) -> str:
    return fault.text("namespace", "default")


def _metadata(fault: Fault, name: str, version: str, kind: str, labels: dict[str, str] | None = None) -> Obj:
    metadata: dict[str, Any] = {"name": name, "namespace": _namespace(fault)}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _pod(fault: Fault, name: str, cpu: str = "10m", image: str = _IMAGE, labels: dict[str, str] | None = None) -> Obj:
    container = {
        "name": "main",
        "image": image,
        "resources": {"requests": {"cpu": cpu, "memory": "16Mi"}, "limits": {"memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    safe = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": safe, "automountServiceAccountToken": False}
    return {**_metadata(fault, name, "v1", "Pod", labels), "spec": spec}


_LONGEST_WAIT = 20.0
_SHOWS: dict[str, Callable[[Cluster, Fault], bool]] = {"stuck-rollout": _has_given_up}
KINDS: dict[str, Injector] = {
    "node-gone": _node_gone,
    "node-not-ready": _node_not_ready,
    "node-pressure": _node_pressure,
    "pods-pending": _pods_pending,
    "pods-evicted": _evicted,
    "crash-loop": _crash_loop,
    "stuck-rollout": _stuck_rollout,
    "failed-job": _failed_job,
    "certificate-expiring": _certificate,
    "quota-nearly-used": _quota,
    "no-endpoints": _endpoints,
    "claim-pending": _claim_pending,
    "prometheus-gone": _prometheus_gone,
    # What only shows in what Prometheus, or the add-on's health, says.
    "claim-full": _nothing,
    "claim-filling": _nothing,
    "target-down": _nothing,
    "alert-firing": _nothing,
    "error-budget-spent": _nothing,
    "consumer-lagging": _nothing,
    "addon-degraded": _nothing,
}
