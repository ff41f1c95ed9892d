"""Watches: what is seen, from where, until when."""

from __future__ import annotations

import kubernetes.client as k8s
import pytest
from kubernetes.watch import Watch

from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.store import Store
from tests.rehearsal.kubernetes.support import config_map


def test_a_watch_sees_what_was_and_what_comes(core: k8s.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("a", namespace))
    seen = []
    for event in Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=10):
        name = event["object"].metadata.name
        if name == "kube-root-ca.crt":
            continue
        seen.append((event["type"], name))
        if len(seen) == 1:
            core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
        elif len(seen) == 2:
            core.delete_namespaced_config_map("a", namespace)
        elif len(seen) == 3:
            break
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_from_a_version_replays_and_ends_in_time(core: k8s.CoreV1Api, namespace: str) -> None:
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("a", namespace))
    events = Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=start,
        timeout_seconds=1,
        field_selector="metadata.name=a",
    )
    assert [event["type"] for event in events] == ["ADDED"]


def test_an_object_that_stops_matching_is_deleted_for_the_watcher(core: k8s.CoreV1Api, namespace: str) -> None:
    body = config_map("a", namespace)
    body["metadata"]["labels"] = {"on": "yes"}
    start = core.create_namespaced_config_map(namespace, body).metadata.resource_version
    core.patch_namespaced_config_map("a", namespace, {"metadata": {"labels": {"on": None}}})
    events = Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=1, label_selector="on"
    )
    assert [event["type"] for event in events] == ["DELETED"]


def test_a_version_that_is_too_old_is_gone() -> None:
    store = Store(history=2)
    for name in "abcd":
        store.put("configmaps", {"metadata": {"name": name, "uid": name}})
    assert [event.obj["metadata"]["name"] for event in store.since(3)] == ["c", "d"]
    with pytest.raises(ApiError) as caught:
        store.since(1)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
