"""Waits for clusters, node groups, add-ons and their updates.

EKS's own waiters stop after 10 to 40 minutes, know no updates, and take an add-on without nodes for a failed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slipway.hooks.eks import is_absent
from slipway.triggers.polling import PollTrigger

ABSENT = "NONEXISTENT"
MOVING = frozenset({"PENDING", "CREATING", "UPDATING", "DELETING"})
# While nodes come up, an add-on is CREATING or DEGRADED.
ADDON_MOVING = MOVING | {"DEGRADED"}


class ClusterTrigger(PollTrigger):
    """Waits until a cluster is neither created, updated nor deleted any more."""

    service = "eks"

    def __init__(self, region: str, cluster: str, until: float = 0.0, memory: dict[str, Any] | None = None) -> None:
        super().__init__(region, until, memory)
        self.cluster = cluster

    def subject(self) -> dict[str, Any]:
        """Which cluster."""
        return {"cluster": self.cluster}

    async def look(self, client: Any) -> str | None:
        """Status of the cluster unless it moves."""
        try:
            status = str((await client.describe_cluster(name=self.cluster))["cluster"]["status"])
        except client.exceptions.ClientError as error:
            if is_absent(error):
                return ABSENT
            raise
        return None if status in MOVING else status


class NodeGroupTrigger(PollTrigger):
    """Waits until a node group is neither created, updated nor deleted any more."""

    service = "eks"

    def __init__(
        self, region: str, cluster: str, nodegroup: str, until: float = 0.0, memory: dict[str, Any] | None = None
    ) -> None:
        super().__init__(region, until, memory)
        self.cluster = cluster
        self.nodegroup = nodegroup

    def subject(self) -> dict[str, Any]:
        """Which node group."""
        return {"cluster": self.cluster, "nodegroup": self.nodegroup}

    async def look(self, client: Any) -> str | None:
        """Status of the node group unless it moves."""
        try:
            found = await client.describe_nodegroup(clusterName=self.cluster, nodegroupName=self.nodegroup)
        except client.exceptions.ClientError as error:
            if is_absent(error):
                return ABSENT
            raise
        status = str(found["nodegroup"]["status"])
        return None if status in MOVING else status


class UpdateTrigger(PollTrigger):
    """Waits for the end of an update of a cluster, a node group or an add-on."""

    service = "eks"

    def __init__(
        self,
        region: str,
        cluster: str,
        update: str,
        nodegroup: str | None = None,
        addon: str | None = None,
        until: float = 0.0,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(region, until, memory)
        self.cluster = cluster
        self.update = update
        self.nodegroup = nodegroup
        self.addon = addon

    def subject(self) -> dict[str, Any]:
        """Which update, of what."""
        return {
            "cluster": self.cluster,
            "update": self.update,
            "nodegroup": self.nodegroup,
            "addon": self.addon,
        }

    async def look(self, client: Any) -> str | None:
        """How the update ended."""
        target = {"nodegroupName": self.nodegroup} if self.nodegroup else {}
        target = {"addonName": self.addon} if self.addon else target
        found = await client.describe_update(name=self.cluster, updateId=self.update, **target)
        status = str(found["update"]["status"])
        return None if status == "InProgress" else status


class AddonsTrigger(PollTrigger):
    """Waits until none of some add-ons is in a state that counts as moving.

    :param moving: statuses to wait out.
    """

    service = "eks"

    def __init__(
        self,
        region: str,
        cluster: str,
        addons: Sequence[str],
        moving: Sequence[str],
        until: float = 0.0,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(region, until, memory)
        self.cluster = cluster
        self.addons = list(addons)
        self.moving = list(moving)

    def subject(self) -> dict[str, Any]:
        """Which add-ons, and what to wait out."""
        return {"cluster": self.cluster, "addons": self.addons, "moving": self.moving}

    async def look(self, client: Any) -> str | None:
        """Statuses of the add-ons once none moves, or as soon as one has failed."""
        statuses = {}
        for name in self.addons:
            try:
                found = await client.describe_addon(clusterName=self.cluster, addonName=name)
                statuses[name] = str(found["addon"]["status"])
            except client.exceptions.ClientError as error:
                if not is_absent(error):
                    raise
                statuses[name] = ABSENT
            if statuses[name].endswith("_FAILED"):
                break
        else:
            if any(status in self.moving for status in statuses.values()):
                return None
        return ", ".join(f"{name} {status}" for name, status in statuses.items())
