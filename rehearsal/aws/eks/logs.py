"""Control-plane logs: their log group in CloudWatch."""

from __future__ import annotations

from rehearsal.aws.eks.state import Cluster
from rehearsal.aws.local import client


def ensure_log_group(cluster: Cluster) -> None:
    """Create ``/aws/eks/<name>/cluster`` when some control-plane log is on; EKS never deletes it."""
    if not any(setup["enabled"] for setup in cluster.data["logging"]["clusterLogging"]):
        return
    logs = client("logs", cluster.region)
    try:
        logs.create_log_group(logGroupName=f"/aws/eks/{cluster.name}/cluster")
    except logs.exceptions.ResourceAlreadyExistsException:
        return
