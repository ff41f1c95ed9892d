"""Everything that can be known before the first change, judged at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.decisions.addon_footprints import addon_demands
from slipway.decisions.capacity import Allocatable, allocatable
from slipway.decisions.fit import Demand, Fit, Shape, judge_fit, what_would_hold
from slipway.model.environment import Environment, NatMode, Network4
from slipway.model.errors import Problem
from slipway.model.facts import AccountFacts, InstanceType, VersionFacts
from slipway.model.platform import NODE_NAMES_LIMIT, PlacedNodeGroup, Platform

_SOON = timedelta(days=60)


def judge_offline(environment: Environment, known_types: frozenset[str]) -> list[Problem]:
    """Problems that need no call: instance types that do not exist, names that EKS would not take."""
    problems = [
        Problem(
            _where(environment),
            f"node_groups.{name}.instance_types",
            repr(instance),
            "an EC2 instance type such as t3.large" + _alike(instance, known_types),
            "correct the name",
        )
        for name, group in environment.node_groups.items()
        for instance in group.instance_types
        if instance not in known_types
    ]
    return [*problems, *_judge_group_names(environment)]


def _judge_group_names(environment: Environment) -> list[Problem]:
    """A zonal group becomes one per zone, called after it: ``streaming-1a``."""
    problems = []
    zonal = [name for name, group in environment.node_groups.items() if group.zonal]
    for name, group in environment.node_groups.items():
        limit = NODE_NAMES_LIMIT - (len("-1a") if group.zonal else 0)
        if len(name) > limit:
            found, allowed = f"a name of {len(name)} characters", f"at most {limit}, a zone's suffix not counted"
            problems.append(Problem(_where(environment), f"node_groups.{name}", found, allowed, "shorten it"))
        for other in zonal:
            if re.fullmatch(rf"{re.escape(other)}-\d[a-z]", name):
                found, allowed = f"a name that the zonal group {other} takes", f"no name like {other}-1a"
                problems.append(Problem(_where(environment), f"node_groups.{name}", found, allowed, "rename it"))
    return problems


def overlaps(environment: Environment, region: str, others: Iterable[Environment]) -> list[Problem]:
    """Networks of other environments in the same account and region that share addresses with this one's.

    AWS allows them, but two such networks can never be connected, and a network's addresses cannot be changed.
    """
    mine = Network4(environment.network.cidr)
    return [
        Problem(
            _where(environment),
            "network.cidr",
            f"{mine}, which overlaps with {other.network.cidr} of {_where(other)}",
            f"a network of its own among those of account {environment.account} in {region}",
            "choose another network, such as 10.60.0.0/16, before anything is built in it",
        )
        for other in others
        if other.name != environment.name
        and other.account == environment.account
        and region in other.regions
        and mine.overlaps(Network4(other.network.cidr))
    ]


def judge_identity(environment: Environment, account: str, principal: str) -> list[Problem]:
    """Whether the credentials are of the environment's account; in any other nothing further is read."""
    if account == environment.account:
        return []
    return [
        Problem(
            _where(environment),
            "account",
            f"credentials of account {account} ({principal})",
            f"account {environment.account}",
            "use the right credentials in the Airflow connection aws_default, or correct account",
        )
    ]


def judge_account(platform: Platform, facts: AccountFacts, zones: Sequence[str], now: datetime) -> list[Problem]:
    """Problems with the region, version, instance types, quotas or with what is there already.

    :param zones: zones that the network gets, as :func:`~slipway.decisions.parameters.choose_zones` chose them.
    """
    environment = platform.environment
    problems = [
        *judge_identity(environment, facts.account, facts.principal),
        *_judge_version(environment, facts.versions, now),
        *_judge_instance_types(platform, facts),
    ]
    problems += [
        Problem(
            owner.resource,
            "tags",
            "a resource of the same name that is not ours",
            f"the tag slipway:platform={platform.name}",
            "rename the environment, or delete that resource yourself; Slipway does not touch it",
        )
        for owner in facts.owners
        if not platform.is_ours(dict(owner.tags))
    ]
    if facts.fresh and zones and not unoffered_types(platform.environment, facts):
        problems += _judge_quotas(platform, facts, zones)
    return problems


def unoffered_types(environment: Environment, facts: AccountFacts) -> list[tuple[str, str]]:
    """Node groups with an instance type that the region does not offer."""
    return [
        (name, instance)
        for name, group in environment.node_groups.items()
        for instance in group.instance_types
        if instance not in facts.instance_types
    ]


def _judge_instance_types(platform: Platform, facts: AccountFacts) -> list[Problem]:
    environment = platform.environment
    problems = [
        Problem(
            _where(environment),
            f"node_groups.{name}.instance_types",
            f"{instance!r}, which {platform.region} does not offer",
            f"an instance type of {platform.region}",
            f"choose another; `aws ec2 describe-instance-types --region {platform.region}` lists them",
        )
        for name, instance in unoffered_types(environment, facts)
    ]
    for name, group in environment.node_groups.items():
        types = [facts.instance_types[one] for one in group.instance_types if one in facts.instance_types]
        if len({one.architecture for one in types}) > 1:
            problems.append(
                Problem(
                    _where(environment),
                    f"node_groups.{name}.instance_types",
                    ", ".join(f"{one.name} ({one.architecture})" for one in types),
                    "instance types of one processor architecture: a node group has one machine image",
                    "split the group in two, or choose types of one architecture",
                )
            )
    return problems


def notes(platform: Platform, facts: AccountFacts, now: datetime) -> list[str]:
    """What is no problem yet but worth a line: unreadable quotas, support that ends soon."""
    found = [f"not checked: quota {one.what} ({one.unreadable})" for one in facts.quotas if one.limit is None]
    arm = [
        name
        for name, group in platform.environment.node_groups.items()
        if any(facts.instance_types[one].architecture == "arm64" for one in group.instance_types)
    ]
    if arm:
        found.append(f"not checked: whether all images exist for arm64, as the nodes of {', '.join(arm)} need")
    version = facts.versions.get(platform.environment.cluster.version)
    if version and now <= version.end_of_standard_support <= now + _SOON:
        found.append(
            f"standard support of Kubernetes {version.version} ends on {version.end_of_standard_support:%Y-%m-%d}; "
            "from then on the control plane costs six times as much"
        )
    return found


def in_extended_support(environment: Environment, versions: Mapping[str, VersionFacts], now: datetime) -> bool:
    """Whether the cluster's version is past standard support."""
    version = versions.get(environment.cluster.version)
    return version is not None and now > version.end_of_standard_support


def _judge_version(environment: Environment, versions: Mapping[str, VersionFacts], now: datetime) -> list[Problem]:
    wanted = environment.cluster.version
    field = "cluster.version"
    current = [name for name, facts in sorted(versions.items()) if facts.end_of_standard_support >= now]
    offered = [name for name, facts in sorted(versions.items()) if facts.end_of_extended_support >= now]
    if wanted not in offered:
        return [
            Problem(_where(environment), field, repr(wanted), ", ".join(offered), f"choose one, best {current[-1]}")
            if current
            else Problem(_where(environment), field, repr(wanted), ", ".join(offered) or "none", "choose one")
        ]
    if wanted not in current and environment.cluster.support != "extended":
        ended = versions[wanted].end_of_standard_support
        return [
            Problem(
                _where(environment),
                field,
                f"{wanted!r}, whose standard support ended on {ended:%Y-%m-%d}",
                f"{', '.join(current)}, or cluster.support: extended",
                "choose a version in standard support, or say support: extended and pay six times as much",
            )
        ]
    return []


def _judge_quotas(platform: Platform, facts: AccountFacts, zones: Sequence[str]) -> list[Problem]:
    """Quotas against what a fresh platform adds."""
    environment = platform.environment
    vcpus = sum(
        group.spec.max * max(facts.instance_types[name].vcpus for name in group.spec.instance_types)
        for group in platform.node_groups(list(zones))
        if group.spec.capacity_type == "ON_DEMAND"
    )
    gateways = len(zones) if environment.network.nat is NatMode.PER_ZONE else 1
    adds = {"nodes": vcpus, "vpcs": 1, "addresses": gateways, "clusters": 1}
    return [
        Problem(
            f"quota: {quota.what}",
            "",
            f"{adds[quota.name]} more needed, {quota.used or 0} in use, limit {quota.limit:g}",
            "room for the platform at its node groups' maximum",
            f"ask for a higher quota in Service Quotas, region {platform.region}, or lower the node groups' max",
        )
        for quota in facts.quotas
        if quota.limit is not None and (quota.used or 0) + adds[quota.name] > quota.limit
    ]


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """Fit at the node groups' desired and maximum sizes."""

    desired: Fit
    maximum: Fit
    problems: list[Problem]
    notes: list[str]


def judge_fleet(
    platform: Platform, facts: AccountFacts, zones: Sequence[str], demands: Sequence[Demand]
) -> FleetVerdict:
    """Hold the components' and the add-ons' pods against the node groups.

    What fits only above the desired size is a note, since an autoscaler may bring the nodes; what does not fit at the
    maximum either is a problem.
    """
    addons = platform.environment.all_addons()
    system, unknown = addon_demands(list(addons), {"slipway.dev/workload": "primary"})
    everything = [*system, *demands]
    configuration = addons["vpc-cni"].configuration.get("env", {})
    delegated = isinstance(configuration, dict) and configuration.get("ENABLE_PREFIX_DELEGATION") == "true"
    desired = judge_fit(everything, _shapes(platform, facts, zones, delegated, at_max=False))
    largest = _shapes(platform, facts, zones, delegated, at_max=True)
    maximum = judge_fit(everything, largest)
    remarks = [f"not counted: pods of the add-on {name}, whose size is not known" for name in unknown]
    if maximum.fits and not desired.fits:
        pods = sum(misfit.pods for misfit in desired.misfits)
        what = "1 pod fits" if pods == 1 else f"{pods} pods fit"
        remarks.append(f"{what} only above the node groups' desired size: nodes will have to be added")
    problems = [
        Problem(
            _where(platform.environment),
            "node_groups",
            f"{misfit.pods} pod{'s' if misfit.pods > 1 else ''} of {misfit.demand.owner} "
            f"({misfit.demand.cpu}m CPU, {misfit.demand.memory}Mi memory each) without a place at the maximum size",
            misfit.why,
            what_would_hold(everything, largest, maximum.misfits),
        )
        for misfit in maximum.misfits
    ]
    return FleetVerdict(desired, maximum, problems, remarks)


def _shapes(
    platform: Platform, facts: AccountFacts, zones: Sequence[str], delegated: bool, *, at_max: bool
) -> list[Shape]:
    """Nodes by group and zone, as EKS would spread them."""
    shapes = []
    for group in platform.node_groups(list(zones)):
        instances = [facts.instance_types[name] for name in group.spec.instance_types]
        offers = _least([allocatable(instance, prefix_delegation=delegated) for instance in instances])
        count = group.spec.max if at_max else group.spec.desired
        for index, zone in enumerate(group.zones):
            share = count // len(group.zones) + (index < count % len(group.zones))
            if share:
                taints = tuple((taint.key, taint.value, taint.effect) for taint in group.spec.taints)
                labels = {**_node_labels(group, instances[0], zone), **group.labels}
                shapes.append(Shape(group.name, zone, instances[0].name, offers, labels, taints, share))
    return shapes


def _least(offers: Sequence[Allocatable]) -> Allocatable:
    """What a node has at any rate: EKS takes whichever of a group's instance types it can get."""
    return Allocatable(
        min(one.cpu for one in offers), min(one.memory for one in offers), min(one.pods for one in offers)
    )


def _node_labels(group: PlacedNodeGroup, instance: InstanceType, zone: str) -> dict[str, str]:
    """Labels that kubelet and EKS give every node, which selectors may ask for."""
    return {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64" if instance.architecture == "arm64" else "amd64",
        "node.kubernetes.io/instance-type": instance.name,
        "topology.kubernetes.io/zone": zone,
        "eks.amazonaws.com/nodegroup": group.name,
        "eks.amazonaws.com/capacityType": group.spec.capacity_type,
    }


def _alike(instance: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(instance, known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _where(environment: Environment) -> str:
    return f"include/environments/{environment.name}.yaml"
