"""The EKS service: all operations and all later work in one place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from moto.core.utils import get_service_model

from rehearsal.aws.eks import (
    access,
    addons,
    catalogue,
    cluster_updates,
    clusters,
    insights,
    nodegroup_updates,
    nodegroups,
    nodes,
    pod_identities,
    revival,
    tags,
    updates,
    versions,
)
from rehearsal.aws.eks.kubernetes import KubernetesUnavailableError
from rehearsal.aws.eks.state import Eks
from rehearsal.aws.errors import invalid_parameter
from rehearsal.aws.protocol import Call, Handler, ModelledService, handlers_of
from rehearsal.aws.scheduler import JobFunction

_LOG = logging.getLogger(__name__)
_MODULES = [
    access,
    addons,
    catalogue,
    cluster_updates,
    clusters,
    insights,
    nodegroup_updates,
    nodegroups,
    pod_identities,
    tags,
    updates,
    versions,
]
_JOBS: dict[str, Callable[..., float | None]] = {
    "activate-cluster": clusters.activate,
    "remove-cluster": clusters.remove,
    "revive-cluster": revival.revive,
    "finish-cluster-update": cluster_updates.finish_update,
    "publish-access": access.send,
    "launch-nodegroup": nodegroups.launch,
    "join-nodegroup": nodegroups.join,
    "remove-nodegroup": nodegroups.remove,
    "follow-nodegroup": nodes.reconcile,
    "finish-nodegroup-update": nodegroup_updates.finish_update,
    "install-addon": addons.install,
    "check-addon": addons.check,
    "remove-addon": addons.remove,
    "finish-addon-update": addons.finish_update,
    "refresh-insights": insights.refresh,
}
# Jobs that only look whether something changed, for as long as their resource exists.
WATCHES = {"check-addon", "follow-nodegroup"}
_RETRY_SECONDS = 1.0


def service(eks: Eks) -> ModelledService:
    """Register EKS's later work and return its operations."""
    for name, job in _JOBS.items():
        eks.scheduler.register(name, _with_kubernetes(eks, name, job))
    names = get_service_model("eks").operation_names
    handlers = handlers_of(_MODULES, names, eks)
    return ModelledService("eks", {name: _idempotent(eks, name, handler) for name, handler in handlers.items()})


def _idempotent(eks: Eks, operation: str, handler: Handler) -> Handler:
    """Answer a repeated request with the same client token as the first one was answered."""

    def answer(call: Call) -> Any:
        token = call.get("clientRequestToken")
        name = call.get("clusterName") or call.get("name")
        if not token:
            return handler(call)
        cluster = eks.find(call.region, name)
        earlier = cluster.tokens.get((operation, token)) if cluster else None
        if earlier is None:
            result = handler(call)
            cluster = eks.find(call.region, name)
            if cluster is not None:
                cluster.tokens[operation, token] = (dict(call.params), dict(result))
            return result
        if earlier[0] != dict(call.params):
            raise invalid_parameter(f"clientRequestToken {token} was used before with other parameters")
        return earlier[1]

    return answer


def _with_kubernetes(eks: Eks, name: str, job: Callable[..., float | None]) -> JobFunction:
    """Run a job again while the Kubernetes side is away, and show that in the cluster's health."""

    def run(region: str, cluster_name: str, *rest: str) -> float | None:
        try:
            again = job(eks, region, cluster_name, *rest)
        except KubernetesUnavailableError as error:
            if _report(eks, region, cluster_name, str(error)):
                _LOG.warning("%s of cluster %s waits: %s", name, cluster_name, error)
            return _RETRY_SECONDS
        _report(eks, region, cluster_name, None)
        return again

    return run


def _report(eks: Eks, region: str, name: str, problem: str | None) -> bool:
    """Show a problem in the cluster's health, or that it is over; returns whether this is news."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None:
            return False
        issues = cluster.data["health"]["issues"]
        others = [issue for issue in issues if issue["code"] != "ClusterUnreachable"]
        found = [{"code": "ClusterUnreachable", "message": problem, "resourceIds": []}] if problem else []
        cluster.data["health"] = {"issues": others + found}
        return bool(others + found != issues)
