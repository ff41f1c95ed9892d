"""ResourceQuotas: what is used, shown in their status."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.admission.quota import usage
from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import dig, name_of, namespace_of
from rehearsal.kubernetes.store import Event


class Quotas(Controller):
    """Recounts a namespace's quotas when something in it comes or goes."""

    resource = "resourcequotas"

    def listen(self, event: Event) -> Iterable[Name]:
        """Quotas of the namespace of what came, went or ended."""
        namespace = namespace_of(event.obj)
        if not namespace or event.resource in ("events", self.resource) or not self.store.count(self.resource):
            return []
        phase = dig(event.obj, "status", "phase")
        if event.type == "MODIFIED" and event.old is not None and phase == dig(event.old, "status", "phase"):
            return []
        return [(namespace, name_of(quota)) for quota in self.store.objects(self.resource, namespace)]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write ``status.hard`` and ``status.used``."""
        quota = self.store.get(self.resource, namespace, name)
        if quota is None:
            return None
        hard = dig(quota, "spec", "hard", default={})
        used = usage(self.store, namespace, hard)
        shown = {key: quantity.render(used[key], str(amount)) for key, amount in hard.items()}
        self.set_status(quota, {"hard": dict(hard), "used": shown})
        return None
