"""PodDisruptionBudgets: how many pods may be given up now."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.kubernetes.controllers.base import Controller, Name
from rehearsal.kubernetes.controllers.pods import is_active, is_ready, resolve
from rehearsal.kubernetes.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of, with_condition
from rehearsal.kubernetes.selectors import Matcher, label_selector
from rehearsal.kubernetes.store import Event


class Budgets(Controller):
    """Keeps ``status.disruptionsAllowed``."""

    resource = "poddisruptionbudgets.policy"
    watches = ("pods", "deployments.apps", "statefulsets.apps")

    def affected(self, event: Event) -> Iterable[Name]:
        """Budgets that select a pod now or did before; all of a namespace when a workload is resized."""
        if event.resource == self.resource:
            return super().affected(event)
        budgets = self.store.objects(self.resource, namespace_of(event.obj))
        if event.resource == "pods":
            sets = [labels_of(obj) for obj in (event.obj, event.old) if obj is not None]
            budgets = [b for b in budgets if any(map(_selector(b), sets))]
        return [(namespace_of(b), name_of(b)) for b in budgets]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Count and write the status of one budget."""
        budget = self.store.get(self.resource, namespace, name)
        if budget is None:
            return None
        pods = [
            p for p in self.store.objects("pods", namespace) if _selector(budget)(labels_of(p)) and is_active(p)
        ]  # fmt: skip
        disrupted = {
            pod: uid
            for pod, uid in dig(budget, "status", "disruptedPods", default={}).items()
            if any(name_of(p) == pod and p["metadata"]["uid"] == uid for p in pods)
        }
        healthy = sum(is_ready(pod) and name_of(pod) not in disrupted for pod in pods)
        expected = self._expected(pods)
        desired = _desired(budget["spec"], expected)
        allowed = max(0, healthy - desired) if expected else 0
        enough = allowed > 0
        reason = "SufficientPods" if enough else "InsufficientPods"
        conditions = with_condition(
            dig(budget, "status", "conditions", default=[]), "DisruptionAllowed", str(enough), reason
        )
        status: Obj = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": budget["metadata"].get("generation", 1),
            # metav1.Condition wants a message, if an empty one.
            "conditions": [{"message": "", **entry} for entry in conditions],
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        self.set_status(budget, status)
        return None

    def _expected(self, pods: list[Obj]) -> int:
        """Pods there should be: the sum over the workloads that control the selected ones."""
        expected: dict[str, int] = {}
        for pod in pods:
            owner = controller_of(pod)
            if owner is None:
                expected[name_of(pod)] = 1
                continue
            resource = self.cluster.catalog.by_kind(owner["apiVersion"], owner["kind"])
            found = self.store.get(resource.id, namespace_of(pod), owner["name"]) if resource else None
            above = controller_of(found) if found else None
            if found is not None and above is not None and above["kind"] == "Deployment":
                found = self.store.get("deployments.apps", namespace_of(pod), above["name"])
            if found is not None:
                expected[found["metadata"]["uid"]] = dig(found, "spec", "replicas", default=1)
        return sum(expected.values())


def _selector(budget: Obj) -> Matcher:
    return label_selector(dig(budget, "spec", "selector"))


def _desired(spec: Obj, expected: int) -> int:
    if "maxUnavailable" in spec:
        return max(0, expected - resolve(spec["maxUnavailable"], expected, round_up=True))
    return resolve(spec.get("minAvailable", 1), expected, round_up=True)
