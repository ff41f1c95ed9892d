"""What cannot run here stands in for itself: pods whose image is not in the store, and checks of what is not there.

An admission policy of the cluster changes such pods when they are made. A container without an image runs one that
does nothing and has no probes, so its pod becomes Ready; a Job's ends at once. A check of such a component, of the way
out of the cluster, or that needs such a component, ends with exit code 100, which its task shows as skipped. The pods
carry the label `slipway.dev/simulated`. Nothing here lets a check pass.

What a container fetches from Maven Central it takes from a folder of its image, as from a mirror: there is no way out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes import client, dynamic

LABEL = "slipway.dev/simulated"
COMPONENT = "slipway.dev/component"
PAUSE = "registry.k8s.io/pause:3.10.2"
BUSYBOX = "docker.io/library/busybox:1.37.0"
NEEDS_THE_OUTSIDE = ("check-connectivity-egress-",)
"""How the names of check pods begin that prove a way out of the cluster; there is none here."""
NEEDS: Mapping[str, str] = {
    "check-blackbox-exporter-probes-answer-": "grafana",
    "check-otel-collector-trace-arrives-": "jaeger",
    "check-end-to-end-every-service-answers-": "grafana",
}
"""How the names of check pods begin that need another component's answer, and that component."""
_NAME = "simulate-what-cannot-run"
_MANAGER = "rehearsal"
_API = "admissionregistration.k8s.io/v1"
# More containers than a pod of ours has; a patch of CEL names its containers by number.
_CONTAINERS = 6
_MAVEN, _MIRROR = "MAVEN_URL", "file:///opt/maven2"
_OF_A_CONTAINER = ("command", "args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def set_up(api: client.ApiClient, images: Iterable[str], components: Iterable[str] = ()) -> None:
    """Have the policy.

    :param images: names, as pods may give them, of all images that can run.
    :param components: whose checks cannot be performed, because what they would check is simulated.
    """
    resources = dynamic.DynamicClient(api).resources
    for manifest in (policy(sorted(images), sorted(components)), _binding()):
        resource = resources.get(api_version=_API, kind=manifest["kind"])
        resource.server_side_apply(
            body=manifest, name=manifest["metadata"]["name"], field_manager=_MANAGER, force_conflicts=True
        )


def names(references: Iterable[str]) -> set[str]:
    """How pods may write full references: with and without the registry and folder that Docker Hub is taken for."""
    found = set(references)
    for prefix in ("docker.io/", "docker.io/library/"):
        found |= {one.removeprefix(prefix) for one in references}
    return found


def simulated_components(pods: Iterable[dict[str, Any]]) -> set[str]:
    """Components of which a pod is simulated, their checks apart."""
    labels = [pod["metadata"].get("labels") or {} for pod in pods]
    return {one[COMPONENT] for one in labels if LABEL in one and COMPONENT in one and not _is_check(one)}


def _is_check(labels: Mapping[str, str]) -> bool:
    return labels.get("slipway.dev/role") == "check"


def policy(images: list[str], components: list[str]) -> dict[str, Any]:
    """The MutatingAdmissionPolicy."""
    prefixes = [*NEEDS_THE_OUTSIDE, *(prefix for prefix, needed in NEEDS.items() if needed in components)]
    named = " || ".join(f"object.metadata.name.startsWith({_cel(prefix)})" for prefix in prefixes)
    variables = {
        "images": _cel(images),
        "labels": "object.metadata.labels.map(key, key + '=' + object.metadata.labels[key])",
        "check": "'slipway.dev/role=check' in variables.labels",
        "idle": f"variables.check && ((has(object.metadata.name) && ({named})) || "
        f"{_cel(components)}.exists(one, ('{COMPONENT}=' + one) in variables.labels))",
        "ends": "has(object.metadata.ownerReferences) && "
        "object.metadata.ownerReferences.exists(one, one.kind == 'Job')",
        "inits": "has(object.spec.initContainers) ? size(object.spec.initContainers) : 0",
    }
    lacking = "object.spec.containers.exists(c, !(c.image in variables.images))"
    lacking += " || (variables.inits > 0 && object.spec.initContainers.exists(c, !(c.image in variables.images)))"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule]},
            "variables": [{"name": name, "expression": text} for name, text in variables.items()],
            "matchConditions": [
                # A condition sees no variables, so it only keeps out the pods that never need a change.
                {"name": "has-labels", "expression": "has(object.metadata.labels)"}
            ],
            "mutations": [
                {"patchType": "JSONPatch", "jsonPatch": {"expression": _patches(lacking)}},
            ],
        },
    }


def _patches(lacking: str) -> str:
    mark = f"JSONPatch{{op: 'add', path: '/metadata/labels/{LABEL.replace('/', '~1')}', value: 'true'}}"
    scraped = "has(object.metadata.annotations) && 'prometheus.io/scrape' in object.metadata.annotations"
    unscrape = "JSONPatch{op: 'remove', path: '/metadata/annotations/prometheus.io~1scrape'}"
    parts = [f"[{mark}]", f"({scraped} ? [{unscrape}] : [])"]
    parts += [_container("containers", index) for index in range(_CONTAINERS)]
    parts += [_container("initContainers", index) for index in range(_CONTAINERS)]
    mirrored = " + ".join(_mirrored(index) for index in range(_CONTAINERS))
    return f"(variables.idle || {lacking}) ? ({' + '.join(parts)}) : ({mirrored})"


def _mirrored(index: int) -> str:
    """Patch of an init container that is told where Maven Central is."""
    own = f"object.spec.initContainers[{index}]"
    names = f"{own}.env.map(e, e.name)"
    path = f"'/spec/initContainers/{index}/env/' + string({names}.indexOf('{_MAVEN}')) + '/value'"
    patch = f"[JSONPatch{{op: 'replace', path: {path}, value: '{_MIRROR}'}}]"
    return f"(variables.inits > {index} && has({own}.env) && '{_MAVEN}' in {names} ? {patch} : [])"


def _container(field: str, index: int) -> str:
    """Patches of one container, none if there is no such one or it can run."""
    own, path = f"object.spec.{field}[{index}]", f"/spec/{field}/{index}"
    there = f"variables.inits > {index}" if field == "initContainers" else f"size(object.spec.containers) > {index}"
    removed = " + ".join(
        f"(has({own}.{one}) ? [JSONPatch{{op: 'remove', path: '{path}/{one}'}}] : [])" for one in _OF_A_CONTAINER
    )
    # Its shell finds nothing to do and ends.
    image = f"'{BUSYBOX}'"
    said = ""
    if field == "containers":
        image = f"variables.ends || variables.check ? {image} : '{PAUSE}'"
        told = "echo 'not performed: what this check needs cannot run on this cluster'; exit 100"
        said = (
            f" + (variables.check ? [JSONPatch{{op: 'add', path: '{path}/command', "
            f"value: ['sh', '-c', {_cel(told)}]}}] : [])"
        )
    # A sidecar of a check, such as the one that holds its result, does its work.
    changed = f"!({own}.image in variables.images)" + (" || variables.idle" if index == 0 else "")
    patch = f"[JSONPatch{{op: 'add', path: '{path}/image', value: {image}}}] + {removed}{said}"
    return f"({there} && ({changed}) ? ({patch}) : [])"


def _cel(value: Any) -> str:
    return json.dumps(value)


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {"policyName": _NAME},
    }
