"""Validation beyond the schema: the table ``data/rules.yaml``, and rules that relate fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml
from croniter import croniter  # type: ignore[import-untyped]

from rehearsal.kubernetes import selectors
from rehearsal.kubernetes.errors import (
    Cause,
    bad_value,
    forbidden_field,
    not_supported,
    required,
)
from rehearsal.kubernetes.objects import Obj, dig, name_of
from rehearsal.kubernetes.quantity import parse
from rehearsal.kubernetes.resources import DATA, Resource
from rehearsal.kubernetes.rest.names import check_metadata
from rehearsal.kubernetes.rest.pods import check_pod_spec
from rehearsal.kubernetes.schema import Node

_TEMPLATES = {"deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps"}
_DATA_LIMIT = 1024 * 1024


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DATA / "rules.yaml").read_text())
    return loaded


def validate(resource: Resource, obj: Obj, old: Obj | None) -> list[Cause]:
    """Every fault of a schema-valid object; ``old`` is what it replaces."""
    causes = check_metadata(obj, _rules()["names"].get(resource.id, "subdomain"))
    if not resource.custom:
        _walk(resource.node, obj, "", causes)
        claims = {claim["metadata"]["name"] for claim in dig(obj, "spec", "volumeClaimTemplates", default=None) or []}
        # A StatefulSet's pods get a volume of each claim template's name.
        causes = [cause for cause in causes if not _mounts_claim(cause, claims)]
    if resource.id in _TEMPLATES:
        causes += _selector_matches(obj)
    if hook := _HOOKS.get(resource.id):
        causes += hook(obj)
    if old is not None:
        causes += _immutable(resource, obj, old)
    return causes


def _mounts_claim(cause: Cause, claims: set[str]) -> bool:
    return ".volumeMounts[" in cause.field and any(cause.message.endswith(f'Not found: "{name}"') for name in claims)


def _walk(node: Node, value: Any, path: str, causes: list[Cause]) -> None:
    if isinstance(value, list) and node.kind == "list":
        for index, item in enumerate(value):
            _walk(node.element, item, f"{path}[{index}]", causes)
    elif isinstance(value, dict) and node.kind in ("struct", "map"):
        if node.definition:
            _check_struct(node.definition, value, path, causes)
        for key, item in value.items():
            child = node.child(key)
            if child is not None and isinstance(item, (dict, list)) and key not in ("metadata", "status"):
                _walk(child, item, f"{path}.{key}" if path else key, causes)


def _check_struct(definition: str, value: Obj, path: str, causes: list[Cause]) -> None:
    rules = _rules()

    def where(field: str) -> str:
        return f"{path}.{field}" if path else field

    for field, allowed in rules["enums"].get(definition, {}).items():
        allowed = [str(item) for item in allowed]
        if value.get(field) not in (None, "", *allowed):
            causes.append(not_supported(where(field), value[field], allowed))
    for field in rules["required_strings"].get(definition, ()):
        if not value.get(field):
            causes.append(required(where(field)))
    for field in rules["non_negative"].get(definition, ()):
        if value.get(field, 0) < 0:
            causes.append(bad_value(where(field), value[field], "must be greater than or equal to 0"))
    for field in rules["ports"].get(definition, ()):
        if field in value and not 1 <= value[field] <= 65535:
            causes.append(bad_value(where(field), value[field], "must be between 1 and 65535, inclusive"))
    if definition == "io.k8s.api.core.v1.PodSpec":
        causes += check_pod_spec(value, path)


def _selector_matches(obj: Obj) -> list[Cause]:
    labels = dig(obj, "spec", "template", "metadata", "labels", default={})
    selector = dig(obj, "spec", "selector", default={})
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return [bad_value("spec.selector", selector, "empty selector is invalid for deployment")]
    if not selectors.label_selector(selector)(labels):
        why = "`selector` does not match template `labels`"
        return [bad_value("spec.template.metadata.labels", labels, why)]
    policy = dig(obj, "spec", "template", "spec", "restartPolicy", default="Always")
    if policy != "Always":
        return [not_supported("spec.template.spec.restartPolicy", policy, ["Always"])]
    return []


def _immutable(resource: Resource, obj: Obj, old: Obj) -> list[Cause]:
    causes = []
    for path in _rules()["immutable"].get(resource.id, ()):
        now, before = dig(obj, *path.split(".")), dig(old, *path.split("."))
        if now != before:
            causes.append(bad_value(path, now, "field is immutable"))
    limited = _rules()["mutable_only"].get(resource.id)
    if limited:
        now, before = obj.get("spec") or {}, old.get("spec") or {}
        free = set(limited["fields"])
        if any(now.get(f) != before.get(f) for f in (now.keys() | before.keys()) - free):
            causes.append(forbidden_field("spec", limited["message"]))
    if hook := _UPDATE_HOOKS.get(resource.id):
        causes += hook(obj, old)
    return causes


def _job(job: Obj) -> list[Cause]:
    spec = dig(job, "spec", "template", "spec", default={})
    if spec.get("restartPolicy") not in ("OnFailure", "Never"):
        field = "spec.template.spec.restartPolicy"
        return [required(field, 'valid values: "OnFailure", "Never"')]
    return []


def _service(service: Obj) -> list[Cause]:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    causes = []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    names = [port.get("name", "") for port in ports]
    for index, name in enumerate(names):
        if len(ports) > 1 and not name:
            causes.append(required(f"spec.ports[{index}].name"))
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        causes.append(required("spec.externalName"))
    return causes


def _claim(claim: Obj) -> list[Cause]:
    spec = claim.get("spec") or {}
    modes, allowed = spec.get("accessModes") or [], _rules()["access_modes"]
    causes = []
    if not modes:
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    causes += [not_supported("spec.accessModes", mode, allowed) for mode in modes if mode not in allowed]
    if not dig(spec, "resources", "requests", "storage"):
        causes.append(required("spec.resources[storage]"))
    return causes


def _secret(secret: Obj) -> list[Cause]:
    causes = _data_size(secret)
    needed = {
        "kubernetes.io/tls": ["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
    }.get(secret.get("type", ""), [])
    causes += [required(f"data[{key}]") for key in needed if key not in (secret.get("data") or {})]
    return causes


def _data_size(obj: Obj) -> list[Cause]:
    size = sum(len(str(v)) for field in ("data", "binaryData") for v in (obj.get(field) or {}).values())
    if size > _DATA_LIMIT:
        return [Cause("FieldValueTooLong", "Too long: may not be more than 1048576 bytes", "data")]
    return []


def _frozen_data(obj: Obj, old: Obj) -> list[Cause]:
    if not old.get("immutable"):
        return []
    changed = any(obj.get(f) != old.get(f) for f in ("data", "binaryData", "immutable"))
    return [forbidden_field("data", "field is immutable when `immutable` is set")] if changed else []


def _service_update(service: Obj, old: Obj) -> list[Cause]:
    now, before = dig(service, "spec", "clusterIP"), dig(old, "spec", "clusterIP")
    if before and now and now != before and dig(old, "spec", "type") != "ExternalName":
        return [bad_value("spec.clusterIPs[0]", [now], "may not change once set")]
    return []


def _claim_update(claim: Obj, old: Obj) -> list[Cause]:
    now = parse(dig(claim, "spec", "resources", "requests", "storage", default="0"))
    before = parse(dig(old, "spec", "resources", "requests", "storage", default="0"))
    causes = []
    if now < before:
        causes.append(forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity"))
    name, was = dig(claim, "spec", "volumeName"), dig(old, "spec", "volumeName")
    if was and name != was:
        causes.append(forbidden_field("spec", _rules()["mutable_only"]["persistentvolumeclaims"]["message"]))
    return causes


def _crd(crd: Obj) -> list[Cause]:
    spec = crd["spec"]
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    expected = f"{names.get('plural')}.{spec.get('group')}"
    causes = []
    if name_of(crd) != expected:
        causes.append(bad_value("metadata.name", name_of(crd), 'must be spec.names.plural+"."+spec.group'))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.append(
            bad_value("spec.versions", len(versions), "must have exactly one version marked as storage version")
        )
    for index, version in enumerate(versions):
        if not dig(version, "schema", "openAPIV3Schema"):
            field = f"spec.versions[{index}].schema.openAPIV3Schema"
            causes.append(required(field, "schemas are required"))
    return causes


def _cron_job(cron_job: Obj) -> list[Cause]:
    schedule = dig(cron_job, "spec", "schedule", default="")
    causes = []
    if "TZ=" in schedule or not croniter.is_valid(schedule) or len(schedule.split()) not in (1, 5):
        causes.append(bad_value("spec.schedule", schedule, "expected exactly 5 fields of a cron expression"))
    job = dig(cron_job, "spec", "jobTemplate", default={})
    return causes + [Cause(c.reason, c.message, f"spec.jobTemplate.{c.field}") for c in _job(job)]


def _budget(pdb: Obj) -> list[Cause]:
    spec = pdb.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {k: spec[k] for k in ("minAvailable", "maxUnavailable")}
        return [bad_value("spec", shown, "minAvailable and maxUnavailable cannot be both set")]
    return []


def _pod_update(pod: Obj, old: Obj) -> list[Cause]:
    """Of a container only its image may change."""
    for field in ("containers", "initContainers"):
        now = [{**c, "image": ""} for c in dig(pod, "spec", field, default=[])]
        before = [{**c, "image": ""} for c in dig(old, "spec", field, default=[])]
        if now != before:
            return [forbidden_field("spec", _rules()["mutable_only"]["pods"]["message"])]
    name, was = dig(pod, "spec", "nodeName"), dig(old, "spec", "nodeName")
    if was and name != was:
        return [forbidden_field("spec", _rules()["mutable_only"]["pods"]["message"])]
    return []


def _deployment(deployment: Obj) -> list[Cause]:
    spec = deployment["spec"]
    causes = []
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        causes.append(bad_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    rolling = dig(spec, "strategy", "rollingUpdate")
    if rolling and dig(spec, "strategy", "type") == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        causes.append(forbidden_field("spec.strategy.rollingUpdate", why))
    elif rolling and all(str(rolling.get(field)) in ("0", "0%") for field in ("maxSurge", "maxUnavailable")):
        field = "spec.strategy.rollingUpdate.maxUnavailable"
        causes.append(bad_value(field, rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0"))
    return causes


_HOOKS: dict[str, Callable[[Obj], list[Cause]]] = {
    "deployments.apps": _deployment,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "persistentvolumeclaims": _claim,
    "secrets": _secret,
    "configmaps": _data_size,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "poddisruptionbudgets.policy": _budget,
}
_UPDATE_HOOKS: dict[str, Callable[[Obj, Obj], list[Cause]]] = {
    "services": _service_update,
    "persistentvolumeclaims": _claim_update,
    "configmaps": _frozen_data,
    "secrets": _frozen_data,
    "pods": _pod_update,
}
