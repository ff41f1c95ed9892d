"""Garbage collection: dependents of what is gone, and the finalizers of ordered deletion."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import Obj, dig, is_deleting, name_of, namespace_of, uid_of
from rehearsal.kubernetes.rest.deletion import FOREGROUND, ORPHAN
from rehearsal.kubernetes.store import Event, Key


class Garbage(Controller):
    """Works on objects of every resource, named ``<resource>|<name>``.

    Listens to the store itself, since what it watches grows with custom resources.
    """

    resource = "namespaces"

    def listen(self, event: Event) -> Iterable[Name]:
        """Owners whose deletion concerns their dependents, and orphans with an owner that is gone."""
        obj = event.obj
        own = (namespace_of(obj), f"{event.resource}|{name_of(obj)}")
        if event.type == "DELETED":
            freed = [own_of(key) for key in self.store.dependents(uid_of(obj))]
            return [*freed, *self._owners(event)]
        if event.type == "ADDED" and obj["metadata"].get("ownerReferences"):
            return [own]
        finalizers = obj["metadata"].get("finalizers") or []
        if is_deleting(obj) and (FOREGROUND in finalizers or ORPHAN in finalizers):
            return [own]
        return []

    def _owners(self, event: Event) -> list[Name]:
        """Owners that wait in the foreground for this one to go."""
        result = []
        for reference in dig(event.obj, "metadata", "ownerReferences", default=[]):
            owner = self._find(namespace_of(event.obj), reference)
            if owner is not None and is_deleting(owner[1]):
                result.append(own_of(owner[0]))
        return result

    def affected(self, event: Event) -> Iterable[Name]:
        """Unused: see :meth:`listen`."""
        return []

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Release, orphan or delete."""
        resource, separator, plain = name.partition("|")
        obj = self.store.get(resource, namespace, plain) if separator else None
        if obj is None:
            return None
        finalizers = obj["metadata"].get("finalizers") or []
        if is_deleting(obj) and ORPHAN in finalizers:
            self._orphan(resource, obj)
        elif is_deleting(obj) and FOREGROUND in finalizers:
            self._foreground(resource, obj)
        elif obj["metadata"].get("ownerReferences"):
            self._collect(resource, obj)
        return None

    def _orphan(self, resource: str, owner: Obj) -> None:
        for key in self.store.dependents(uid_of(owner)):
            dependent = self.store.get(*key)
            if dependent is not None:
                kept = [r for r in dependent["metadata"]["ownerReferences"] if r["uid"] != uid_of(owner)]
                self.registry.edit(key[0], dependent, ownerReferences=kept)
        self._drop_finalizer(resource, owner, ORPHAN)

    def _foreground(self, resource: str, owner: Obj) -> None:
        blocking = False
        for key in self.store.dependents(uid_of(owner)):
            dependent = self.store.get(*key)
            if dependent is None:
                continue
            blocking = blocking or _blocks(dependent, owner)
            if not is_deleting(dependent):
                self.delete(key[0], dependent, "Foreground")
        if not blocking:
            self._drop_finalizer(resource, owner, FOREGROUND)

    def _drop_finalizer(self, resource: str, obj: Obj, finalizer: str) -> None:
        kept = [f for f in obj["metadata"].get("finalizers") or [] if f != finalizer]
        self.registry.edit(resource, obj, finalizers=kept)

    def _collect(self, resource: str, obj: Obj) -> None:
        """Delete an object none of whose owners exist; drop references to those that do not."""
        if is_deleting(obj):
            return
        references = obj["metadata"]["ownerReferences"]
        present = [r for r in references if self._find(namespace_of(obj), r) is not None]
        if not present:
            self.delete(resource, obj)
        elif len(present) < len(references):
            self.registry.edit(resource, obj, ownerReferences=present)

    def _find(self, namespace: str, reference: Obj) -> tuple[Key, Obj] | None:
        resource = self.cluster.catalog.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            return None
        key = (resource.id, namespace if resource.namespaced else "", reference["name"])
        owner = self.store.get(*key)
        return (key, owner) if owner is not None and uid_of(owner) == reference["uid"] else None


def own_of(key: Key) -> Name:
    """The work item of an object."""
    return (key[1], f"{key[0]}|{key[2]}")


def _blocks(dependent: Obj, owner: Obj) -> bool:
    return any(
        r["uid"] == uid_of(owner) and r.get("blockOwnerDeletion") for r in dependent["metadata"]["ownerReferences"]
    )
