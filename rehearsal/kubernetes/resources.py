"""What the API server serves: the built-in table ``data/resources.yaml`` and custom resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.kubernetes.errors import qualified
from rehearsal.kubernetes.objects import Obj, dig
from rehearsal.kubernetes.schema import Definitions, Node, custom_resource

DATA = Path(__file__).parent / "data"
_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One served resource at one version.

    :ivar id: ``plural.group``, the same at every version; names the resource in the store.
    :ivar verbs: what may be done; virtual resources (reviews) only create.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    node: Node
    definition: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = _ALL_VERBS
    selectable: frozenset[str] = frozenset()
    columns: tuple[Any, ...] = field(default=(), hash=False)
    custom: bool = False
    scale: Any = field(default=None, hash=False)

    @property
    def id(self) -> str:
        return qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        """``group/version`` as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own endpoint."""
        return "status" in self.subresources

    @property
    def virtual(self) -> bool:
        """Whether nothing is stored (reviews)."""
        return "get" not in self.verbs


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "resources.yaml").read_text())
    return loaded


class Catalog:
    """All resources one cluster serves.

    :ivar definitions: the published schema of the cluster's version.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Resource] = {}
        self._by_id: dict[str, Resource] = {}
        self.use(definitions)

    def use(self, definitions: Definitions) -> None:
        """Serve the built-in resources of another version; custom resources stay."""
        self.definitions = definitions
        self._by_path = {key: resource for key, resource in self._by_path.items() if resource.custom}
        self._by_kind = {key: resource for key, resource in self._by_kind.items() if resource.custom}
        self._by_id = {key: resource for key, resource in self._by_id.items() if resource.custom}
        for api_version, entries in _table().items():
            group, _, version = api_version.rpartition("/")
            for plural, entry in entries.items():
                self._add_builtin(group, version, plural, entry)

    def _add_builtin(self, group: str, version: str, plural: str, entry: Obj) -> None:
        definition = self.definitions.name_for(group, version, entry["kind"])
        if definition is None:
            return
        self._add(
            Resource(
                group=group,
                version=version,
                plural=plural,
                kind=entry["kind"],
                namespaced=not entry.get("cluster", False),
                node=self.definitions.node(definition),
                definition=definition,
                short=tuple(entry.get("short", ())),
                categories=tuple(entry.get("categories", ())),
                subresources=frozenset(entry.get("subresources", ())),
                verbs=tuple(entry.get("verbs", _ALL_VERBS)),
                selectable=frozenset(entry.get("fields", ())),
                columns=tuple(entry.get("columns", ())),
            )
        )

    def _add(self, resource: Resource) -> None:
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.group, resource.version, resource.kind] = resource
        self._by_id.setdefault(resource.id, resource)

    def by_path(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource under ``/apis/<group>/<version>/<plural>``."""
        return self._by_path.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a type as objects name it."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def by_id(self, resource_id: str) -> Resource:
        """The resource stored under that id (its preferred version)."""
        return self._by_id[resource_id]

    def find(self, resource_id: str) -> Resource | None:
        """As :meth:`by_id`; None when it is not served."""
        return self._by_id.get(resource_id)

    def all(self) -> list[Resource]:
        """Every resource at every version."""
        return list(self._by_path.values())

    def stored(self) -> list[Resource]:
        """One entry per stored resource."""
        return [resource for resource in self._by_id.values() if not resource.virtual]

    def group_versions(self) -> dict[str, list[str]]:
        """Versions by group, preferred first."""
        result: dict[str, list[str]] = {}
        for group, version, _ in self._by_path:
            versions = result.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return result

    def remove_custom(self, group: str, plural: str) -> None:
        """Stop serving a custom resource."""
        self._by_id.pop(qualified(plural, group), None)
        for key in [k for k in self._by_path if k[0] == group and k[2] == plural]:
            resource = self._by_path.pop(key)
            self._by_kind.pop((group, resource.version, resource.kind), None)

    def add_custom(self, crd: Obj) -> None:
        """Serve what a CustomResourceDefinition describes, replacing what was served of it before."""
        spec = crd["spec"]
        names = spec["names"]
        self.remove_custom(spec["group"], names["plural"])
        for version in sorted(spec["versions"], key=lambda v: not v.get("storage")):
            if not version.get("served"):
                continue
            subresources = version.get("subresources") or {}
            self._add(
                Resource(
                    group=spec["group"],
                    version=version["name"],
                    plural=names["plural"],
                    kind=names["kind"],
                    namespaced=spec.get("scope") == "Namespaced",
                    node=custom_resource(dig(version, "schema", "openAPIV3Schema", default={}), self.definitions),
                    short=tuple(names.get("shortNames") or ()),
                    categories=tuple(names.get("categories") or ()),
                    subresources=frozenset(subresources),
                    columns=tuple(version.get("additionalPrinterColumns") or ()),
                    custom=True,
                    scale=subresources.get("scale"),
                )
            )
