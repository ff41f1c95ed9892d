"""What cannot run here is simulated: pods without an image in the store, and those that prove a way out, which there
is none of, go to a node that kwok plays.

There they become Ready as on `CLUSTER=control-plane`, and a check ends with exit code 100, which shows as skipped.
DaemonSets' pods are left where they are: one of them belongs to one node.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

LABEL = "slipway.dev/simulated"
NODE = "simulated"
NEED_THE_OUTSIDE = ("check-connectivity-egress-",)
"""How the names of pods begin that are of no use without a way out of the cluster."""
_MANAGER = "rehearsal"
_API = "admissionregistration.k8s.io/v1"
_CONFLICT = 409


def set_up(api: client.ApiClient, images: Iterable[str]) -> None:
    """Have the node, and the policy that sends pods to it.

    :param images: names, as pods may give them, of all images that can run.
    """
    try:
        client.CoreV1Api(api).create_node(_node())
    except ApiException as error:
        if error.status != _CONFLICT:
            raise
    resources = dynamic.DynamicClient(api).resources
    for manifest in (_policy(sorted(images)), _binding()):
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


def _node() -> dict[str, Any]:
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "250", "ephemeral-storage": "1Ti"}
    labels = {
        LABEL: "true",
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": NODE,
    }
    return {
        "metadata": {"name": NODE, "labels": labels},
        "spec": {"taints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}]},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            # Where the API server finds the simulated kubelet.
            "addresses": [{"type": "Hostname", "address": NODE}, {"type": "ExternalDNS", "address": "localhost"}],
        },
    }


def _policy(images: list[str]) -> dict[str, Any]:
    known = json.dumps(images)
    missing = (
        f"object.spec.containers.exists(c, !(c.image in {known})) || "
        f"(has(object.spec.initContainers) && object.spec.initContainers.exists(c, !(c.image in {known})))"
    )
    outside = " || ".join(f"object.metadata.name.startsWith('{prefix}')" for prefix in NEED_THE_OUTSIDE)
    daemon = "has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, o.kind == 'DaemonSet')"
    removed = " + ".join(
        f"(has(object.spec.{field}) ? [JSONPatch{{op: 'remove', path: '/spec/{field}'}}] : [])"
        for field in ("affinity", "topologySpreadConstraints")
    )
    moved = (
        f"[JSONPatch{{op: 'add', path: '/spec/nodeSelector', value: {{'{LABEL}': 'true'}}}}, "
        # Kubernetes 1.36.3 panics at a patch whose value is a list of objects, so the list comes first, empty.
        "JSONPatch{op: 'add', path: '/spec/tolerations', value: []}, "
        "JSONPatch{op: 'add', path: '/spec/tolerations/-', value: Object.spec.tolerations{operator: 'Exists'}}]"
    )
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "simulate-missing-images"},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [
                {"name": "cannot-run-here", "expression": f"{missing} || (has(object.metadata.name) && ({outside}))"},
                {"name": "not-of-a-daemon-set", "expression": f"!({daemon})"},
            ],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"{moved} + {removed}"}}],
        },
    }


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "simulate-missing-images"},
        "spec": {"policyName": "simulate-missing-images"},
    }
