"""What real nodes are made from, as far as it can be judged without root."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from rehearsal.node import configuration, machine, needs, simulation
from rehearsal.node.configuration import Credentials, Wanted
from rehearsal.node.network import Place
from rehearsal.node.pki import Authority
from rehearsal.node.volumes import Folders

ALLOCATABLE = {"cpu": "1930m", "memory": "7Gi"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of one node."""
    authority = Authority(tmp_path / "pki", "test")
    kubelet = authority.issue("system:node:n", ("system:nodes",), ("n", "10.20.1.4"))
    credentials = Credentials("https://100.127.1.1:6443", authority.pair.certificate, kubelet, kubelet)
    wanted = Wanted("n", "10.20.1.4", "aws:///us-east-1a/i-1", "10.244.7.0/24", 35, ALLOCATABLE)
    configuration.write(tmp_path, wanted, credentials, "/usr/lib/cni")
    return tmp_path / "etc"


def test_a_kubelet_offers_no_more_than_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: sizes[name])
    assert configuration.reserved(ALLOCATABLE) == {"cpu": "2070m", "memory": f"{9 * 1024}Mi"}


def test_a_machine_smaller_than_the_instance_keeps_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert configuration.reserved({"cpu": "96", "memory": "100000Gi"}) == {"cpu": "0m", "memory": "0Mi"}


def test_a_kubelet_asks_who_calls_it(files: Path) -> None:
    found = json.loads((files / "kubelet.json").read_text())
    assert found["authentication"]["anonymous"] == {"enabled": False}
    assert found["authorization"] == {"mode": "Webhook"}
    assert (found["maxPods"], found["providerID"]) == (35, "aws:///us-east-1a/i-1")


def test_pods_get_addresses_of_their_node(files: Path) -> None:
    (plugin, _) = json.loads((files / "cni" / "10-slipway.conflist").read_text())["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]]
    assert plugin["ipMasq"] is False
    assert Place(7, "10.20.1.4").pods == "10.244.7.0/24"


def test_a_node_is_known_by_its_certificate(files: Path) -> None:
    path = files.parent / "pki" / "system-node-n.crt"
    found = x509.load_pem_x509_certificate(path.read_bytes())
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:n"
    assert found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    authority = x509.load_pem_x509_certificate((files.parent / "pki" / "ca.crt").read_bytes())
    found.verify_directly_issued_by(authority)
    assert path.with_suffix(".key").stat().st_mode & 0o077 == 0


def test_images_are_known_by_every_name_pods_may_give_them() -> None:
    found = simulation.names(["docker.io/library/busybox:1", "docker.io/apache/kafka:4", "quay.io/a/b:1"])
    assert {"busybox:1", "docker.io/library/busybox:1", "apache/kafka:4", "quay.io/a/b:1"} <= found


def test_a_volume_is_a_folder_reached_from_one_node(tmp_path: Path) -> None:
    name = "pvc-01234567-89ab-cdef-0123-456789abcdef"
    place = Folders(tmp_path).place(name, "n", "us-east-1a")
    assert place["local"] == {"path": str(tmp_path / name)}
    assert (tmp_path / name).is_dir()
    (term,) = place["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n"]}]


@pytest.mark.parametrize("name", ["../etc", "pvc-", "pvc-../../../../../../../../../../../../../x"])
def test_nothing_but_a_volume_is_made_or_removed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a volume's name"):
        Folders(tmp_path).place(name, "n", "z")


def test_nodes_share_what_is_unpacked_and_own_their_databases(tmp_path: Path) -> None:
    store, node = tmp_path / "store", tmp_path / "node"
    blob, database = "io.containerd.content.v1.content/blobs/sha256/a", "io.containerd.metadata.v1.bolt/meta.db"
    for name in (blob, database):
        (store / name).parent.mkdir(parents=True)
        (store / name).write_text("as imported")
    machine.copy_store(store, node)
    assert (node / blob).stat().st_ino == (store / blob).stat().st_ino
    (node / database).write_text("the node's")
    assert (store / database).read_text() == "as imported"


def test_all_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(shutil, "which", nothing)
    monkeypatch.setattr(needs, "CNI_PLUGINS", ())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(needs.NeedError) as caught:
        needs.require()
    for words in (
        "root is needed",
        "apt-get install containerd",
        "containernetworking-plugins",
        "CLUSTER=control-plane",
    ):
        assert words in str(caught.value)
