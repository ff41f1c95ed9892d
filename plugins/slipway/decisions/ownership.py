"""Which resources of an account are the platform's.

Slipway's own carry its tags. The platform's controllers make more (volumes, load balancers, network interfaces,
security groups, log groups), and mark them with the cluster's name in ways of their own; AWS services make some with
no mark at all, which belong to whatever they hang on. A resource that merely lies in our VPC is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from slipway.model.platform import Platform
from slipway.model.resource import Kind, Resource

# Values are the cluster's name. Written by EKS, the VPC CNI, the load balancer controller, Karpenter and CSI drivers.
_CLUSTER_TAGS = (
    "aws:eks:cluster-name",
    "eks:cluster-name",
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
    "eks:eks-cluster-name",
    "karpenter.sh/discovery",
    "KubernetesCluster",
)
_STACK_TAG = "aws:cloudformation:stack-id"
_GLOBAL = "global"
# Kinds that may lie in a VPC without being in the way of its deletion: they go along with it.
_HARMLESS = frozenset({Kind.VPC.value})


@dataclass(slots=True)
class _Facts:
    """What the claims of one pass rest on.

    :param cluster_is_foreign: a cluster of our name exists that is not ours, so its name proves nothing.
    """

    platform: Platform
    cluster_is_foreign: bool
    ids: set[str] = field(default_factory=set)


def claim(found: Iterable[Resource], platform: Platform) -> list[Resource]:
    """Say of each resource whether it is the platform's, and why."""
    resources = list(found)
    facts = _Facts(platform, _cluster_is_foreign(resources, platform))
    claims: dict[int, str] = {}
    for index, one in enumerate(resources):
        if why := _by_mark(one, facts):
            claims[index] = why
            facts.ids.add(one.id)
    # What hangs on something of ours is ours, and something may hang on that in turn.
    for _ in range(3):
        before = len(claims)
        for index, one in enumerate(resources):
            if index not in claims and (why := _by_owner(one, facts)):
                claims[index] = why
                facts.ids.add(one.id)
        if len(claims) == before:
            break
    vpcs = {one.id for index, one in enumerate(resources) if index in claims and one.kind == Kind.VPC}
    return [_judged(one, claims.get(index), vpcs) for index, one in enumerate(resources)]


def linked(found: Iterable[Resource]) -> list[Resource]:
    """Tell interfaces what holds them: NAT gateways, endpoints and load balancers name theirs, or are named by them."""
    resources = list(found)
    holders: dict[str, str] = {}
    for one in resources:
        listed = one.attributes.get("interfaces")
        if isinstance(listed, list):
            holders.update({str(interface): one.id for interface in listed})
    balancers = {one.id.partition(":loadbalancer/")[2]: one.id for one in resources if one.kind == Kind.BALANCER}
    return [_held(one, holders, balancers) if one.kind == Kind.INTERFACE else one for one in resources]


def _held(one: Resource, holders: Mapping[str, str], balancers: Mapping[str, str]) -> Resource:
    named = one.text("description").removeprefix("ELB ")
    holder = holders.get(one.id) or balancers.get(named)
    return one.model_copy(update={"attributes": {**one.attributes, "holder": holder}}) if holder else one


def _judged(one: Resource, why: str | None, vpcs: set[str]) -> Resource:
    if why is not None:
        return one.model_copy(update={"ours": True, "why": why, "intruder": False})
    intruder = one.vpc in vpcs and one.kind not in _HARMLESS
    note = f"carries no mark of ours, and lies in our VPC {one.vpc}" if intruder else ""
    return one.model_copy(update={"ours": False, "why": note, "intruder": intruder})


def _cluster_is_foreign(resources: Sequence[Resource], platform: Platform) -> bool:
    named = [one for one in resources if one.kind == Kind.CLUSTER and one.id == platform.cluster_name]
    return any(not platform.is_ours(one.tags) for one in named)


def _by_mark(one: Resource, facts: _Facts) -> str | None:
    """Evidence on the resource itself."""
    platform = facts.platform
    if platform.is_ours(one.tags):
        return f"tag slipway:platform={platform.name}" if _of_this_region(one, platform) else None
    if facts.cluster_is_foreign:
        return None
    if mark := _cluster_mark(one.tags, platform.cluster_name):
        return mark
    if "slipway:platform" in one.tags:
        return None
    return _by_name(one, platform)


def _of_this_region(one: Resource, platform: Platform) -> bool:
    """Whether a global resource belongs to the platform of this region, not to its sibling in another."""
    if one.region != _GLOBAL:
        return True
    if stack := one.tags.get(_STACK_TAG):
        return stack.split(":")[3] == platform.region
    others = [region for region in platform.environment.regions if region != platform.region]
    return platform.region in one.name or not any(region in one.name for region in others)


def _cluster_mark(tags: Mapping[str, str], cluster: str) -> str | None:
    if tags.get(f"kubernetes.io/cluster/{cluster}") == "owned":
        return f"tag kubernetes.io/cluster/{cluster}=owned"
    return next((f"tag {key}={cluster}" for key in _CLUSTER_TAGS if tags.get(key) == cluster), None)


def _by_name(one: Resource, platform: Platform) -> str | None:
    """Names that only this platform's cluster, its controllers and its templates give."""
    cluster = re.escape(platform.cluster_name)
    patterns = {
        Kind.LOG_GROUP: rf"^/aws/(eks|containerinsights|vpc|cloudtrail|lambda)/{cluster}/",
        Kind.INTERFACE: rf"^Amazon EKS {cluster}$",
        Kind.ALIAS: rf"^alias/{cluster}-(secrets|logs|data|state)$",
        Kind.NODEGROUP: rf"^{cluster}/",
        Kind.ADDON: rf"^{cluster}/",
        Kind.POD_IDENTITY: rf"^{cluster}/",
    }
    subject = one.text("description") if one.kind == Kind.INTERFACE else one.id
    try:
        pattern = patterns.get(Kind(one.kind))
    except ValueError:
        return None
    if pattern and re.search(pattern, subject):
        return f"named {subject}, after the cluster"
    return None


def _by_owner(one: Resource, facts: _Facts) -> str | None:
    """What it hangs on is ours."""
    holders: dict[str, Sequence[str]] = {
        Kind.INTERFACE: ("instance", "holder", *(["vpc"] if _made_by_cni(one) else [])),
        Kind.ADDRESS: ("holder",),
        Kind.VOLUME: ("root_of",),
        Kind.SNAPSHOT: ("volume",),
        Kind.ALIAS: ("key",),
        Kind.TARGET_GROUP: ("balancer",),
        Kind.INSTANCE_PROFILE: ("role",),
        Kind.FLOW_LOG: ("resource",),
        Kind.SECURITY_GROUP: ("vpc",) if _made_by_controller(one) and not facts.cluster_is_foreign else (),
        Kind.BALANCER: ("vpc",) if _made_by_controller(one) and not facts.cluster_is_foreign else (),
    }
    for attribute in holders.get(one.kind, ()):
        holder = one.text(attribute)
        if holder and holder in facts.ids:
            return f"{'in' if attribute == 'vpc' else 'part of'} {holder}, which is ours"
    return None


def _made_by_cni(one: Resource) -> bool:
    """The VPC CNI describes the interfaces that it adds to nodes this way, and leaves them when a node dies badly."""
    return one.text("description").startswith("aws-K8S-")


def _made_by_controller(one: Resource) -> bool:
    """The load balancer controller names what it makes ``k8s-<namespace>-<name>-<hash>``; EKS ``eks-cluster-sg-``."""
    if one.tags and "slipway:platform" in one.tags:
        return False
    named = one.text("group") or one.name
    others = [key for key in ("elbv2.k8s.aws/cluster", "aws:eks:cluster-name") if key in one.tags]
    return not others and bool(re.match(r"^k8s-[a-z0-9-]+-[0-9a-f]{10}$|^k8s-traffic-", named))
