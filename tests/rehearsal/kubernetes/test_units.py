"""Pure parts: field sets, quantities, selectors, patches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.apply import typed
from rehearsal.kubernetes.apply.fieldset import difference, intersection, paths, union
from rehearsal.kubernetes.apply.patches import merge_patch, strategic_merge
from rehearsal.kubernetes.kubelet.images import pull_seconds
from rehearsal.kubernetes.kubelet.references import expand
from rehearsal.kubernetes.schema.nodes import builtin_definitions

KEYS = st.sampled_from([f"f:{letter}" for letter in "abc"])


def _normal(node: dict[str, Any]) -> dict[str, Any]:
    """A lone "." is how no set is written."""
    return {k: ({} if v == {".": {}} else v) for k, v in node.items()}


SETS = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(st.one_of(KEYS, st.just(".")), below, max_size=3).map(
        lambda d: _normal({k: ({} if k == "." else v) for k, v in d.items()})
    ),
    max_leaves=8,
).map(lambda d: {k: v for k, v in d.items() if k != "."})


@given(SETS, SETS)
def test_field_sets_are_sets(left: dict[str, Any], right: dict[str, Any]) -> None:
    ours, theirs = set(paths(left)), set(paths(right))
    assert set(paths(union(left, right))) == ours | theirs
    assert set(paths(intersection(left, right))) == ours & theirs
    assert set(paths(difference(left, right))) == ours - theirs


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [("1", 1000), ("500m", 500), ("1Ki", 1_024_000), ("2e3", 2_000_000), ("0.1", 100), ("1n", 1), ("-2", -2000)],
)
def test_quantities(text: str, thousandths: int) -> None:
    assert quantity.parse(text) == thousandths


def test_a_quantity_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse("1 Gi")


@given(st.integers(min_value=0, max_value=10**15))
def test_rendered_quantities_read_back(amount: int) -> None:
    assert quantity.parse(quantity.render(amount)) == amount
    assert quantity.parse(quantity.render(amount, "1Gi")) == amount


JSON = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3)),
    lambda below: st.one_of(st.lists(below, max_size=2), st.dictionaries(st.sampled_from("abc"), below, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_idempotent_and_leaves_its_target(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert repr(target) == before


@given(
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=2)),
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=2)),
)
def test_comparing_tells_added_removed_and_modified_apart(old: dict[str, str], new: dict[str, str]) -> None:
    node = builtin_definitions("1.36").node("io.k8s.api.core.v1.ConfigMap")
    found = typed.compare(node, {"data": old}, {"data": new})

    def names(fields: dict[str, Any]) -> set[str]:
        return {key[2:] for key in fields.get("f:data", {}) if key != "."}

    assert names(found.added) == new.keys() - old.keys()
    assert names(found.removed) == old.keys() - new.keys()
    assert names(found.modified) == {k for k in old.keys() & new.keys() if old[k] != new[k]}


POD = {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}], "nodeSelector": {"x": "1"}}
STRATEGIC: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "merge by name": (
        {"containers": [{"name": "b", "image": "b:2"}]},
        {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]},
    ),
    "delete": ({"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [{"name": "b", "image": "b:1"}]}),
    "replace": (
        {"containers": [{"$patch": "replace"}, {"name": "c", "image": "c:1"}]},
        {"containers": [{"name": "c", "image": "c:1"}]},
    ),
    "order": (
        {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
        {"containers": [{"name": "b", "image": "b:1"}, {"name": "a", "image": "a:1"}]},
    ),
    "null": ({"nodeSelector": None}, {"nodeSelector": None}),
    "map replaced": ({"nodeSelector": {"$patch": "replace", "y": "2"}}, {"nodeSelector": {"y": "2"}}),
}


@pytest.mark.parametrize("case", STRATEGIC)
def test_strategic_merge(case: str) -> None:
    patch, expected = STRATEGIC[case]
    node = builtin_definitions("1.36").node("io.k8s.api.core.v1.PodSpec")
    result = strategic_merge(node, POD, patch)
    assert {key: result.get(key) for key in expected} == expected


def test_variables_expand_as_in_container_commands() -> None:
    assert expand("$(A) $$(A) $(B) $A", {"A": "x"}) == "x $(A) $(B) $A"


@given(st.text(max_size=30))
def test_pulls_take_5_to_40_seconds(image: str) -> None:
    assert 5 <= pull_seconds(image) <= 40
