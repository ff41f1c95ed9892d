"""A platform: one environment in one region, and the names of what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from slipway.model.environment import Addon, AddonPhase, Environment, NodeGroup

NODE_NAMES_LIMIT = 63
SYSTEM_NAMESPACE = "slipway-system"
FIELD_MANAGER = "slipway"
# Where a step by hand would do, such as stopping a StatefulSet; a deploy takes these fields back without asking.
RESTORE_MANAGER = "slipway-restore"
EBS_DRIVER = "aws-ebs-csi-driver"


class Stack(StrEnum):
    """CloudFormation stacks, in the order they are made."""

    STATE = "state"
    ENCRYPTION = "encryption"
    NETWORK = "network"
    IDENTITY = "identity"
    AUDIT = "audit"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class PlacedNodeGroup:
    """A managed node group as EKS knows it: zonal groups are one of these per zone.

    :param zones: zones of its subnets.
    """

    name: str
    source: str
    spec: NodeGroup
    zones: tuple[str, ...]

    @property
    def labels(self) -> dict[str, str]:
        """Node labels: the environment's own and the workload they are meant for."""
        return {**self.spec.labels, "slipway.dev/workload": self.spec.workload}


@dataclass(frozen=True, slots=True)
class Platform:
    """An environment in one of its regions."""

    environment: Environment
    region: str

    @property
    def name(self) -> str:
        """Name of the platform, which is also the EKS cluster's."""
        return f"slipway-{self.environment.name}"

    @property
    def cluster_name(self) -> str:
        """Name of the EKS cluster."""
        return self.name

    @property
    def bucket(self) -> str:
        """Artefact bucket: lease, release and check records, reports."""
        return f"{self.name}-{self.environment.account}-{self.region}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags on everything made for this platform; they also tell ours from foreign."""
        return {
            **self.environment.tags,
            "slipway:environment": self.environment.name,
            "slipway:platform": self.name,
            "slipway:managed-by": "slipway",
        }

    def stack_name(self, stack: Stack) -> str:
        """Name of one of the platform's stacks."""
        return f"{self.name}-{stack}"

    def nodegroup_stack_name(self, nodegroup: str) -> str:
        """Name of the stack that holds a node group's launch template."""
        return f"{self.name}-nodegroup-{nodegroup}"

    def is_ours(self, tags: dict[str, str]) -> bool:
        """Whether tags found on a resource say that it belongs to this platform."""
        return tags.get("slipway:platform") == self.name and tags.get("slipway:managed-by") == "slipway"

    def node_groups(self, zones: list[str]) -> list[PlacedNodeGroup]:
        """Managed node groups over the given zones, zonal groups split, in the environment's order."""
        placed: list[PlacedNodeGroup] = []
        for name, spec in self.environment.node_groups.items():
            if spec.zonal:
                placed += [PlacedNodeGroup(f"{name}-{zone[-2:]}", name, spec, (zone,)) for zone in zones]
            else:
                placed.append(PlacedNodeGroup(name, name, spec, tuple(zones)))
        return placed

    def addon(self, name: str) -> Addon:
        """An add-on as it is installed: volumes that the EBS driver makes carry the platform's tags."""
        spec = self.environment.all_addons()[name]
        if name != EBS_DRIVER:
            return spec
        controller = spec.configuration.get("controller", {})
        given = dict(controller) if isinstance(controller, dict) else {}
        tagged = {**spec.configuration, "controller": {**given, "extraVolumeTags": self.tags}}
        return spec.model_copy(update={"configuration": tagged})

    def addons(self, phase: AddonPhase) -> list[str]:
        """Names of the add-ons of one phase, in order."""
        return [name for name, addon in self.environment.all_addons().items() if addon.phase is phase]
