"""After a restart: the Kubernetes side may have forgotten what this side remembers."""

from __future__ import annotations

from rehearsal.aws.eks import access, addons, nodes
from rehearsal.aws.eks.clusters import kubernetes_body
from rehearsal.aws.eks.state import Eks


def revive(eks: Eks, region: str, name: str) -> None:
    """Tell the Kubernetes side again what a cluster is to be; for what it remembers this changes nothing."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None or cluster.data["status"] not in ("ACTIVE", "UPDATING"):
            return
        installed = {key: addons.kubernetes_body(addon.data) for key, addon in cluster.addons.items()}
        groups = [group for group in cluster.nodegroups.values() if group.data["status"] in ("ACTIVE", "UPDATING")]
    made = eks.kubernetes.put_cluster(cluster.kubernetes_id, kubernetes_body(cluster))
    with eks.lock:
        cluster.data["endpoint"] = made["endpoint"]
        cluster.data["certificateAuthority"] = {"data": made["certificateAuthority"]}
    for addon, body in installed.items():
        eks.kubernetes.put_addon(cluster.kubernetes_id, addon, body)
    for group in groups:
        nodes.send(eks, cluster, group)
    access.publish(eks, cluster)
