"""Images as archives: the same recipe gives the same bytes, and what is written is a whole OCI layout."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile

import pytest

from rehearsal.images import archive
from rehearsal.images.debian import _versions
from rehearsal.images.layers import Layers
from rehearsal.images.sources import SourceError, maven, run
from rehearsal.images.table import Image, Layer
from rehearsal.images.tree import write_layer


@pytest.fixture
def image():
    return Image(
        name="example/tool:1",
        nearness="stand-in",
        note="for tests",
        layers=[{"files": {"folders": {"/data": "1000:1000:0755"}, "links": {"/bin/sh": "busybox"}}}],
        user="1000",
        entrypoint=["/tool"],
        cmd=["serve"],
        env={"A": "b"},
    )


@pytest.fixture
def built(image, tmp_path):
    layers = Layers(tmp_path)
    return [layers.build(layer) for layer in image.layers]


def test_a_layer_is_built_once(tmp_path, capsys):
    layers, layer = Layers(tmp_path), Layer(files={"folders": {"/data": "1000:1000:0750"}})
    assert layers.find(layer) is None
    first = layers.build(layer)
    assert "Building files layer" in capsys.readouterr().err
    assert layers.build(layer) == first
    assert capsys.readouterr().err == ""


def test_an_interrupted_build_leaves_nothing(tmp_path):
    layers = Layers(tmp_path)
    with pytest.raises(FileNotFoundError):
        layers.build(Layer(files={"copy": {"/a": "files/not-there"}}))
    assert list((tmp_path / "layers").iterdir()) == []


def test_the_layout_is_whole(image, built):
    stream = io.BytesIO()
    archive.write(image, built, stream)
    stream.seek(0)
    blobs = {}
    with tarfile.open(fileobj=stream) as opened:
        for entry in opened:
            blobs[entry.name] = opened.extractfile(entry).read()
    for name, content in blobs.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    [described] = json.loads(blobs["index.json"])["manifests"]
    assert described["digest"] == archive.digest(image, built)
    assert described["annotations"]["io.containerd.image.name"] == "docker.io/example/tool:1"
    manifest = json.loads(blobs[f"blobs/{described['digest'].replace(':', '/')}"])
    config = json.loads(blobs[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    assert config["config"]["Entrypoint"] == ["/tool"]
    assert config["config"]["User"] == "1000"
    assert "A=b" in config["config"]["Env"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert all(f"blobs/{layer['digest'].replace(':', '/')}" in blobs for layer in manifest["layers"])


def test_the_digest_follows_what_is_in_the_image(image, built):
    other = image.model_copy(update={"user": "0"})
    assert archive.digest(image, built) != archive.digest(other, built)


def test_a_layer_does_not_depend_on_who_made_it_and_when(tmp_path):
    digests = set()
    for number, umask_took in enumerate((0o644, 0o600)):
        folder = tmp_path / str(number)
        (folder / "etc").mkdir(parents=True)
        file = folder / "etc" / "file"
        file.write_text("same")
        file.chmod(umask_took)
        os.utime(file, (number, number))
        target = tmp_path / f"{number}.tar"
        write_layer(folder, target, {"/etc": (5, 6, 0o700)})
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
        with tarfile.open(target) as opened:
            entry = opened.getmember("etc")
            assert (entry.uid, entry.gid, entry.mode) == (5, 6, 0o700)
            assert opened.getmember("etc/file").mode == 0o644
    assert len(digests) == 1


def test_a_tool_that_is_missing_is_named():
    with pytest.raises(SourceError, match="no-such-tool is not installed"):
        run(["no-such-tool", "build"])


def test_a_tool_that_fails_is_quoted():
    with pytest.raises(SourceError, match="because of this"):
        run(["sh", "-c", "echo because of this >&2; exit 3"])


def test_a_jar_that_is_not_as_pinned_stops_the_build(tmp_path, monkeypatch):
    (tmp_path / "jars.sha256").write_text(f"{'0' * 64}  a.jar\n")
    into = tmp_path / "libs"
    monkeypatch.setattr("rehearsal.images.sources.run", lambda _command: (into / "a.jar").write_bytes(b"other"))
    with pytest.raises(SourceError, match=r"differs from what Maven Central gave in \['a.jar'\]"):
        maven(tmp_path, into)


def test_packages_of_a_root_file_system_are_read_from_it(tmp_path):
    status = b"Package: curl\nVersion: 8.14.1-2\nDescription: a\n client: of: URLs\n\nPackage: sh\nVersion: 1\n"
    root = tmp_path / "root.tar"
    with tarfile.open(root, "w") as opened:
        header = tarfile.TarInfo("./var/lib/dpkg/status")
        header.size = len(status)
        opened.addfile(header, io.BytesIO(status))
    assert _versions(root) == {"curl": "8.14.1-2", "sh": "1"}
