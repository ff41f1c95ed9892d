"""Computed table cells, named in ``data/resources.yaml``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rehearsal.kubernetes import selectors
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, is_true, labels_of, parse_time

_ROLE = "node-role.kubernetes.io/"
_ACCESS = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def shown(value: Any) -> Any:
    """A cell's value; absent ones as kubectl shows them."""
    if value is None or value == "":
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return value if isinstance(value, (int, str)) else str(value)


def duration(seconds: float) -> str:
    """As kubectl abbreviates durations: 45s, 5m2s, 3h, 2d."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 600:
        return f"{whole // 60}m{whole % 60}s" if whole % 60 else f"{whole // 60}m"
    if whole < 3 * 3600:
        return f"{whole // 60}m"
    if whole < 48 * 3600:
        return f"{whole // 3600}h"
    return f"{whole // 86400}d"


def _since(text: str | None) -> str:
    return duration((datetime.now(UTC) - parse_time(text)).total_seconds()) if text else "<unknown>"


def age(obj: Obj) -> str:
    """Time since creation."""
    return _since(dig(obj, "metadata", "creationTimestamp"))


def _pod_ready(pod: Obj) -> str:
    statuses = dig(pod, "status", "containerStatuses", default=[])
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(pod['spec'].get('containers') or [])}"


def _pod_status(pod: Obj) -> str:
    if is_deleting(pod):
        return "Terminating"
    statuses = dig(pod, "status", "containerStatuses", default=[])
    for status in statuses:
        for state in ("waiting", "terminated"):
            if reason := dig(status, "state", state, "reason"):
                return str(reason)
    return str(dig(pod, "status", "reason") or dig(pod, "status", "phase", default="Unknown"))


def _pod_restarts(pod: Obj) -> int:
    return sum(s.get("restartCount", 0) for s in dig(pod, "status", "containerStatuses", default=[]))


def _replicas_ready(obj: Obj) -> str:
    return f"{dig(obj, 'status', 'readyReplicas', default=0)}/{dig(obj, 'spec', 'replicas', default=1)}"


def _node_status(node: Obj) -> str:
    status = "Ready" if is_true(node, "Ready") else "NotReady"
    return status + (",SchedulingDisabled" if dig(node, "spec", "unschedulable") else "")


def _node_roles(node: Obj) -> str:
    return ",".join(key.removeprefix(_ROLE) for key in labels_of(node) if key.startswith(_ROLE)) or "<none>"


def _internal_ip(node: Obj) -> str:
    addresses = dig(node, "status", "addresses", default=[])
    return next((a["address"] for a in addresses if a["type"] == "InternalIP"), "<none>")


def _service_external(service: Obj) -> str:
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    if ingress:
        return ",".join(str(entry.get("hostname") or entry.get("ip")) for entry in ingress)
    kind = dig(service, "spec", "type")
    if kind == "ExternalName":
        return str(dig(service, "spec", "externalName", default=""))
    return "<pending>" if kind == "LoadBalancer" else "<none>"


def _service_ports(service: Obj) -> str:
    parts = []
    for port in dig(service, "spec", "ports", default=[]):
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(parts) or "<none>"


def _selector_map(obj: Obj) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(dig(obj, "spec", "selector", default={}).items())) or "<none>"


def _selector(obj: Obj) -> str:
    return selectors.to_text(dig(obj, "spec", "selector")) or "<none>"


def _containers(field: str) -> Callable[[Obj], str]:
    def cell(obj: Obj) -> str:
        return ",".join(str(c.get(field)) for c in dig(obj, "spec", "template", "spec", "containers", default=[]))

    return cell


def _node_selector(obj: Obj) -> str:
    chosen = dig(obj, "spec", "template", "spec", "nodeSelector", default={})
    return ",".join(f"{k}={v}" for k, v in sorted(chosen.items())) or "<none>"


def _access_modes(obj: Obj) -> str:
    return ",".join(_ACCESS.get(mode, mode) for mode in dig(obj, "spec", "accessModes", default=[]))


def _pv_claim(volume: Obj) -> str:
    claim = dig(volume, "spec", "claimRef")
    return f"{claim['namespace']}/{claim['name']}" if claim else ""


def _pvc_status(claim: Obj) -> str:
    return "Terminating" if is_deleting(claim) else str(dig(claim, "status", "phase", default="Pending"))


def _event_object(event: Obj) -> str:
    involved = event.get("involvedObject") or event.get("regarding") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_last_seen(event: Obj) -> str:
    when = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    return _since(when or dig(event, "metadata", "creationTimestamp"))


def _job_status(job: Obj) -> str:
    for kind, text in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if is_true(job, kind):
            return text
    return "Running"


def _job_completions(job: Obj) -> str:
    wanted = dig(job, "spec", "completions") or dig(job, "spec", "parallelism", default=1)
    return f"{dig(job, 'status', 'succeeded', default=0)}/{wanted}"


def _job_duration(job: Obj) -> str:
    start, end = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    if not start:
        return ""
    if not end:
        return _since(start)
    return duration((parse_time(end) - parse_time(start)).total_seconds())


def _role_ref(binding: Obj) -> str:
    return f"{dig(binding, 'roleRef', 'kind')}/{dig(binding, 'roleRef', 'name')}"


def _hpa_reference(hpa: Obj) -> str:
    target = dig(hpa, "spec", "scaleTargetRef", default={})
    return f"{target.get('kind')}/{target.get('name')}"


def _quota(scope: str) -> Callable[[Obj], str]:
    def cell(quota: Obj) -> str:
        hard, used = dig(quota, "spec", "hard", default={}), dig(quota, "status", "used", default={})
        chosen = [name for name in sorted(hard) if name.startswith("limits.") is (scope == "limits")]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in chosen)

    return cell


def _endpoint_addresses(endpoints: Obj) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or []
        for address in subset.get("addresses") or []
        for port in subset.get("ports") or [{"port": ""}]
    ]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"


def _slice_addresses(obj: Obj) -> str:
    return ",".join(a for e in obj.get("endpoints") or [] for a in e.get("addresses") or []) or "<unset>"


FUNCTIONS: dict[str, Callable[[Obj], Any]] = {
    "age": age,
    "pod_ready": _pod_ready,
    "pod_status": _pod_status,
    "pod_restarts": _pod_restarts,
    "replicas_ready": _replicas_ready,
    "node_status": _node_status,
    "node_roles": _node_roles,
    "node_internal_ip": _internal_ip,
    "service_external": _service_external,
    "service_ports": _service_ports,
    "selector_map": _selector_map,
    "selector": _selector,
    "container_names": _containers("name"),
    "container_images": _containers("image"),
    "node_selector": _node_selector,
    "access_modes": _access_modes,
    "pv_claim": _pv_claim,
    "pvc_status": _pvc_status,
    "event_object": _event_object,
    "event_last_seen": _event_last_seen,
    "job_status": _job_status,
    "job_completions": _job_completions,
    "job_duration": _job_duration,
    "cronjob_active": lambda obj: len(dig(obj, "status", "active", default=[])),
    "cronjob_last": lambda obj: (
        _since(dig(obj, "status", "lastScheduleTime")) if dig(obj, "status", "lastScheduleTime") else "<none>"
    ),
    "role_ref": _role_ref,
    "hpa_reference": _hpa_reference,
    "quota_requests": _quota("requests"),
    "quota_limits": _quota("limits"),
    "endpoint_addresses": _endpoint_addresses,
    "slice_addresses": _slice_addresses,
    "slice_ports": lambda obj: ",".join(str(p.get("port")) for p in obj.get("ports") or []) or "<unset>",
    "data_count": lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {}),
    "secrets_count": lambda obj: len(obj.get("secrets") or []),
    "pod_selector": lambda obj: selectors.to_text(dig(obj, "spec", "podSelector")) or "<none>",
    "ingress_hosts": lambda obj: ",".join(r.get("host", "*") for r in dig(obj, "spec", "rules", default=[])) or "*",
    "ingress_address": lambda obj: ",".join(
        str(e.get("hostname") or e.get("ip")) for e in dig(obj, "status", "loadBalancer", "ingress", default=[])
    ),
    "csi_drivers": lambda obj: len(dig(obj, "spec", "drivers", default=[])),
    "revision": lambda obj: obj.get("revision"),
}
