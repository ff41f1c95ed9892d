"""HorizontalPodAutoscalers: status only.

Nothing runs here that could be measured, so the rehearsal never scales by metrics and says so in the
conditions; it does hold a target within ``minReplicas`` and ``maxReplicas``.
"""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.objects import Obj, clone, dig, name_of, namespace_of, with_condition
from rehearsal.kubernetes.rest.options import controller_options
from rehearsal.kubernetes.store import Event


class Autoscalers(Controller):
    """Reports the target's size."""

    resource = "horizontalpodautoscalers.autoscaling"
    watches = ("deployments.apps", "statefulsets.apps")

    def affected(self, event: Event) -> Iterable[Name]:
        """Autoscalers of the changed workload."""
        if event.resource == self.resource:
            return super().affected(event)
        return [
            (namespace_of(hpa), name_of(hpa))
            for hpa in self.store.objects(self.resource, namespace_of(event.obj))
            if dig(hpa, "spec", "scaleTargetRef", "name") == name_of(event.obj)
        ]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write the status of one autoscaler."""
        hpa = self.store.get(self.resource, namespace, name)
        if hpa is None:
            return None
        reference = hpa["spec"]["scaleTargetRef"]
        resource = self.cluster.catalog.by_kind(reference.get("apiVersion", ""), reference["kind"])
        target = self.store.get(resource.id, namespace, reference["name"]) if resource else None
        conditions = dig(hpa, "status", "conditions", default=[])
        if target is None or resource is None:
            text = f"the HPA controller was unable to get the target's current scale: {reference['name']} not found"
            conditions = with_condition(conditions, "AbleToScale", "False", "FailedGetScale", text)
            self.set_status(hpa, {"desiredReplicas": 0, "conditions": conditions})
            return None
        replicas = dig(target, "spec", "replicas", default=1)
        wanted = max(hpa["spec"]["minReplicas"], min(hpa["spec"]["maxReplicas"], replicas)) if replicas else 0
        if wanted != replicas:
            self._resize(resource.id, target, wanted)
        text = "the HPA controller was able to get the target's current scale"
        conditions = with_condition(conditions, "AbleToScale", "True", "SucceededGetScale", text)
        text = "the rehearsal does not run containers, so there are no metrics to scale by"
        conditions = with_condition(conditions, "ScalingActive", "False", "FailedGetResourceMetric", text)
        status = {
            "currentReplicas": dig(target, "status", "replicas", default=0),
            "desiredReplicas": wanted,
            "conditions": conditions,
        }
        self.set_status(hpa, status)
        return None

    def _resize(self, resource_id: str, target: Obj, replicas: int) -> None:
        changed = clone(target)
        changed["spec"]["replicas"] = replicas
        resource = self.cluster.catalog.by_id(resource_id)
        self.registry.update(resource, namespace_of(target), name_of(target), changed, controller_options())
