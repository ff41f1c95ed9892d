"""Rules inside a pod spec, wherever it stands."""

from __future__ import annotations

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.errors import Cause, bad_value, duplicate, forbidden_field, required
from rehearsal.kubernetes.objects import Obj, containers_of, dig
from rehearsal.kubernetes.rest.names import check_name


def check_pod_spec(spec: Obj, path: str) -> list[Cause]:
    """Faults of containers, volumes and their mounts."""
    causes = []
    if not spec.get("containers"):
        causes.append(required(f"{path}.containers"))
    volumes = _volume_names(spec, path, causes)
    seen: set[str] = set()
    for field, index, container in containers_of(spec):
        where = f"{path}.{field}[{index}]"
        causes += check_name(container["name"], f"{where}.name", "label")
        if container["name"] in seen:
            causes.append(duplicate(f"{where}.name", container["name"]))
        seen.add(container["name"])
        causes += _check_mounts(container, where, volumes)
        causes += _check_env(container, where)
        causes += check_resources(container.get("resources") or {}, f"{where}.resources")
        causes += _check_probes(container, where)
    return causes


def _volume_names(spec: Obj, path: str, causes: list[Cause]) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or []):
        field = f"{path}.volumes[{index}]"
        if volume["name"] in names:
            causes.append(duplicate(f"{field}.name", volume["name"]))
        names.add(volume["name"])
        causes += check_name(volume["name"], f"{field}.name", "label")
        if len(volume) > 2:
            second = sorted(key for key in volume if key != "name")[1]
            causes.append(forbidden_field(f"{field}.{second}", "may not specify more than 1 volume type"))
    return names


def _check_mounts(container: Obj, where: str, volumes: set[str]) -> list[Cause]:
    causes = []
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        field = f"{where}.volumeMounts[{index}]"
        if mount["name"] not in volumes:
            causes.append(Cause("FieldValueNotFound", f'Not found: "{mount["name"]}"', f"{field}.name"))
        if mount["mountPath"] in paths:
            causes.append(bad_value(f"{field}.mountPath", mount["mountPath"], "must be unique"))
        paths.add(mount["mountPath"])
    return causes


def _check_env(container: Obj, where: str) -> list[Cause]:
    causes = []
    for index, variable in enumerate(container.get("env") or []):
        field = f"{where}.env[{index}]"
        if not variable["name"] or "=" in variable["name"]:
            hint = "environment variable names must consist only of printable ASCII characters other than '='"
            causes.append(bad_value(f"{field}.name", variable["name"], hint))
        if variable.get("value") and variable.get("valueFrom"):
            causes.append(bad_value(f"{field}.valueFrom", "", "may not be specified when `value` is not empty"))
        elif "valueFrom" in variable and len(variable["valueFrom"]) != 1:
            hint = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            causes.append(bad_value(f"{field}.valueFrom", "", hint))
    return causes


def check_resources(resources: Obj, where: str) -> list[Cause]:
    """Requests must not exceed limits."""
    causes = []
    limits = resources.get("limits") or {}
    for name, request in (resources.get("requests") or {}).items():
        if name in limits and quantity.parse(request) > quantity.parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(bad_value(f"{where}.requests", request, why))
    return causes


def _check_probes(container: Obj, where: str) -> list[Cause]:
    causes = []
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(kind)
        if probe is None:
            continue
        handlers = [h for h in ("exec", "httpGet", "tcpSocket", "grpc") if h in probe]
        if not handlers:
            causes.append(required(f"{where}.{kind}", "must specify a handler type"))
        elif len(handlers) > 1:
            causes.append(forbidden_field(f"{where}.{kind}.{handlers[1]}", "may not specify more than 1 handler type"))
        if kind != "readinessProbe" and dig(probe, "successThreshold", default=1) != 1:
            causes.append(bad_value(f"{where}.{kind}.successThreshold", probe["successThreshold"], "must be 1"))
    return causes
