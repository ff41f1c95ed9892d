"""Objects of one cluster with their revisions, and the events of their changes.

Stored objects are shared: writers pass a new dict to :meth:`Store.put`, readers never change what
they get.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rehearsal.kubernetes.errors import expired
from rehearsal.kubernetes.objects import Obj, dig, name_of, namespace_of, uid_of

Key = tuple[str, str, str]
"""Resource id, namespace ("" when cluster-scoped), name."""


@dataclass(frozen=True)
class Event:
    """One change; ``old`` is the object before it, None for an addition."""

    revision: int
    type: str
    resource: str
    obj: Obj
    old: Obj | None

    @property
    def key(self) -> Key:
        return (self.resource, namespace_of(self.obj), name_of(self.obj))


Listener = Callable[[Event], None]


class Store:
    """In-memory objects by resource, namespace and name.

    :ivar revision: the cluster-wide resourceVersion of the last change.
    """

    def __init__(self, history: int = 20_000) -> None:
        self.revision = 1
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {}
        self._dependents: dict[str, set[Key]] = {}
        self._history: deque[Event] = deque(maxlen=history)
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after every change; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def get(self, resource: str, namespace: str, name: str) -> Obj | None:
        """The stored object."""
        return self._objects.get(resource, {}).get((namespace, name))

    def objects(self, resource: str, namespace: str | None = None) -> list[Obj]:
        """Objects of a resource ordered by key; ``namespace`` None or empty means all."""
        table = self._objects.get(resource, {})
        keys = sorted(key for key in table if not namespace or key[0] == namespace)
        return [table[key] for key in keys]

    def scan(self, resource: str) -> Iterator[Obj]:
        """Objects of a resource in no particular order, without sorting cost."""
        return iter(list(self._objects.get(resource, {}).values()))

    def count(self, resource: str) -> int:
        """How many objects of a resource there are."""
        return len(self._objects.get(resource, {}))

    def put(self, resource: str, obj: Obj) -> Obj:
        """Store ``obj`` under a new revision (set in its metadata) and tell the listeners."""
        key = (namespace_of(obj), name_of(obj))
        table = self._objects.setdefault(resource, {})
        old = table.get(key)
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        table[key] = obj
        self._reindex((resource, *key), old, obj)
        self._emit(Event(self.revision, "MODIFIED" if old else "ADDED", resource, obj, old))
        return obj

    def remove(self, resource: str, namespace: str, name: str) -> Obj | None:
        """Take an object away; its last state is what listeners see."""
        old = self._objects.get(resource, {}).pop((namespace, name), None)
        if old is None:
            return None
        self.revision += 1
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.revision)}}
        self._reindex((resource, namespace, name), old, None)
        self._emit(Event(self.revision, "DELETED", resource, gone, old))
        return gone

    def dependents(self, uid: str) -> list[Key]:
        """Keys of objects with an owner reference to ``uid``."""
        return sorted(self._dependents.get(uid, ()))

    def owned(self, resource: str, owner: Obj) -> list[Obj]:
        """Objects of a resource whose controller is ``owner``."""
        uid = uid_of(owner)
        found = (self.get(*key) for key in self.dependents(uid) if key[0] == resource)
        return [obj for obj in found if obj is not None and _controller_uid(obj) == uid]

    def since(self, revision: int) -> list[Event]:
        """Events after ``revision``.

        :raises ApiError: 410 when some of them are forgotten.
        """
        oldest = self._history[0].revision if self._history else self.revision + 1
        if revision < oldest - 1:
            raise expired(f"too old resource version: {revision} ({oldest - 1})")
        return [event for event in self._history if event.revision > revision]

    def dump(self) -> dict[str, list[Obj]]:
        """Every object by resource id."""
        return {resource: list(table.values()) for resource, table in self._objects.items() if table}

    def load(self, revision: int, objects: dict[str, list[Obj]]) -> None:
        """Replace everything with a former :meth:`dump`; nobody is told."""
        self.revision = revision
        self._history.clear()
        self._dependents.clear()
        self._objects = {}
        for resource, entries in objects.items():
            table = self._objects.setdefault(resource, {})
            for obj in entries:
                key = (namespace_of(obj), name_of(obj))
                table[key] = obj
                self._reindex((resource, *key), None, obj)

    def _reindex(self, key: Key, old: Obj | None, new: Obj | None) -> None:
        before, after = _owner_uids(old), _owner_uids(new)
        for uid in before - after:
            self._dependents[uid].discard(key)
            if not self._dependents[uid]:
                del self._dependents[uid]
        for uid in after - before:
            self._dependents.setdefault(uid, set()).add(key)

    def _emit(self, event: Event) -> None:
        self._history.append(event)
        for listener in list(self._listeners):
            listener(event)


def _owner_uids(obj: Obj | None) -> set[str]:
    return {ref["uid"] for ref in dig(obj, "metadata", "ownerReferences", default=[])} if obj else set()


def _controller_uid(obj: Obj) -> str:
    for ref in dig(obj, "metadata", "ownerReferences", default=[]):
        if ref.get("controller"):
            return str(ref["uid"])
    return ""
