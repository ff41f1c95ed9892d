"""Order of apply, what is left over, what changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.inventory import ObjectRef, changed_fields, digest, left_over, why_kept, without_field
from slipway.decisions.kinds import in_waves, is_ceded, wave_of

KINDS = ["Namespace", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "Role", "ServiceMonitor", "Job"]
names = st.text("abcdefgh-", min_size=1, max_size=6)
refs = st.builds(ObjectRef, st.sampled_from(["v1", "apps/v1", "policy/v1"]), st.sampled_from(KINDS), names, names)


def manifest(kind: str, name: str = "it", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "data"}, **rest}


def test_waves_bring_what_others_need_first() -> None:
    kinds = [
        "HorizontalPodAutoscaler",
        "Deployment",
        "Service",
        "ConfigMap",
        "NetworkPolicy",
        "StorageClass",
        "Namespace",
    ]
    ordered = [item["kind"] for wave in in_waves(manifest(kind) for kind in kinds) for item in wave]
    assert ordered == list(reversed(kinds))


@given(st.lists(st.sampled_from(KINDS)))
def test_waves_lose_nothing_and_rise(kinds: list[str]) -> None:
    waves = in_waves(manifest(kind, str(number)) for number, kind in enumerate(kinds))
    numbers = [wave_of(item["kind"]) for wave in waves for item in wave]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(kinds)
    assert all(waves)


@given(refs)
def test_keys_read_back(ref: ObjectRef) -> None:
    assert ObjectRef.parse(ref.key) == ref


@given(st.lists(refs), st.lists(refs))
def test_left_over_is_what_is_no_longer_wanted(earlier: list[ObjectRef], now: list[ObjectRef]) -> None:
    gone = left_over([ref.key for ref in earlier], now)
    identities = {ref.identity for ref in gone}
    assert identities.isdisjoint(ref.identity for ref in now)
    assert identities <= {ref.identity for ref in earlier}
    assert len(identities) == len(gone)
    waves = [wave_of(ref.kind) for ref in gone]
    assert waves == sorted(waves, reverse=True)


def test_another_version_of_the_api_is_the_same_object() -> None:
    old = ObjectRef("policy/v1beta1", "PodDisruptionBudget", "data", "it")
    assert left_over([old.key], [ObjectRef("policy/v1", "PodDisruptionBudget", "data", "it")]) == []


def test_the_namespace_of_the_inventories_is_never_left_over() -> None:
    assert left_over([ObjectRef("v1", "Namespace", "", "slipway-system").key], []) == []


@pytest.mark.parametrize(
    ("kind", "labels", "expected"),
    [
        ("ConfigMap", {"slipway.dev/component": "kafka"}, None),
        ("ConfigMap", {"slipway.dev/component": "maze"}, "belongs to maze"),
        ("ConfigMap", {}, "no longer carries our label"),
        ("PersistentVolumeClaim", {"slipway.dev/component": "kafka"}, "holds data"),
        ("Namespace", {"slipway.dev/component": "kafka"}, "holds data or other objects"),
    ],
)
def test_only_ours_and_only_what_holds_no_data_is_pruned(
    kind: str, labels: dict[str, str], expected: str | None
) -> None:
    live = {"kind": kind, "metadata": {"name": "it", "labels": labels}}
    reason = why_kept(live, "kafka")
    assert reason is None if expected is None else expected in (reason or "")


def test_digest_ignores_order_and_nothing_else() -> None:
    one, two = manifest("ConfigMap", "a", data={"x": "1"}), manifest("ConfigMap", "b")
    assert digest([one, two]) == digest([two, one])
    assert digest([one, two]) != digest([{**one, "data": {"x": "2"}}, two])
    assert len(digest([])) == 64


def test_changed_fields_name_containers_and_pass_over_the_servers_own() -> None:
    before = {
        "metadata": {"name": "it", "resourceVersion": "1", "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {
            "template": {"spec": {"containers": [{"name": "kafka", "image": "a"}, {"name": "jmx", "image": "b"}]}}
        },
        "status": {"replicas": 1},
    }
    after = {
        "metadata": {"name": "it", "resourceVersion": "2", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {
            "template": {"spec": {"containers": [{"name": "kafka", "image": "c"}, {"name": "jmx", "image": "b"}]}}
        },
        "status": {"replicas": 2},
    }
    assert changed_fields(before, after) == ["spec.template.spec.containers[kafka].image"]
    assert changed_fields(before, before) == []
    assert changed_fields({"metadata": {}, "data": {"a": "1"}}, {"metadata": {}, "data": {}}) == ["data.a"]


def test_values_never_show_in_changed_fields() -> None:
    fields = changed_fields(
        {"metadata": {}, "data": {"password": "b25l"}}, {"metadata": {}, "data": {"password": "dHdv"}}
    )
    assert fields == ["data.password"]


def test_fields_are_taken_out_by_the_api_servers_paths() -> None:
    hook = {"webhooks": [{"name": "a.b", "clientConfig": {"caBundle": "x", "url": "y"}}], "metadata": {"name": "it"}}
    assert without_field(hook, '.webhooks[name="a.b"].clientConfig.caBundle')["webhooks"][0]["clientConfig"] == {
        "url": "y"
    }
    assert without_field({"spec": {"replicas": 1, "x": 2}}, ".spec.replicas") == {"spec": {"x": 2}}
    assert without_field({"spec": {}}, ".status.nothing.here") == {"spec": {}}


@pytest.mark.parametrize(
    ("field", "manager", "ceded"),
    [
        (".spec.replicas", "kube-controller-manager", True),
        (".spec.replicas", "kubectl-edit", False),
        (".spec.template.spec.containers", "kube-controller-manager", False),
        ('.webhooks[name="a"].clientConfig.caBundle', "cert-manager-cainjector", True),
    ],
)
def test_only_controllers_fields_are_ceded(field: str, manager: str, ceded: bool) -> None:
    assert is_ceded(field, manager) is ceded
