"""What every pod of the platform has to meet. Each rule yields what it found; the name of the rule is in exemptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.manifests.rendering import Manifest, pod_template, reference

LONG_RUNNING = {"Deployment", "StatefulSet", "DaemonSet"}
PRIORITIES = {"platform-critical", "platform-data", "platform-default", "platform-batch"}
FLOATING_TAGS = {"latest", "stable", "edge", "main", "master", "nightly", "lts", "release", "dev"}
API_LABEL = "slipway.dev/kubernetes-api"
SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)?|secret|token|api_?key|access_?key|private_?key|credentials?|fernet_?key|auth_?key)$", re.I
)
URL_CREDENTIAL = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s:/@$({]+:[^\s@/${(]+@", re.I)
SECRET_ARGUMENT = re.compile(r"--[\w\-]*(password|passwd|secret|token|api-?key)[= ]+(?![$/<])\S+", re.I)


class Violation(NamedTuple):
    """A rule that an object does not meet."""

    object: str
    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.object}: {self.rule}: {self.found}"


def pod_violations(manifest: Manifest) -> Iterator[Violation]:
    """All violations of a workload's pods; nothing for other objects."""
    template = pod_template(manifest)
    if template is None:
        return
    pod: Manifest = template["spec"]
    where = reference(manifest)
    for rule, found in [*_pod_rules(pod, template), *_volume_rules(pod)]:
        yield Violation(where, rule, found)
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        for rule, found in _container_rules(container, pod):
            yield Violation(where, rule, f"container {container['name']}: {found}")
    for container in _serving(manifest["kind"], pod):
        for rule, found in _probe_rules(container):
            yield Violation(where, rule, f"container {container['name']}: {found}")


def _serving(kind: str, pod: Manifest) -> list[Manifest]:
    """Containers that run for ever: those of long-running workloads, without what only prepares them."""
    if kind not in LONG_RUNNING:
        return []
    containers: list[Manifest] = pod["containers"]
    return containers


def _pod_rules(pod: Manifest, template: Manifest) -> Iterator[tuple[str, str]]:
    if pod.get("enableServiceLinks") is not False:
        yield "service-links", "enableServiceLinks is not false"
    if pod.get("automountServiceAccountToken") is not False:
        yield "token", "automountServiceAccountToken is not false"
    if pod.get("serviceAccountName", "default") == "default":
        yield "own-service-account", "runs as the namespace's default ServiceAccount"
    if pod.get("priorityClassName") not in PRIORITIES:
        yield "priority-class", f"{pod.get('priorityClassName')!r}; allowed: {', '.join(sorted(PRIORITIES))}"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield "host-namespaces", key
    mounts_token = any(
        "serviceAccountToken" in source
        for volume in pod.get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
    )
    labelled = (template.get("metadata", {}).get("labels") or {}).get(API_LABEL) == "true"
    if mounts_token != labelled:
        yield "kubernetes-api", f"mounts a token: {mounts_token}; has label {API_LABEL}: {labelled}"


def _volume_rules(pod: Manifest) -> Iterator[tuple[str, str]]:
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield "host-path", volume["hostPath"]["path"]
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield "empty-dir-limit", f"volume {volume['name']} has no sizeLimit"


def _container_rules(container: Manifest, pod: Manifest) -> Iterator[tuple[str, str]]:
    yield from _security_rules(container, pod)
    yield from _resource_rules(container)
    name, _, digest = container["image"].partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    if not digest and (tag.lower() in FLOATING_TAGS or not re.search(r"\d", tag)):
        yield "image-tag", f"image {container['image']} floats"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield "host-port", str(port["hostPort"])
    for variable in container.get("env", []):
        value = str(variable.get("value") or "")
        named = SECRET_NAME.search(variable["name"]) and value and not value.startswith(("/", "$"))
        if named or URL_CREDENTIAL.search(value):
            yield "secret-in-clear", f"environment variable {variable['name']}"
    for word in [*container.get("command", []), *container.get("args", [])]:
        if SECRET_ARGUMENT.search(str(word)):
            yield "secret-in-clear", "command line"


def _security_rules(container: Manifest, pod: Manifest) -> Iterator[tuple[str, str]]:
    own: Manifest = container.get("securityContext") or {}
    merged = {**(pod.get("securityContext") or {}), **own}
    if merged.get("runAsNonRoot") is not True:
        yield "run-as-non-root", "runAsNonRoot is not true"
    if not isinstance(merged.get("runAsUser"), int) or merged["runAsUser"] == 0:
        yield "run-as-user", f"runAsUser is {merged.get('runAsUser')!r}, wanted a number above 0"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privilege-escalation", "allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield "privilege-escalation", "privileged"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "read-only-root", "readOnlyRootFilesystem is not true"
    capabilities: Manifest = own.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield "drop-all", "does not drop ALL capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "drop-all", f"adds {capabilities['add']}"
    if (merged.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccomp", "seccompProfile is not RuntimeDefault"


def _resource_rules(container: Manifest) -> Iterator[tuple[str, str]]:
    resources: Manifest = container.get("resources") or {}
    for resource in ("cpu", "memory"):
        if resource not in (resources.get("requests") or {}):
            yield "requests", f"no request of {resource}"
    if "memory" not in (resources.get("limits") or {}):
        yield "memory-limit", "no memory limit"


def _probe_rules(container: Manifest) -> Iterator[tuple[str, str]]:
    for probe in ("readinessProbe", "livenessProbe"):
        if not container.get(probe):
            yield "probes", f"no {probe}"
    ports = {port.get("name") for port in container.get("ports", [])}
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket"):
            port = ((container.get(probe) or {}).get(action) or {}).get("port")
            if isinstance(port, str) and port not in ports:
                yield "probes", f"{probe} names port {port!r}, which the container has not"
