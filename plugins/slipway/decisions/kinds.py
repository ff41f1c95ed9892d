"""What Slipway knows of Kubernetes kinds: the order they are applied in, and the few that need care.

Unknown kinds are custom resources: they come last, when the operator that serves them has been asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Manifest = Mapping[str, Any]

# A wave starts when the one before it was accepted. Policies, quotas and budgets come before the workloads they
# bound; webhooks after the workloads that answer them, else nothing could be admitted.
WAVES: tuple[frozenset[str], ...] = (
    frozenset({"Namespace"}),
    frozenset(
        {"CustomResourceDefinition", "PriorityClass", "StorageClass", "CSIDriver", "RuntimeClass", "IngressClass"}
    ),
    frozenset(
        {
            "ServiceAccount",
            "Role",
            "ClusterRole",
            "RoleBinding",
            "ClusterRoleBinding",
            "ResourceQuota",
            "LimitRange",
            "NetworkPolicy",
        }
    ),
    frozenset({"ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim"}),
    frozenset({"Service", "PodDisruptionBudget"}),
    frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"}),
)
LAST_WAVE = len(WAVES)

# Deleting one of these deletes data or other people's objects with it; pruning leaves them to a person.
NEVER_PRUNED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"})

# A finished Job cannot be changed and holds nothing: a new template means a new Job.
REPLACED_WHEN_IMMUTABLE = frozenset({"Job"})

# Kinds that take time to become what was asked for.
AWAITED_KINDS = frozenset(
    {
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "PersistentVolumeClaim",
        "Service",
        "Namespace",
        "CustomResourceDefinition",
    }
)

# Fields that a controller sets on purpose after we did, and the managers known to do so. Ownership is ceded to them.
_CEDED: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"^\.spec\.replicas$"), re.compile(r"^(kube-controller-manager|keda-operator|vpa-.*)$")),
    (
        re.compile(r"clientConfig\.caBundle$"),
        re.compile(r"^(cainjector|cert-manager-cainjector|kube-controller-manager)$"),
    ),
    (re.compile(r"^\.spec\.(volumeName|resources\.requests\.storage)$"), re.compile(r"^kube-controller-manager$")),
    (re.compile(r"^\.metadata\.finalizers"), re.compile(r"^kube-controller-manager$")),
)


def wave_of(kind: str) -> int:
    """Number of the wave that a kind is applied in, from 0."""
    return next((number for number, kinds in enumerate(WAVES) if kind in kinds), LAST_WAVE)


def in_waves(manifests: Iterable[Manifest]) -> list[list[Manifest]]:
    """Group manifests by wave, empty waves left out; the order within a wave is kept."""
    waves: dict[int, list[Manifest]] = {}
    for manifest in manifests:
        waves.setdefault(wave_of(manifest["kind"]), []).append(manifest)
    return [waves[number] for number in sorted(waves)]


def is_ceded(field: str, manager: str) -> bool:
    """Whether a controller legitimately owns a field that our manifest sets as well.

    :param field: path as server-side apply names it, such as ``.spec.replicas``.
    """
    return any(path.search(field) and who.match(manager) for path, who in _CEDED)
