"""The add-ons that every cluster brings along unless told not to."""

from __future__ import annotations

from rehearsal.aws.eks.state import Cluster, Eks

_SELF_MANAGED = ("vpc-cni", "kube-proxy", "coredns")


def install_self_managed_addons(eks: Eks, cluster: Cluster) -> None:
    """Install CNI, kube-proxy and CoreDNS the way CreateCluster does with ``bootstrapSelfManagedAddons``."""
    if not cluster.self_managed_addons:
        return
    for name in _SELF_MANAGED:
        body = {"version": None, "configurationValues": None, "serviceAccountRoleArn": None}
        eks.kubernetes.put_addon(cluster.kubernetes_id, name, body)
