"""Managed node groups as we want them, and how live ones differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipway.model.environment import Taint
from slipway.model.platform import PlacedNodeGroup, Platform

# EKS spells taint effects its own way.
_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "NoExecute": "NO_EXECUTE", "PreferNoSchedule": "PREFER_NO_SCHEDULE"}

# Health issue codes of EKS that mean: AWS has no such instance just now, or not for this account.
_CAPACITY = frozenset({"AsgInstanceLaunchFailures", "InstanceLimitExceeded", "Ec2InstanceTypeDoesNotExist"})
_ADDRESSES = frozenset({"InsufficientFreeAddresses"})
_JOIN = frozenset({"NodeCreationFailure", "ClusterUnreachable"})


@dataclass(frozen=True, slots=True)
class NodeGroupFacts:
    """What a node group is made of, out of the platform's stacks.

    :param launch_template: its id and version.
    :param arm: whether its instance types are ARM.
    :param nvidia: whether they have NVIDIA GPUs.
    """

    role_arn: str
    subnet_ids: tuple[str, ...]
    launch_template: tuple[str, str]
    arm: bool = False
    nvidia: bool = False


@dataclass(frozen=True, slots=True)
class NodeGroupDrift:
    """How a live node group differs.

    :param config: arguments of ``UpdateNodegroupConfig``, empty when nothing differs.
    :param version: arguments of ``UpdateNodegroupVersion``, empty when nothing differs.
    :param immutable: what only a new node group would mend.
    """

    config: dict[str, Any] = field(default_factory=dict)
    version: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()


def create_request(group: PlacedNodeGroup, platform: Platform, facts: NodeGroupFacts) -> dict[str, Any]:
    """Arguments of ``CreateNodegroup``, the client request token left out."""
    spec = group.spec
    template, version = facts.launch_template
    return {
        "clusterName": platform.cluster_name,
        "nodegroupName": group.name,
        "subnets": list(facts.subnet_ids),
        "nodeRole": facts.role_arn,
        "scalingConfig": {"minSize": spec.min, "desiredSize": spec.desired, "maxSize": spec.max},
        "instanceTypes": list(spec.instance_types),
        "amiType": ami_type(facts),
        "capacityType": spec.capacity_type,
        "labels": group.labels,
        "taints": [eks_taint(taint) for taint in spec.taints],
        "launchTemplate": {"id": template, "version": version},
        "updateConfig": {"maxUnavailable": 1},
        "tags": platform.tags,
    }


def ami_type(facts: NodeGroupFacts) -> str:
    """Amazon Linux 2023 for the instances' processors; Amazon Linux 2 images are no longer made."""
    if facts.arm:
        return "AL2023_ARM_64_NVIDIA" if facts.nvidia else "AL2023_ARM_64_STANDARD"
    return "AL2023_x86_64_NVIDIA" if facts.nvidia else "AL2023_x86_64_STANDARD"


def eks_taint(taint: Taint) -> dict[str, str]:
    """A taint as EKS spells it."""
    return {"key": taint.key, "value": taint.value, "effect": _EFFECTS[taint.effect]}


def drift(live: Mapping[str, Any], group: PlacedNodeGroup, platform: Platform, facts: NodeGroupFacts) -> NodeGroupDrift:
    """Compare a live node group with what the environment says, its desired size left to the autoscaler."""
    wanted = create_request(group, platform, facts)
    config: dict[str, Any] = {}
    fields: list[str] = []
    if scaling := _scaling(live.get("scalingConfig", {}), wanted["scalingConfig"]):
        config["scalingConfig"] = scaling
        fields += ["scalingConfig.minSize", "scalingConfig.maxSize"]
    if labels := _labels(live.get("labels") or {}, wanted["labels"]):
        config["labels"] = labels
        fields.append("labels")
    if taints := _taints(live.get("taints") or [], wanted["taints"]):
        config["taints"] = taints
        fields.append("taints")
    version: dict[str, Any] = {}
    present = live.get("launchTemplate") or {}
    if present.get("id") == facts.launch_template[0] and str(present.get("version")) != facts.launch_template[1]:
        version = {"launchTemplate": wanted["launchTemplate"]}
        fields.append("launchTemplate.version")
    tags = {key: value for key, value in platform.tags.items() if (live.get("tags") or {}).get(key) != value}
    fields += [f"tags.{key}" for key in sorted(tags)]
    return NodeGroupDrift(config, version, tags, tuple(fields), tuple(_immutable(live, wanted)))


def why_failed(issues: Sequence[Mapping[str, Any]]) -> str:
    """What to do about a node group's health issues."""
    codes = {str(issue.get("code")) for issue in issues}
    if codes & _CAPACITY:
        return (
            "AWS has no capacity or quota for these instances: name more instance types or another capacity_type in "
            "node_groups, or raise the quota in Service Quotas"
        )
    if codes & _ADDRESSES:
        return "the subnets are out of addresses: free some, or use a larger network"
    if codes & _JOIN:
        return "instances did not join: check the route to the API endpoint, the node role and the add-on vpc-cni"
    return "mend what the reasons name"


def _scaling(live: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """New bounds; the desired size moves only when it would lie outside of them."""
    if (live.get("minSize"), live.get("maxSize")) == (wanted["minSize"], wanted["maxSize"]):
        return {}
    desired = min(max(int(live.get("desiredSize", wanted["desiredSize"])), wanted["minSize"]), wanted["maxSize"])
    return {"minSize": wanted["minSize"], "maxSize": wanted["maxSize"], "desiredSize": desired}


def _labels(live: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Any]:
    changed = {key: value for key, value in wanted.items() if live.get(key) != value}
    removed = sorted(key for key in live if key not in wanted)
    return {
        **({"addOrUpdateLabels": changed} if changed else {}),
        **({"removeLabels": removed} if removed else {}),
    }


def _taints(live: Sequence[Mapping[str, str]], wanted: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    def normal(taint: Mapping[str, str]) -> dict[str, str]:
        return {"key": taint["key"], "value": taint.get("value") or "", "effect": taint["effect"]}

    have, want = [normal(taint) for taint in live], [normal(taint) for taint in wanted]
    changed = [taint for taint in want if taint not in have]
    # A taint is known by key and effect: one whose value changes is updated, not removed.
    named = {(taint["key"], taint["effect"]) for taint in want}
    removed = [taint for taint in have if (taint["key"], taint["effect"]) not in named]
    return {
        **({"addOrUpdateTaints": changed} if changed else {}),
        **({"removeTaints": removed} if removed else {}),
    }


def _immutable(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    found = []
    for name in ("instanceTypes", "subnets"):
        if sorted(live.get(name) or []) != sorted(wanted[name]):
            found.append(f"{name} is {', '.join(live.get(name) or []) or 'empty'}, wanted {', '.join(wanted[name])}")
    for name in ("capacityType", "amiType", "nodeRole"):
        if live.get(name) != wanted[name]:
            found.append(f"{name} is {live.get(name)}, wanted {wanted[name]}")
    template = (live.get("launchTemplate") or {}).get("id")
    if template != wanted["launchTemplate"]["id"]:
        found.append(f"launchTemplate.id is {template}, wanted {wanted['launchTemplate']['id']}")
    return found
