"""CustomResourceDefinitions and aggregated cluster roles: state that follows from other objects."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.auth.rbac import aggregate
from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import Obj, clone, dig, is_deleting, name_of, namespace_of, with_condition
from rehearsal.kubernetes.store import Event

_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class Definitions(Controller):
    """Establishes definitions, and deletes their objects before they go."""

    resource = "customresourcedefinitions.apiextensions.k8s.io"

    def listen(self, event: Event) -> Iterable[Name]:
        """A definition that is ending, whenever one of its objects goes."""
        if event.type != "DELETED":
            return []
        crd = self.store.get(self.resource, "", event.resource)
        return [("", name_of(crd))] if crd is not None and is_deleting(crd) else []

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bring one definition's status up to date, or end it."""
        crd = self.store.get(self.resource, "", name)
        if crd is None:
            return None
        finalizers = crd["metadata"].get("finalizers") or []
        if is_deleting(crd):
            if _CLEANUP in finalizers and not self._empty(crd):
                return None
            self.registry.edit(self.resource, crd, finalizers=[f for f in finalizers if f != _CLEANUP])
            return None
        if _CLEANUP not in finalizers:
            crd = self.registry.edit(self.resource, crd, finalizers=[*finalizers, _CLEANUP]) or crd
        self.set_status(crd, _established(crd))
        return None

    def _empty(self, crd: Obj) -> bool:
        remaining = False
        for obj in self.store.objects(name_of(crd)):
            if not is_deleting(obj):
                self.delete(name_of(crd), obj)
            remaining = remaining or self.store.get(name_of(crd), namespace_of(obj), name_of(obj)) is not None
        return not remaining


def _established(crd: Obj) -> Obj:
    conditions = dig(crd, "status", "conditions", default=[])
    conditions = with_condition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
    text = "the initial names have been accepted"
    conditions = with_condition(conditions, "Established", "True", "InitialNamesAccepted", text)
    stored = [version["name"] for version in crd["spec"]["versions"] if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": clone(crd["spec"]["names"]), "storedVersions": stored}


class AggregatedRoles(Controller):
    """Fills the rules of cluster roles that aggregate others."""

    resource = "clusterroles.rbac.authorization.k8s.io"

    def affected(self, event: Event) -> Iterable[Name]:
        """Every aggregating role, whenever any role changes."""
        if event.resource != self.resource:
            return []
        return [("", name_of(role)) for role in self.store.scan(self.resource) if role.get("aggregationRule")]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write the rules of one role."""
        role = self.store.get(self.resource, "", name)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = aggregate(self.store, role)
        if rules != (role.get("rules") or []):
            self.store.put(self.resource, {**role, "metadata": dict(role["metadata"]), "rules": rules})
        return None
