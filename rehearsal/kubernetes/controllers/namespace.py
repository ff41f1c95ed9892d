"""Namespaces: what each is born with, and their end."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import Obj, clone, dig, is_deleting, name_of, namespace_of, with_condition
from rehearsal.kubernetes.store import Event

_ROOT_CA = "kube-root-ca.crt"


class Namespaces(Controller):
    """Gives a namespace its default service account and CA, and empties it when it is deleted."""

    resource = "namespaces"
    watches = ("serviceaccounts", "configmaps")

    def affected(self, event: Event) -> Iterable[Name]:
        """Namespaces, and those that lost what they are born with."""
        if event.resource == self.resource:
            return super().affected(event)
        lost = event.type == "DELETED" and name_of(event.obj) in ("default", _ROOT_CA)
        return [("", namespace_of(event.obj))] if lost else []

    def listen(self, event: Event) -> Iterable[Name]:
        """A namespace that is ending, whenever something in it goes or changes."""
        namespace = self.store.get(self.resource, "", namespace_of(event.obj)) if namespace_of(event.obj) else None
        if namespace is not None and is_deleting(namespace) and event.resource != "events":
            return [("", name_of(namespace))]
        return []

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Complete or empty one namespace."""
        obj = self.store.get(self.resource, "", name)
        if obj is None:
            return None
        if is_deleting(obj):
            self._finalize(obj)
            return None
        if self.store.get("serviceaccounts", name, "default") is None:
            self.create("serviceaccounts", _object("ServiceAccount", name, "default"))
        if self.store.get("configmaps", name, _ROOT_CA) is None:
            data = {"ca.crt": self.cluster.certificate.authority}
            self.create("configmaps", {**_object("ConfigMap", name, _ROOT_CA), "data": data})
        return None

    def _finalize(self, namespace: Obj) -> None:
        name = name_of(namespace)
        remaining: dict[str, int] = {}
        finalizers: dict[str, int] = {}
        for resource in self.cluster.catalog.stored():
            if not resource.namespaced:
                continue
            for obj in self.store.objects(resource.id, name):
                if not is_deleting(obj):
                    self.delete(resource.id, obj)
                left = self.store.get(resource.id, name, name_of(obj))
                if left is not None:
                    remaining[resource.id] = remaining.get(resource.id, 0) + 1
                    for finalizer in left["metadata"].get("finalizers") or []:
                        finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        current = self.store.get(self.resource, "", name)
        if current is None:
            return
        if remaining:
            self.set_status(
                current, {**current.get("status", {}), "conditions": _conditions(current, remaining, finalizers)}
            )
            return
        emptied = clone(current)
        kept = [f for f in dig(emptied, "spec", "finalizers", default=[]) if f != "kubernetes"]
        emptied["spec"] = {**emptied.get("spec", {}), "finalizers": kept}
        stored = self.store.put(self.resource, emptied)
        self.registry.remove_if_final(self.kind, stored)


def _object(kind: str, namespace: str, name: str) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _conditions(namespace: Obj, remaining: dict[str, int], finalizers: dict[str, int]) -> list[Obj]:
    """What keeps the namespace, in the words of the namespace controller."""
    conditions = dig(namespace, "status", "conditions", default=[])
    for kind, reason, text in (
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ):
        conditions = with_condition(conditions, kind, "False", reason, text)
    listed = ", ".join(f"{resource} has {count} resource instances" for resource, count in sorted(remaining.items()))
    conditions = with_condition(
        conditions,
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        f"Some resources are remaining: {listed}",
    )
    if not finalizers:
        text = "All content-preserving finalizers finished"
        return with_condition(conditions, "NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", text)
    listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    text = f"Some content in the namespace has finalizers remaining: {listed}"
    return with_condition(conditions, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", text)
