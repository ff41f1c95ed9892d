"""Pod Security Standards by namespace labels: baseline and restricted.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and the messages of
k8s.io/pod-security-admission.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rehearsal.kubernetes.errors import forbidden
from rehearsal.kubernetes.objects import Obj, containers_of, dig, labels_of, name_of, namespace_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.options import WriteOptions
from rehearsal.kubernetes.store import Store

_PREFIX = "pod-security.kubernetes.io/"
_TEMPLATES = {
    "deployments.apps": ("spec", "template", "spec"),
    "replicasets.apps": ("spec", "template", "spec"),
    "statefulsets.apps": ("spec", "template", "spec"),
    "daemonsets.apps": ("spec", "template", "spec"),
    "jobs.batch": ("spec", "template", "spec"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
_RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip


def admit(store: Store, resource: Resource, obj: Obj, old: Obj | None, options: WriteOptions) -> None:
    """Enforce on pods; warn on pods and on workloads that would make such pods.

    :raises ApiError: 403 in the words of the PodSecurity plugin.
    """
    if resource.id != "pods" and resource.id not in _TEMPLATES:
        return
    namespace = store.get("namespaces", "", namespace_of(obj))
    labels = labels_of(namespace) if namespace else {}
    spec = obj["spec"] if resource.id == "pods" else dig(obj, *_TEMPLATES[resource.id], default={})
    if resource.id == "pods":
        if old is not None and old["spec"] == obj["spec"]:
            return
        enforced = labels.get(_PREFIX + "enforce", "privileged")
        found = violations(spec, enforced)
        if found:
            raise forbidden("pods", "", name_of(obj), _text(enforced, labels, "enforce", found, "violates"))
    warned = labels.get(_PREFIX + "warn", "privileged")
    found = violations(spec, warned)
    if found and not options.trusted:
        options.warnings.append(_text(warned, labels, "warn", found, "would violate"))


def _text(level: str, labels: dict[str, str], mode: str, found: list[str], verb: str) -> str:
    version = labels.get(f"{_PREFIX}{mode}-version", "latest")
    return f'{verb} PodSecurity "{level}:{version}": {", ".join(found)}'


def violations(spec: Obj, level: str) -> list[str]:
    """What in a pod spec the level forbids, one phrase per control."""
    if level not in ("baseline", "restricted"):
        return []
    checks = [*_BASELINE, *(_RESTRICTED if level == "restricted" else [])]
    if level == "restricted":
        checks.remove(_baseline_capabilities)
    return [phrase for check in checks if (phrase := check(spec))]


def _named(containers: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in containers)
    return f"container{'s' if len(containers) > 1 else ''} {quoted}"


def _offenders(spec: Obj, test: Callable[[Obj], bool]) -> list[str]:
    return [container["name"] for _, _, container in containers_of(spec) if test(container)]


def _host_namespaces(spec: Obj) -> str:
    used = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _privileged(spec: Obj) -> str:
    bad = _offenders(spec, lambda c: bool(dig(c, "securityContext", "privileged")))
    return f"privileged ({_named(bad)} must not set securityContext.privileged=true)" if bad else ""


def _baseline_capabilities(spec: Obj) -> str:
    bad = _offenders(
        spec, lambda c: bool(set(dig(c, "securityContext", "capabilities", "add", default=[])) - _BASELINE_CAPABILITIES)
    )
    if not bad:
        return ""
    added = sorted(
        {
            capability
            for _, _, c in containers_of(spec)
            for capability in dig(c, "securityContext", "capabilities", "add", default=[])
        }
        - _BASELINE_CAPABILITIES
    )
    listed = ", ".join(f'"{name}"' for name in added)
    return f"non-default capabilities ({_named(bad)} must not include {listed} in securityContext.capabilities.add)"


def _host_path(spec: Obj) -> str:
    bad = [volume["name"] for volume in spec.get("volumes") or [] if "hostPath" in volume]
    quoted = ", ".join(f'"{name}"' for name in bad)
    return f"hostPath volumes (volume{'s' if len(bad) > 1 else ''} {quoted})" if bad else ""


def _host_ports(spec: Obj) -> str:
    bad = _offenders(spec, lambda c: any(port.get("hostPort") for port in c.get("ports") or []))
    if not bad:
        return ""
    ports = sorted(
        {
            str(port["hostPort"])
            for _, _, c in containers_of(spec)
            for port in c.get("ports") or []
            if port.get("hostPort")
        }
    )
    return f"hostPort ({_named(bad)} uses hostPort{'s' if len(ports) > 1 else ''} {', '.join(ports)})"


def _seccomp_unconfined(spec: Obj) -> str:
    if any(profile == "Unconfined" for _, profile in _profiles(spec)):
        return 'seccompProfile (must not set securityContext.seccompProfile.type to "Unconfined")'
    return ""


def _profiles(spec: Obj) -> Iterator[tuple[str, str]]:
    pod = dig(spec, "securityContext", "seccompProfile", "type", default="")
    yield "", pod
    for _, _, container in containers_of(spec):
        yield container["name"], dig(container, "securityContext", "seccompProfile", "type", default=pod)


def _sysctls(spec: Obj) -> str:
    names = [s["name"] for s in dig(spec, "securityContext", "sysctls", default=[]) if s["name"] not in _SAFE_SYSCTLS]
    return f"forbidden sysctls ({', '.join(names)})" if names else ""


def _volume_types(spec: Obj) -> str:
    bad = [
        (volume["name"], kind)
        for volume in spec.get("volumes") or []
        for kind in volume
        if kind != "name" and kind not in _RESTRICTED_VOLUMES
    ]
    if not bad:
        return ""
    quoted = ", ".join(f'"{name}"' for name, _ in bad)
    kinds = ", ".join(sorted({f'"{kind}"' for _, kind in bad}))
    word = "volumes" if len(bad) > 1 else "volume"
    return f"restricted volume types ({word} {quoted} uses restricted volume type {kinds})"


def _escalation(spec: Obj) -> str:
    bad = _offenders(spec, lambda c: dig(c, "securityContext", "allowPrivilegeEscalation") is not False)
    needed = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named(bad)} {needed})" if bad else ""


def _capabilities(spec: Obj) -> str:
    missing = _offenders(spec, lambda c: "ALL" not in dig(c, "securityContext", "capabilities", "drop", default=[]))
    added = _offenders(
        spec, lambda c: bool(set(dig(c, "securityContext", "capabilities", "add", default=[])) - {"NET_BIND_SERVICE"})
    )
    parts = []
    if missing:
        parts.append(f'{_named(missing)} must set securityContext.capabilities.drop=["ALL"]')
    if added:
        parts.append(
            f'{_named(added)} must not include anything but "NET_BIND_SERVICE" in securityContext.capabilities.add'
        )
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def _non_root(spec: Obj) -> str:
    pod = dig(spec, "securityContext", "runAsNonRoot", default=False)
    bad = _offenders(spec, lambda c: not dig(c, "securityContext", "runAsNonRoot", default=pod))
    if not bad:
        return ""
    return f"runAsNonRoot != true (pod or {_named(bad)} must set securityContext.runAsNonRoot=true)"


def _root_user(spec: Obj) -> str:
    if dig(spec, "securityContext", "runAsUser") == 0:
        return "runAsUser=0 (pod must not set runAsUser=0)"
    bad = _offenders(spec, lambda c: dig(c, "securityContext", "runAsUser") == 0)
    return f"runAsUser=0 ({_named(bad)} must not set runAsUser=0)" if bad else ""


def _seccomp(spec: Obj) -> str:
    bad = [name for name, profile in _profiles(spec) if name and profile not in ("RuntimeDefault", "Localhost")]
    if not bad:
        return ""
    needed = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_named(bad)} {needed})"


_BASELINE = [
    _host_namespaces, _privileged, _baseline_capabilities, _host_path, _host_ports, _seccomp_unconfined, _sysctls,
]  # fmt: skip
_RESTRICTED = [_volume_types, _escalation, _capabilities, _non_root, _root_user, _seccomp]
