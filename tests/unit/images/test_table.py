"""The table of images against the manifests: every image that a pod names is in it, under that very name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rehearsal.images import layers
from rehearsal.images.docs import PAGE, page, table_of
from rehearsal.images.table import Image, Layer, Nearness, TableError, load

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "include" / "manifests"
NAMED = re.compile(r"^\s*(?:- )?image: *[\"']?([a-z0-9][^\s\"'#]+)", re.MULTILINE)


def named_by_manifests() -> set[str]:
    found: set[str] = set()
    for path in MANIFESTS.rglob("*.yaml"):
        found |= {name.partition("@")[0] for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    return found


@pytest.fixture(scope="module")
def table():
    return load()


def test_manifests_name_images_at_all():
    assert len(named_by_manifests()) > 10


def test_every_image_of_the_manifests_is_in_the_table(table):
    missing = named_by_manifests() - {image.name for image in table.images}
    assert not missing, f"add to rehearsal/images/images.yaml, if only as 'cannot be had': {sorted(missing)}"


def test_no_image_is_listed_that_nothing_names(table):
    stale = {image.name for image in table.images if image.group != "cluster"} - named_by_manifests()
    assert not stale, f"no manifest names {sorted(stale)} any more"


def test_names_are_unique_and_tagged(table):
    names = [image.name for image in table.images]
    assert len(set(names)) == len(names)
    assert all(":" in name.rpartition("/")[2] for name in names)


def test_recipes_name_files_that_exist(table):
    for image in table.images:
        for layer in table.layers_of(image):
            if layer.files:
                for source in layer.files.copy_.values():
                    assert (layers.FOLDER / source).exists(), f"{image.name}: {source}"
            if layer.maven:
                assert (layers.FOLDER / layer.maven.folder / "jars.sha256").is_file()
            if layer.npm:
                assert (layers.FOLDER / layer.npm.folder / "package-lock.json").is_file()
            if layer.own_go:
                assert (layers.FOLDER.parent / layer.own_go.folder / "go.sum").is_file()
        for text in image.probe.files.values() if image.probe else ():
            assert not text.startswith("@") or (layers.FOLDER / text[1:]).is_file()


def test_python_requirements_have_hashes(table):
    for image in table.images:
        for layer in table.layers_of(image):
            if layer.python:
                text = (layers.FOLDER / layer.python.requirements).read_text(encoding="utf-8")
                assert text.count("==") <= text.count("--hash=sha256:")


def test_all_that_can_be_had_can_be_verified(table):
    # The tag that a dry run names is of the same program as the one that is run.
    without = {image.name for image in table.images if image.layers and not image.probe}
    assert without == {"registry.k8s.io/pause:3.10.1"}


def test_probes_run_as_the_manifests_do(table):
    for image in table.images:
        if image.probe and image.group != "cluster":
            assert image.probe.read_only
            assert image.probe.user.split(":")[0] != "0", image.name


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("mysql:8.4.11", "docker.io/library/mysql:8.4.11"),
        ("apache/kafka:4.3.1", "docker.io/apache/kafka:4.3.1"),
        ("quay.io/prometheus/prometheus:v3.15.0", "quay.io/prometheus/prometheus:v3.15.0"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
    ],
)
def test_reference_is_as_containerd_keeps_it(name, reference):
    image = Image(name=name, nearness="cannot be had", note="none")
    assert image.reference == reference


def test_images_are_found_with_and_without_tag(table):
    assert table.find("apache/kafka") is table.find("apache/kafka:4.3.1")
    with pytest.raises(TableError, match="apache/kafka"):
        table.find("apache/kafkaesque")


def test_a_layer_has_one_way_to_be_built():
    with pytest.raises(ValidationError, match="one way"):
        Layer(use="a", files={})


def test_an_image_is_had_or_not():
    with pytest.raises(ValidationError, match="has no layers"):
        Image(name="a:1", nearness="same version", note="none")


def test_what_depends_on_a_file_is_built_anew_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "FOLDER", tmp_path / "images")
    script = tmp_path / "images" / "files" / "run"
    script.parent.mkdir(parents=True)
    script.write_text("one")
    layer = Layer(files={"copy": {"/run": "files/run"}})
    before = layers.key(layer)
    assert layers.key(layer) == before
    script.write_text("two")
    assert layers.key(layer) != before


def test_the_page_lists_every_image(table):
    text = PAGE.read_text(encoding="utf-8")
    kept = yaml.safe_load((layers.FOLDER / "verified.yaml").read_text(encoding="utf-8"))
    verified = {name: entry["seconds"] for name, entry in kept.items()}
    assert text == page(text, table, verified), "run: make images-docs"


def test_what_was_not_verified_shows_as_such(table):
    rows = table_of(table, {}).splitlines()
    assert any("not yet" in row and "`apache/kafka:4.3.1`" in row for row in rows)
    assert all(row.endswith("| - |") for row in rows if f"| {Nearness.CANNOT.value} |" in row)


def test_a_page_without_a_place_for_the_table_is_refused(table):
    with pytest.raises(ValueError, match="lacks the lines"):
        page("# Images", table, {})
