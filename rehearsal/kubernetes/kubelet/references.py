"""What a pod refers to: volumes and environment from ConfigMaps, Secrets and its own fields."""

from __future__ import annotations

import base64
import re

from rehearsal.kubernetes.objects import Obj, claims_of, dig, is_true, name_of, namespace_of, uid_of
from rehearsal.kubernetes.store import Store

_VARIABLE = re.compile(r"\$(\$?)\(([A-Za-z_][-._A-Za-z0-9]*)\)")
_FIELD_MAP = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")


def expand(text: str, environment: dict[str, str]) -> str:
    """``$(NAME)`` in commands, arguments and values; ``$$(NAME)`` stays as ``$(NAME)``."""
    return _VARIABLE.sub(lambda m: m[0][1:] if m[1] else environment.get(m[2], m[0]), text)


def missing_volume(store: Store, pod: Obj) -> tuple[str, str] | None:
    """The first volume whose source does not exist, and what is wrong; None when all do."""
    for volume in dig(pod, "spec", "volumes", default=[]):
        for source in (volume, *dig(volume, "projected", "sources", default=[])):
            problem = _source_problem(store, pod, source)
            if problem:
                return volume["name"], problem
    return None


def attached_elsewhere(store: Store, pod: Obj) -> tuple[str, str] | None:
    """A volume of the pod that another node holds, and the names of the pods that use it there; None when none is.

    A ReadWriteOnce volume is attached to one node at a time. Of pods that all wait for it, the first to come gets it.
    """
    for name in claims_of(pod):
        claim = store.get("persistentvolumeclaims", namespace_of(pod), name)
        if claim is None or not {"ReadWriteOnce", "ReadWriteOncePod"} >= set(claim["spec"]["accessModes"]):
            continue
        holders = [
            name_of(other)
            for other in store.objects("pods", namespace_of(pod))
            if name in claims_of(other)
            and dig(other, "spec", "nodeName", default=pod["spec"]["nodeName"]) != pod["spec"]["nodeName"]
            and dig(other, "status", "phase") not in ("Succeeded", "Failed")
            and (is_true(other, "PodReadyToStartContainers") or _arrival(other) < _arrival(pod))
        ]
        if holders:
            return dig(claim, "spec", "volumeName", default=name), ", ".join(sorted(holders))
    return None


def _arrival(pod: Obj) -> tuple[str, str]:
    return str(dig(pod, "status", "startTime", default="~")), uid_of(pod)


def _source_problem(store: Store, pod: Obj, source: Obj) -> str:
    namespace = namespace_of(pod)
    for field, resource, key in (("configMap", "configmaps", "name"), ("secret", "secrets", "secretName")):
        wanted = source.get(field)
        if not wanted or wanted.get("optional"):
            continue
        name = wanted.get(key) or wanted.get("name", "")
        found = store.get(resource, namespace, name)
        if found is None:
            kind = resource.removesuffix("s")
            return f'{kind} "{name}" not found'
        keys = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
        absent = [item["key"] for item in wanted.get("items") or [] if item["key"] not in keys]
        if absent:
            return f"references non-existent {'config' if field == 'configMap' else 'secret'} key: {absent[0]}"
    return ""


def environment(store: Store, pod: Obj, container: Obj) -> tuple[dict[str, str], str]:
    """The container's environment; the second result says what is missing, empty when nothing is."""
    values: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        data, problem = _whole(store, pod, source)
        if problem:
            return {}, problem
        values.update({source.get("prefix", "") + key: value for key, value in data.items()})
    for variable in container.get("env") or []:
        value, problem = _value(store, pod, variable)
        if problem:
            return {}, problem
        if value is not None:
            values[variable["name"]] = expand(value, values)
    return values, ""


def _data(store: Store, resource: str, namespace: str, name: str) -> dict[str, str] | None:
    found = store.get(resource, namespace, name)
    if found is None:
        return None
    data = found.get("data") or {}
    if resource == "secrets":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return dict(data)


def _whole(store: Store, pod: Obj, source: Obj) -> tuple[dict[str, str], str]:
    for field, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        reference = source.get(field)
        if reference is None:
            continue
        data = _data(store, resource, namespace_of(pod), reference.get("name", ""))
        if data is not None:
            return data, ""
        if not reference.get("optional"):
            return {}, f'{resource.removesuffix("s")} "{reference.get("name", "")}" not found'
    return {}, ""


def _value(store: Store, pod: Obj, variable: Obj) -> tuple[str | None, str]:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", "")), ""
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"]), ""
    for field, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        reference = source.get(field)
        if reference is None:
            continue
        name, key = reference.get("name", ""), reference["key"]
        data = _data(store, resource, namespace_of(pod), name)
        if data is not None and key in data:
            return data[key], ""
        if reference.get("optional"):
            return None, ""
        kind = resource.removesuffix("s")
        where = f"{'ConfigMap' if kind == 'configmap' else 'Secret'} {namespace_of(pod)}/{name}"
        return None, f'{kind} "{name}" not found' if data is None else f"couldn't find key {key} in {where}"
    return "", ""


def field_value(pod: Obj, path: str) -> str:
    """A downward API field."""
    match = _FIELD_MAP.match(path)
    if match:
        return str(dig(pod, "metadata", match[1], match[2], default=""))
    return str(dig(pod, *path.split("."), default=name_of(pod) if path == "spec.hostname" else ""))
