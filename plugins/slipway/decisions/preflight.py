"""Everything that can be known before the first change, judged at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.decisions.addon_footprints import addon_demands
from slipway.decisions.capacity import allocatable
from slipway.decisions.fit import Demand, Fit, Shape, judge_fit, what_would_hold
from slipway.model.environment import Environment, NatMode
from slipway.model.errors import Problem
from slipway.model.facts import AccountFacts, VersionFacts
from slipway.model.platform import Platform

_SOON = timedelta(days=60)


def judge_offline(environment: Environment, known_types: frozenset[str]) -> list[Problem]:
    """Problems that need no call: instance types that do not exist."""
    where = _where(environment)
    return [
        Problem(
            where,
            f"node_groups.{name}.instance_types",
            repr(instance),
            "an EC2 instance type such as t3.large",
            "correct the name",
        )
        for name, group in environment.node_groups.items()
        for instance in group.instance_types
        if instance not in known_types
    ]


def judge_account(platform: Platform, facts: AccountFacts, now: datetime) -> list[Problem]:
    """Problems with the account, region, version, quotas or with what is there already."""
    environment = platform.environment
    where = _where(environment)
    problems = []
    if facts.account != environment.account:
        problems.append(
            Problem(
                where,
                "account",
                f"credentials of account {facts.account} ({facts.principal})",
                f"account {environment.account}",
                "use the right credentials in the Airflow connection aws_default, or correct account",
            )
        )
    wanted = environment.network.zones
    missing = [zone for zone in wanted if zone not in facts.zones] if isinstance(wanted, list) else []
    if missing or len(facts.zones) < environment.network.zone_count:
        problems.append(
            Problem(
                where,
                "network.zones",
                f"{', '.join(missing) or wanted} in {platform.region}",
                ", ".join(facts.zones),
                "choose among these zones",
            )
        )
    problems += _judge_version(environment, facts.versions, now)
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
    fresh = not any(owner.resource.startswith("stack") for owner in facts.owners)
    if fresh:
        problems += _judge_quotas(platform, facts)
    return problems


def notes(platform: Platform, facts: AccountFacts, now: datetime) -> list[str]:
    """What is no problem yet but worth a line: unreadable quotas, support that ends soon."""
    found = [f"not checked: quota {one.what} ({one.unreadable})" for one in facts.quotas if one.limit is None]
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


def _judge_quotas(platform: Platform, facts: AccountFacts) -> list[Problem]:
    """Quotas against what a fresh platform adds."""
    environment = platform.environment
    zones = choose_zones(platform, facts.zones)
    vcpus = sum(
        group.spec.max * facts.instance_types[group.spec.instance_types[0]].vcpus
        for group in platform.node_groups(zones)
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


def choose_zones(platform: Platform, available: Sequence[str]) -> list[str]:
    """The zones named by the environment, or the first ones by name."""
    wanted = platform.environment.network.zones
    return list(wanted) if isinstance(wanted, list) else sorted(available)[:wanted]


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """Fit at the node groups' desired and maximum sizes."""

    desired: Fit
    maximum: Fit
    problems: list[Problem]
    notes: list[str]


def judge_fleet(platform: Platform, facts: AccountFacts, demands: Sequence[Demand]) -> FleetVerdict:
    """Hold the components' and the add-ons' pods against the node groups.

    What fits only above the desired size is a note, since an autoscaler may bring the nodes; what does not fit at the
    maximum either is a problem.
    """
    addons = platform.environment.all_addons()
    system, unknown = addon_demands(list(addons), {"slipway.dev/workload": "primary"})
    everything = [*system, *demands]
    configuration = addons["vpc-cni"].configuration.get("env", {})
    delegated = isinstance(configuration, dict) and configuration.get("ENABLE_PREFIX_DELEGATION") == "true"
    desired = judge_fit(everything, _shapes(platform, facts, delegated, at_max=False))
    largest = _shapes(platform, facts, delegated, at_max=True)
    maximum = judge_fit(everything, largest)
    remarks = [f"not counted: pods of the add-on {name}, whose size is not known" for name in unknown]
    if maximum.fits and not desired.fits:
        pods = sum(misfit.pods for misfit in desired.misfits)
        remarks.append(f"{pods} pods fit only above the node groups' desired size: nodes will have to be added")
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


def _shapes(platform: Platform, facts: AccountFacts, delegated: bool, *, at_max: bool) -> list[Shape]:
    """Nodes by group and zone, as EKS would spread them."""
    shapes = []
    for group in platform.node_groups(choose_zones(platform, facts.zones)):
        instance = facts.instance_types[group.spec.instance_types[0]]
        count = group.spec.max if at_max else group.spec.desired
        for index, zone in enumerate(group.zones):
            share = count // len(group.zones) + (index < count % len(group.zones))
            if share:
                taints = tuple((taint.key, taint.value, taint.effect) for taint in group.spec.taints)
                offers = allocatable(instance, prefix_delegation=delegated)
                shapes.append(Shape(group.name, zone, instance.name, offers, group.labels, taints, share))
    return shapes


def _where(environment: Environment) -> str:
    return f"include/environments/{environment.name}.yaml"
