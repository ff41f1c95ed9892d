"""What Slipway would apply, to every environment, is accepted as it is: strictly validated and without a warning."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
from slipway.catalog.components import load_components
from slipway.catalog.environments import environment_names, load_platform
from slipway.catalog.render import render_all

from tests.rehearsal.kubernetes.support import eventually

Manifest = dict[str, Any]
# What other objects need before they can even be judged.
FOUNDATIONS = ("CustomResourceDefinition", "Namespace")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("environment", environment_names())
def test_every_manifest_is_accepted_without_a_warning(server: httpx.Client, environment: str) -> None:
    manifests = rendered(environment)
    refused = []
    for manifest in (one for one in manifests if one["kind"] in FOUNDATIONS):
        refused += complaints(server, manifest, dry=False)
    for manifest in (one for one in manifests if one["kind"] == "CustomResourceDefinition"):
        eventually(lambda manifest=manifest: is_served(server, manifest))
    for manifest in (one for one in manifests if one["kind"] not in FOUNDATIONS):
        refused += complaints(server, manifest, dry=True)
    assert refused == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"replica": 2}}, ".spec.replica: field not declared in schema"),
        ({"spec": {"replicas": "two"}}, "replicas"),
    ],
)
def test_a_mistake_in_a_manifest_would_be_seen(server: httpx.Client, change: Manifest, words: str) -> None:
    deployment = next(one for one in rendered(environment_names()[0]) if one["kind"] == "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], **change["spec"]}}
    (complaint,) = complaints(server, {**wrong, "metadata": {**wrong["metadata"], "namespace": "default"}}, dry=True)
    assert words in complaint


@cache
def rendered(environment: str) -> list[Manifest]:
    """Every manifest of every component, in the order of the pipeline."""
    components = render_all(load_components().values(), load_platform(environment))
    assert components
    assert [component.name for component, manifests in components if not manifests] == []
    return [manifest for _, manifests in components for manifest in manifests]


def complaints(server: httpx.Client, manifest: Manifest, *, dry: bool) -> list[str]:
    """What the server says against a manifest when it is applied."""
    metadata = manifest["metadata"]
    name = f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
    try:
        path = path_of(server, manifest)
    except LookupError as error:
        return [f"{name}: {error}"]
    query = {"fieldManager": "slipway", "force": "true", "fieldValidation": "Strict"} | (
        {"dryRun": "All"} if dry else {}
    )
    answer = server.patch(path, params=query, json=manifest, headers={"Content-Type": "application/apply-patch+yaml"})
    said = [answer.json()["message"]] if answer.is_error else answer.headers.get_list("Warning")
    return [f"{name}: {one}" for one in said]


def path_of(server: httpx.Client, manifest: Manifest) -> str:
    """Path of an object, from what the server says it serves.

    :raises LookupError: it serves no such kind.
    """
    version = manifest["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    listing = server.get(root)
    served = listing.json()["resources"] if listing.is_success else []
    for one in served:
        if one["kind"] == manifest["kind"] and "/" not in one["name"]:
            scope = f"/namespaces/{manifest['metadata'].get('namespace', 'default')}" if one["namespaced"] else ""
            return f"{root}{scope}/{one['name']}/{manifest['metadata']['name']}"
    raise LookupError(f"{version} {manifest['kind']} is not served")


def is_served(server: httpx.Client, definition: Manifest) -> bool:
    """Whether the kinds that a definition brings can be used."""
    live = server.get(path_of(server, definition)).json()
    conditions = live.get("status", {}).get("conditions") or []  # null until its controller has seen it
    established = any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
    group = definition["spec"]["group"]
    versions = [one["name"] for one in definition["spec"]["versions"] if one["served"]]
    return established and all(server.get(f"/apis/{group}/{version}").is_success for version in versions)
