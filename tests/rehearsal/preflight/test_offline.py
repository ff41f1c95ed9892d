"""What can be known without a call is refused without one, by file, field, finding and mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.rehearsal.preflight.conftest import DEPLOYMENT, Project


def _environment(change: Callable[[dict[str, Any]], Any]) -> Callable[[Project], None]:
    return lambda project: project.edit(change)


def _primary(**sizes: Any) -> Callable[[Project], None]:
    return _environment(lambda content: content["node_groups"]["primary"].update(sizes))


def _network(**fields: Any) -> Callable[[Project], None]:
    return _environment(lambda content: content["network"].update(fields))


def _cluster(**fields: Any) -> Callable[[Project], None]:
    return _environment(lambda content: content["cluster"].update(fields))


def _append(text: str) -> Callable[[Project], None]:
    return lambda project: project.file.write_text(project.file.read_text() + text) and None


def _bomb(project: Project) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    project.file.write_text("\n".join(lines) + "\n" + project.file.read_text())


def _circle(project: Project) -> None:
    project.component("a", needs=["b"])
    project.component("b", needs=["a"])


def _missing_manifest(project: Project) -> None:
    (project.component("broken") / "kustomization.yaml").write_text("resources: [deployment.yaml, gone.yaml]\n")


def _floating(project: Project) -> None:
    text = (project.component("floats") / "deployment.yaml").read_text().replace("pause:3.10", "pause:latest")
    (project.include / "manifests/data-layer/floats/deployment.yaml").write_text(text)


def _twice(project: Project) -> None:
    project.component("one", deployment=DEPLOYMENT)
    project.component("other", deployment=DEPLOYMENT)


def _needed(project: Project) -> None:
    project.component("store")
    project.component("shop", needs=["store"])
    project.edit(lambda content: content.update(components={"disabled": ["store"]}))


def _secret(project: Project) -> None:
    metadata = {"name": "login", "namespace": "tiny"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": "hunter2hunter2"}}
    project.component("leaky", deployment=secret)


TINY = "include/manifests/data-layer"
# What is done to the project; file and field; what was found; what mends it.
CASES: dict[str, tuple[Callable[[Project], None], str, str, str]] = {
    "unknown key": (_network(cird="x"), "{file}:7: network.cird", "unknown key 'cird'", "did you mean cidr?"),
    "duplicate key": (_append("name: x\n"), "{file}:20", 'found duplicate key "name"', "remove one of the two"),
    "alias bomb": (_bomb, "{file}", "72 YAML aliases", "write the values out"),
    "malformed CIDR": (_network(cidr="10.20.0/16"), "{file}:6: network.cidr", "'10.20.0/16'", "correct the value"),
    "host bits": (_network(cidr="10.20.3.0/16"), "{file}:6: network.cidr", "10.20.3.0/16", "write 10.20.0.0/16"),
    "one zone": (_network(zones=1), "{file}:5: network", "zones asks for 1", "at least two zones"),
    "min above desired": (_primary(min=3), "node_groups.primary", "min 3 <= desired 2", "sizes must rise"),
    "desired above max": (_primary(max=1), "node_groups.primary", "desired 2 <= max 1", "sizes must rise"),
    "unknown instance type": (
        _primary(instance_types=["t3.lrage"]),
        "{file}: node_groups.primary.instance_types",
        "'t3.lrage'",
        "did you mean t3.large?",
    ),
    "malformed version": (_cluster(version="latest"), "cluster.version", "'latest'", "correct the value"),
    "open to the world": (
        _cluster(endpoint={"public_cidrs": ["0.0.0.0/0"]}),
        "cluster.endpoint",
        "0.0.0.0/0, which opens the API to the world",
        "acknowledge_open_to_the_world: true",
    ),
    "unknown need": (
        lambda project: project.component("a", needs=["nowhere"]) and None,
        f"{TINY}/a/component.yaml: needs",
        "unknown component 'nowhere'",
        "correct or remove it",
    ),
    "circle": (_circle, "component.yaml: needs", "a circle: ", "remove one of these needs"),
    "component name too long": (
        lambda project: project.component("x" * 41) and None,
        f"{TINY}/{'x' * 41}/component.yaml",
        "(41 characters)",
        "rename the folder",
    ),
    "malformed component name": (
        lambda project: project.component("Kafka_1") and None,
        f"{TINY}/Kafka_1/component.yaml",
        "a folder named 'Kafka_1'",
        "rename the folder",
    ),
    "missing manifest": (
        _missing_manifest,
        f"{TINY}/broken/kustomization.yaml: resources[1]",
        "no file or folder gone.yaml",
        "add it, or correct its path",
    ),
    "floating tag": (_floating, f"{TINY}/floats: Deployment floats", "pause:latest", "the tag latest moves"),
    "two owners of an object": (
        _twice,
        f"{TINY}/one: Deployment tiny/server",
        f"the same object in {TINY}/other",
        "keep it in one of them",
    ),
    "disabled but needed": (
        _needed,
        "{file}: components.disabled",
        "'store', which shop needs",
        "enable store, or disable shop as well",
    ),
    "disabled but unknown": (
        _environment(lambda content: content.update(components={"disabled": ["nothing"]})),
        "{file}: components.disabled",
        "unknown component 'nothing'",
        "correct or remove it",
    ),
    "secret in Git": (
        _secret,
        f"{TINY}/leaky: Secret tiny/login",
        "a Secret with values for password",
        "declare it under secrets in component.yaml",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_without_a_call(project: Project, case: str) -> None:
    breaks, where, found, mend = CASES[case]
    breaks(project)
    before = project.calls()
    said = project.refusal()
    assert said.startswith("Nothing was changed. ")
    assert where.replace("{file}", project.shown) in said
    assert found in said
    assert mend in said
    assert "Mend: " in said
    assert "hunter2" not in said
    assert project.calls() == before, "it called AWS"


@pytest.mark.parametrize("name", ["x" * 22, "Dev_1"])
def test_environment_name(project: Project, name: str) -> None:
    project.edit(lambda content: content.update(name=name))
    before = project.calls()
    said = project.refusal()
    assert f"{project.shown}:1: name: found {name!r}" in said
    assert project.calls() == before


def test_wrong_region(project: Project) -> None:
    before = project.calls()
    said = project.refusal(region="eu-north-1")
    assert f"{project.shown}: regions: found no region 'eu-north-1'; allowed: us-east-1" in said
    assert project.calls() == before


def test_mistakes_of_all_files_at_once(project: Project) -> None:
    _network(cird="x")(project)
    project.component("a", needs=["nowhere"])
    said = project.refusal()
    assert "2 problems" in said
    assert "network.cird" in said
    assert "nowhere" in said
