"""Parameters of the platform's stacks, from its environment file and from what other stacks put out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slipway.model.environment import Network
from slipway.model.errors import ConfigurationError, Problem, RefusedError
from slipway.model.platform import PlacedNodeGroup, Platform, Stack

Outputs = Mapping[str, str]
# Zones where EKS places no control plane, by zone id since names differ between accounts.
# Source: EKS user guide, "VPC and subnet requirements".
ZONES_WITHOUT_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})

# Stacks whose outputs a stack needs.
NEEDS: dict[Stack, tuple[Stack, ...]] = {
    Stack.STATE: (),
    Stack.ENCRYPTION: (),
    Stack.NETWORK: (Stack.ENCRYPTION,),
    Stack.IDENTITY: (Stack.ENCRYPTION,),
    Stack.AUDIT: (Stack.STATE, Stack.ENCRYPTION),
    Stack.BUDGET: (),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the parameters depend on besides the platform.

    :param outputs: outputs of the stacks that exist.
    :param zones: zones for the network, in order.
    """

    outputs: Mapping[Stack, Outputs]
    zones: Sequence[str] = ()

    def output(self, platform: Platform, stack: Stack, name: str) -> str:
        """One output of one of the platform's stacks.

        :raises RefusedError: the stack is absent or has no such output.
        """
        found = self.outputs.get(stack)
        if found and name in found:
            return found[name]
        raise RefusedError(
            Problem(
                where=f"stack {platform.stack_name(stack)}",
                field=f"Outputs.{name}",
                found="no such stack" if found is None else f"outputs {', '.join(sorted(found)) or 'none'}",
                allowed=f"the outputs of include/cloudformation/{stack}.yaml",
                mend="run the stage infrastructure from its first task",
            )
        )


def choose_zones(network: Network, live: Sequence[str], available: Sequence[str], where: str) -> list[str]:
    """Pick the zones of the network.

    A network that exists keeps its zones, whatever AWS adds to the region: other zones would mean other subnets.

    :param live: zones of the existing network, in its order; empty when there is none.
    :param available: zones of the region that offer EKS.
    :raises ConfigurationError: the region has too few, or not those that are named.
    """
    if isinstance(network.zones, list):
        chosen = list(network.zones)
        missing = [zone for zone in chosen if zone not in {*available, *live}]
    else:
        chosen = [*live, *(zone for zone in sorted(available) if zone not in live)][: network.zones]
        missing = [] if len(chosen) == network.zones else [f"{network.zones - len(chosen)} more"]
    if missing:
        raise ConfigurationError(
            [
                Problem(
                    where=where,
                    field="network.zones",
                    found=f"{network.zones}, of which {', '.join(missing)} cannot be had",
                    allowed=f"zones of the region that offer EKS: {', '.join(sorted(available)) or 'none'}",
                    mend="name other zones, or fewer",
                )
            ]
        )
    return chosen


def stack_parameters(stack: Stack, platform: Platform, facts: Facts) -> dict[str, str]:
    """Parameters of one of the platform's stacks.

    :raises RefusedError: a stack it needs is absent.
    """
    return {**_common(platform), **_OWN[stack](platform, facts)}


def nodegroup_parameters(group: PlacedNodeGroup, platform: Platform, facts: Facts) -> dict[str, str]:
    """Parameters of the stack that holds a node group's launch template."""
    tags = platform.environment.tags
    numbered = {f"Tag{number}": f"{key}={value}" for number, (key, value) in enumerate(sorted(tags.items()), start=1)}
    return {
        **_common(platform),
        "NodeGroup": group.name,
        "VolumeGiB": str(group.spec.disk_gib),
        "VolumeKeyArn": facts.output(platform, Stack.ENCRYPTION, "DataKeyArn"),
        **numbered,
    }


def _common(platform: Platform) -> dict[str, str]:
    return {"Environment": platform.environment.name, "Platform": platform.name}


def _state(platform: Platform, facts: Facts) -> dict[str, str]:
    return {"BucketName": platform.bucket}


def _nothing(platform: Platform, facts: Facts) -> dict[str, str]:
    return {}


def _network(platform: Platform, facts: Facts) -> dict[str, str]:
    network = platform.environment.network
    public, private = network.subnets()
    return {
        "Zones": ",".join(facts.zones),
        "ZoneCount": str(network.zone_count),
        "VpcCidr": network.cidr,
        "PublicCidrs": ",".join(public),
        "PrivateCidrs": ",".join(private),
        "NatMode": network.nat.value,
        "LogsKeyArn": facts.output(platform, Stack.ENCRYPTION, "LogsKeyArn"),
        "FlowLogRetentionDays": str(network.flow_log_retention_days),
    }


def _identity(platform: Platform, facts: Facts) -> dict[str, str]:
    roles = {addon.role for addon in platform.environment.all_addons().values()}
    return {
        "SecretsKeyArn": facts.output(platform, Stack.ENCRYPTION, "SecretsKeyArn"),
        "DataKeyArn": facts.output(platform, Stack.ENCRYPTION, "DataKeyArn"),
        "Efs": "true" if "EfsCsiRoleArn" in roles else "false",
    }


def _audit(platform: Platform, facts: Facts) -> dict[str, str]:
    return {
        "AuditBucketName": facts.output(platform, Stack.STATE, "AuditBucketName"),
        "TrailKeyArn": facts.output(platform, Stack.STATE, "StateKeyArn"),
        "LogsKeyArn": facts.output(platform, Stack.ENCRYPTION, "LogsKeyArn"),
        "ControlPlaneRetentionDays": str(platform.environment.cluster.log_retention_days),
    }


def _budget(platform: Platform, facts: Facts) -> dict[str, str]:
    budget = platform.environment.budget
    emails = {f"Email{number}": email for number, email in enumerate(budget.emails, start=1)}
    return {"MonthlyUsd": f"{budget.monthly_usd:.2f}".rstrip("0").rstrip("."), **emails}


_OWN: dict[Stack, Callable[[Platform, Facts], dict[str, str]]] = {
    Stack.STATE: _state,
    Stack.ENCRYPTION: _nothing,
    Stack.NETWORK: _network,
    Stack.IDENTITY: _identity,
    Stack.AUDIT: _audit,
    Stack.BUDGET: _budget,
}
