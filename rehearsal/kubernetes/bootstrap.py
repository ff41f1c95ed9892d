"""What is in a fresh EKS cluster before anybody does anything: ``data/bootstrap.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from rehearsal.kubernetes.objects import Obj, name_of, namespace_of
from rehearsal.kubernetes.resources import DATA
from rehearsal.kubernetes.rest.options import WriteOptions

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster


def populate(cluster: Cluster) -> None:
    """Create the objects of a fresh cluster."""
    for obj in documents(DATA / "bootstrap.yaml"):
        create(cluster, obj)


def documents(path: Path) -> Iterator[Obj]:
    """The objects of a YAML file."""
    for document in yaml.safe_load_all(path.read_text()):
        if document:
            yield document


def create(cluster: Cluster, obj: Obj, manager: str = "eks") -> Obj:
    """Create one object as EKS itself would; what exists stays as it is."""
    resource = cluster.catalog.by_kind(obj["apiVersion"], obj["kind"])
    if resource is None:
        raise LookupError(f"{obj['apiVersion']} {obj['kind']} {name_of(obj)}: the cluster serves no such kind")
    namespace = namespace_of(obj) if resource.namespaced else ""
    found = cluster.store.get(resource.id, namespace, name_of(obj))
    if found is not None:
        return found
    options = WriteOptions(manager=manager, field_validation="Strict")
    return cluster.registry.create(resource, namespace, obj, options)
