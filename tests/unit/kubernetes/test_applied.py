"""An apply is left out only where the API server would find nothing to do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from slipway.decisions.applied import is_applied

MANAGER = "slipway"
Object = dict[str, Any]

MANIFEST: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "apps", "labels": {"slipway.dev/component": "web"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "web:1", "args": ["-v"], "ports": [{"containerPort": 8080}]},
                    {"name": "side", "image": "side:1"},
                ]
            }
        },
    },
}
# In the form of a kube-apiserver: defaults in the keys, atomic values without anything below.
FIELDS: Object = {
    "f:metadata": {"f:labels": {"f:slipway.dev/component": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"side"}': {".": {}, "f:image": {}, "f:name": {}},
                    'k:{"name":"web"}': {
                        ".": {},
                        "f:args": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                        },
                    },
                }
            }
        },
    },
}


def deployed() -> Object:
    """The manifest after it was applied: with defaults, and with a status that its controller wrote."""
    live: Object = copy.deepcopy({key: value for key, value in MANIFEST.items() if key not in {"apiVersion", "kind"}})
    web = live["spec"]["template"]["spec"]["containers"][0]
    web["ports"][0]["protocol"] = "TCP"
    web["imagePullPolicy"] = "IfNotPresent"
    live["spec"]["progressDeadlineSeconds"] = 600
    live["status"] = {"replicas": 1}
    mine = {"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": copy.deepcopy(FIELDS)}
    status = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
    live["metadata"]["managedFields"] = [mine, status]
    return live


def test_what_is_as_we_applied_it_needs_no_apply() -> None:
    assert is_applied(MANIFEST, deployed(), MANAGER)


def _image_edited(live: Object) -> None:
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"


def _field_taken_over(live: Object) -> None:
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"]


def _item_gone(live: Object) -> None:
    live["spec"]["template"]["spec"]["containers"].pop()


def _label_gone(live: Object) -> None:
    del live["metadata"]["labels"]


def _atomic_list_edited(live: Object) -> None:
    live["spec"]["template"]["spec"]["containers"][0]["args"] = ["-v", "-x"]


def _being_deleted(live: Object) -> None:
    live["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"


def _updated_and_not_applied(live: Object) -> None:
    live["metadata"]["managedFields"][0]["operation"] = "Update"


def _also_updated_by_us(live: Object) -> None:
    live["metadata"]["managedFields"].append({"manager": MANAGER, "operation": "Update", "apiVersion": "apps/v1"})


def _by_another_version(live: Object) -> None:
    live["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta2"


def _unknown(live: Object) -> None:
    del live["metadata"]["managedFields"]


@pytest.mark.parametrize(
    "change",
    [
        _image_edited,
        _field_taken_over,
        _item_gone,
        _label_gone,
        _atomic_list_edited,
        _being_deleted,
        _updated_and_not_applied,
        _also_updated_by_us,
        _by_another_version,
        _unknown,
    ],
)
def test_what_somebody_changed_is_applied(change: Callable[[Object], None]) -> None:
    live = deployed()
    change(live)
    assert not is_applied(MANIFEST, live, MANAGER)


def test_a_field_that_left_the_manifest_is_applied_to_be_taken_off() -> None:
    less = copy.deepcopy(MANIFEST)
    del less["spec"]["replicas"]
    assert not is_applied(less, deployed(), MANAGER)


def test_a_field_that_is_new_in_the_manifest_is_applied() -> None:
    more = copy.deepcopy(MANIFEST)
    more["spec"]["template"]["spec"]["containers"][1]["args"] = []
    assert not is_applied(more, deployed(), MANAGER)


def test_one_is_not_true() -> None:
    live = deployed()
    live["spec"]["replicas"] = True
    assert not is_applied(MANIFEST, live, MANAGER)


def test_sets_are_compared_by_value() -> None:
    manifest = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "finalizers": ["a", "b"]}}
    fields = {"f:metadata": {"f:finalizers": {".": {}, 'v:"a"': {}, 'v:"b"': {}}}}
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}
    live: Object = {"metadata": {"name": "x", "finalizers": ["a", "b", "c"], "managedFields": [entry]}}
    assert is_applied(manifest, live, MANAGER)
    live["metadata"]["finalizers"] = ["a"]
    assert not is_applied(manifest, live, MANAGER)
