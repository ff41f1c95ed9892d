"""Generated environments and components: whatever comes, it loads, or is refused with file, field and mend.

What loads must also be what the CloudFormation templates take, or a mistake would be found in the middle of a deploy.
"""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slipway.catalog.documents import load_document
from slipway.decisions.parameters import Facts, nodegroup_parameters, stack_parameters
from slipway.model.component import ComponentSpec
from slipway.model.environment import Environment
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform, Stack

from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.template import _resolve_parameters, parse

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "include" / "cloudformation"
PARAMETERS = {path.stem: parse(path.read_text())["Parameters"] for path in TEMPLATES.glob("*.yaml")}
QUICK = settings(
    max_examples=2000 if os.environ.get("SLIPWAY_THOROUGH") else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DEV: dict[str, Any] = yaml.safe_load((ROOT / "include/environments/dev.yaml").read_text())
PROD: dict[str, Any] = yaml.safe_load((ROOT / "include/environments/prod.yaml").read_text())
KAFKA: dict[str, Any] = yaml.safe_load((ROOT / "include/manifests/data-layer/kafka/component.yaml").read_text())

HOSTILE = (
    *("", " ", "\0", "\n", "{{ x }}", "{% raw %}", "${AWS::AccountId}", "$(id)", "`id`", "../..", "<script>", "'", '"'),
    *("!!python/name:os.system", "*a", "&a", "0x1f", "1e999", "no", "~", "null", "1:30", "\u202e", "é" * 300),
)
nasty = st.one_of(
    st.text(max_size=30),
    st.sampled_from(HOSTILE),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(place for key, value in children for place in paths(value, (*at, key)))]


def changed(document: dict[str, Any], place: tuple[Any, ...], value: Any, how: str) -> dict[str, Any]:
    """The document with one place set, dropped, or given another key."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    node: Any = copy
    for part in place[:-1]:
        node = node[part]
    if not place:
        return copy
    if how == "drop":
        del node[place[-1]]
    elif how == "rename" and isinstance(node, dict):
        node[str(value)] = node.pop(place[-1])
    else:
        node[place[-1]] = value
    return copy


def mutated(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A document with up to three places broken."""
    edits = st.lists(
        st.tuples(st.sampled_from(paths(document)), nasty, st.sampled_from(["set", "drop", "rename"])),
        min_size=1,
        max_size=3,
    )

    def apply(some: list[tuple[tuple[Any, ...], Any, str]]) -> dict[str, Any]:
        result = document
        for place, value, how in some:
            try:
                result = changed(result, place, value, how)
            except (KeyError, IndexError, TypeError, ValueError):
                continue  # an earlier edit took the place away
        return result

    return edits.map(apply)


def loads(folder: Path, document: Any, model: type[Any]) -> Any:
    """The loaded model, or None when it was refused as a person would want it."""
    file = folder / "some.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    try:
        return load_document(file, model, "include/some.yaml")
    except ConfigurationError as error:
        for one in error.problems:
            assert re.fullmatch(r"include/some\.yaml(:\d+)?", one.where), one
            assert one.found, one
            assert one.allowed, one
            assert one.mend, one
        return None


@QUICK
@given(document=st.one_of(mutated(DEV), mutated(PROD)))
def test_environments(tmp_path: Path, document: dict[str, Any]) -> None:
    environment = loads(tmp_path, document, Environment)
    if environment is not None:
        taken_by_templates(environment)


@QUICK
@given(document=mutated(KAFKA))
def test_components(tmp_path: Path, document: dict[str, Any]) -> None:
    spec = loads(tmp_path, document, ComponentSpec)
    if spec is not None:
        assert spec.timeout <= timedelta(hours=24)
        json.dumps(spec.model_dump(mode="json"), allow_nan=False)


@QUICK
@given(text=st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_any_bytes(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "some.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError):
        load_document(file, Environment, "include/some.yaml")


class AnyFacts(Facts):
    """Outputs as they would be, whatever is asked for."""

    def output(self, platform: Platform, stack: Stack, name: str) -> str:
        if name.endswith("KeyArn"):
            return "arn:aws:kms:us-east-1:123456789012:key/1234abcd"
        if name == "AuditBucketName":
            return f"{platform.bucket}-audit"
        return "some-output"


def taken_by_templates(environment: Environment) -> None:
    """Every parameter that the environment decides is one that its template takes."""
    platform = Platform(environment, environment.regions[0])
    zones = [f"{platform.region}{letter}" for letter in "abc"][: environment.network.zone_count]
    facts = AnyFacts(zones=zones, outputs={})
    wanted = {stack.value: stack_parameters(stack, platform, facts) for stack in Stack}
    for group in platform.node_groups(zones):
        if len(group.name) <= 63:  # longer ones are refused by preflight
            wanted[f"nodegroup {group.name}"] = nodegroup_parameters(group, platform, facts)
    for name, parameters in wanted.items():
        declared = PARAMETERS[name.split(" ")[0]]
        assert set(parameters) <= set(declared)
        try:
            _resolve_parameters(declared, parameters)
        except ValidationError as error:
            raise AssertionError(f"{name} would be refused in the middle of a deploy: {error}") from None
