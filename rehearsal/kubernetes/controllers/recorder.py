"""Events about objects, counted when they repeat."""

from __future__ import annotations

import secrets

from rehearsal.kubernetes.objects import Obj, name_of, namespace_of, timestamp, uid_of
from rehearsal.kubernetes.store import Store

_MOST_EVENTS = 3000


class Recorder:
    """Writes core/v1 Events straight into the store; the oldest make room for new ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str, str, str], tuple[str, str]] = {}

    def record(
        self, about: Obj, kind: str, reason: str, message: str, component: str, host: str = "", path: str = ""
    ) -> None:
        """Record or count an event.

        :param path: ``fieldPath`` of the involved part, e.g. ``spec.containers{web}``.
        """
        key = (uid_of(about), reason, message, path)
        now = timestamp()
        known = self._known.get(key)
        old = self._store.get("events", *known) if known else None
        if old is not None:
            counted = {**old, "count": old.get("count", 1) + 1, "lastTimestamp": now}
            self._store.put("events", {**counted, "metadata": dict(old["metadata"])})
            return
        namespace = namespace_of(about) or "default"
        if self._store.get("namespaces", "", namespace) is None:
            return
        name = f"{name_of(about)}.{secrets.token_hex(8)}"
        involved = {
            "kind": about["kind"],
            "name": name_of(about),
            "uid": uid_of(about),
            "apiVersion": about["apiVersion"],
            "resourceVersion": about["metadata"].get("resourceVersion", ""),
        }
        if namespace_of(about):
            involved["namespace"] = namespace_of(about)
        if path:
            involved["fieldPath"] = path
        source = {"component": component, **({"host": host} if host else {})}
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": secrets.token_hex(16),
            "creationTimestamp": now,
        }
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": source,
            "reportingComponent": component,
            "reportingInstance": host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "eventTime": None,
            "count": 1,
        }
        self._store.put("events", event)
        self._known[key] = (namespace, name)
        self._make_room()

    def last_message(self, about: Obj, reason: str) -> str:
        """The latest message recorded about an object for that reason."""
        known = [(key[2], at) for key, at in self._known.items() if key[0] == uid_of(about) and key[1] == reason]
        return known[-1][0] if known else ""

    def _make_room(self) -> None:
        if self._store.count("events") <= _MOST_EVENTS:
            return
        oldest = sorted(self._store.scan("events"), key=lambda e: int(e["metadata"]["resourceVersion"]))
        for event in oldest[: _MOST_EVENTS // 10]:
            self._store.remove("events", namespace_of(event), name_of(event))
        self._known.clear()
