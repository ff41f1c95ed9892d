"""What every controller has in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import Obj, controller_of, name_of, namespace_of
from rehearsal.kubernetes.rest.deletion import delete
from rehearsal.kubernetes.rest.options import DeleteOptions, controller_options
from rehearsal.kubernetes.store import Event, Store

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster
    from rehearsal.kubernetes.resources import Resource
    from rehearsal.kubernetes.rest.registry import Registry

Name = tuple[str, str]
"""Namespace and name of an object to reconcile."""


class Controller:
    """Reconciles objects of ``resource``, by namespace and name, whenever something it watches changes.

    :cvar resource: id of the resource it is for.
    :cvar watches: further resource ids whose events :meth:`affected` maps to names.
    """

    resource: ClassVar[str]
    watches: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def store(self) -> Store:
        """The cluster's objects."""
        return self.cluster.store

    @property
    def registry(self) -> Registry:
        """The cluster's write path."""
        return self.cluster.registry

    def affected(self, event: Event) -> Iterable[Name]:
        """Names to reconcile after an event; by default the object and the controlling owner."""
        if event.resource == self.resource:
            return [(namespace_of(event.obj), name_of(event.obj))]
        kind = self.kind.kind
        return {
            (namespace_of(obj), owner["name"])
            for obj in (event.obj, event.old)
            if obj is not None and (owner := controller_of(obj)) is not None and owner["kind"] == kind
        }

    def listen(self, event: Event) -> Iterable[Name]:
        """Names to reconcile after an event of any resource whatever; by default none."""
        return ()

    @property
    def kind(self) -> Resource:
        """The reconciled resource."""
        return self.cluster.catalog.by_id(self.resource)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bring one object up to date.

        :returns: real seconds after which to look again, None when only an event can change anything.
        """
        raise NotImplementedError

    # What controllers do to other objects.

    def create(self, resource_id: str, obj: Obj) -> Obj:
        """Create an object as a controller.

        :raises ApiError: when admission refuses it.
        """
        resource = self.cluster.catalog.by_id(resource_id)
        return self.registry.create(resource, namespace_of(obj), obj, controller_options())

    def delete(self, resource_id: str, obj: Obj, propagation: str = "Background", grace: int | None = None) -> None:
        """Delete an object; one that is gone already is fine."""
        resource = self.cluster.catalog.by_id(resource_id)
        options = DeleteOptions(propagation=propagation, uid=obj["metadata"]["uid"], grace_seconds=grace)
        try:
            delete(self.registry, resource, namespace_of(obj), name_of(obj), options)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def set_status(self, obj: Obj, status: Obj) -> None:
        """Write the status of a reconciled object."""
        self.registry.set_status(self.kind, obj, status)

    def record(self, obj: Obj, kind: str, reason: str, message: str) -> None:
        """Record an event about an object; ``kind`` is Normal or Warning."""
        self.cluster.manager.recorder.record(obj, kind, reason, message, self.component)

    @property
    def component(self) -> str:
        """The source events name."""
        return f"{self.kind.kind.lower()}-controller"
