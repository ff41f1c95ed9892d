"""Whose a resource is: by mark, by what it hangs on, by the names controllers give; never by lying nearby."""

from __future__ import annotations

import pytest
from slipway.catalog.documents import load_document
from slipway.catalog.paths import include_dir
from slipway.decisions.ownership import claim, linked
from slipway.decisions.price_list import book
from slipway.decisions.sweep import Keep, monthly_usd, removal_command, sweep
from slipway.decisions.teardown import stray
from slipway.hooks.removal import REMOVABLE
from slipway.model.environment import Environment
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook, PriceTable
from slipway.model.resource import Inventory, Kind, Resource, Unread

OURS = {"slipway:platform": "slipway-dev", "slipway:managed-by": "slipway"}


@pytest.fixture
def platform() -> Platform:
    environment = Environment.model_validate(
        {
            "name": "dev",
            "account": "123456789012",
            "regions": ["us-east-1", "eu-west-1"],
            "network": {"cidr": "10.0.0.0/16"},
            "cluster": {"endpoint": {"public_cidrs": ["52.94.76.0/24"]}},
            "node_groups": {"primary": {"instance_types": ["t3.large"]}},
            "budget": {"monthly_usd": 100},
        }
    )
    return Platform(environment, "us-east-1")


@pytest.fixture
def prices() -> PriceBook:
    table = load_document(include_dir() / "prices" / "us-east-1.yaml", PriceTable, "us-east-1.yaml")
    return book("us-east-1", {}, table, table.gathered)


def one(
    kind: Kind, name: str, tags: dict[str, str] | None = None, region: str = "us-east-1", **more: object
) -> Resource:
    return Resource(kind=kind, id=name, name=name, region=region, tags=tags or {}, attributes=more)  # type: ignore[arg-type]


VPC = one(Kind.VPC, "vpc-1", OURS, vpc="vpc-1")
CLUSTER = one(Kind.CLUSTER, "slipway-dev", OURS)
CLAIMED = {
    "tag": one(Kind.VOLUME, "vol-1", OURS),
    "csi": one(Kind.VOLUME, "vol-2", {"kubernetes.io/cluster/slipway-dev": "owned"}),
    "load balancer": one(Kind.BALANCER, "arn:lb", {"elbv2.k8s.aws/cluster": "slipway-dev"}, vpc="vpc-1"),
    "cni": one(Kind.INTERFACE, "eni-1", description="aws-K8S-i-1", vpc="vpc-1"),
    "eks": one(Kind.INTERFACE, "eni-2", description="Amazon EKS slipway-dev", vpc="vpc-1"),
    "group": one(Kind.SECURITY_GROUP, "sg-1", group="k8s-apps-maze-0123456789", vpc="vpc-1"),
    "logs": one(Kind.LOG_GROUP, "/aws/eks/slipway-dev/cluster"),
    "role": one(Kind.ROLE, "slipway-dev-us-east-1-node", OURS, region="global"),
}
OTHERS = {
    "their volume": one(Kind.VOLUME, "vol-9", {"kubernetes.io/cluster/theirs": "owned"}),
    "their namesake": one(Kind.LOG_GROUP, "/aws/eks/slipway-dev2/cluster"),
    "our sibling's role": one(Kind.ROLE, "slipway-dev-eu-west-1-node", OURS, region="global"),
    "another platform": one(Kind.VOLUME, "vol-8", {**OURS, "slipway:platform": "slipway-prod"}),
    "shared": one(Kind.SUBNET, "subnet-1", {"kubernetes.io/cluster/slipway-dev": "shared"}),
    "their group in their vpc": one(Kind.SECURITY_GROUP, "sg-9", group="k8s-apps-maze-0123456789", vpc="vpc-9"),
}


@pytest.mark.parametrize("name", CLAIMED)
def test_ours(platform: Platform, name: str) -> None:
    found = claim([VPC, CLUSTER, CLAIMED[name]], platform)[-1]
    assert found.ours
    assert found.why


@pytest.mark.parametrize("name", OTHERS)
def test_not_ours(platform: Platform, name: str) -> None:
    found = claim([VPC, CLUSTER, OTHERS[name]], platform)[-1]
    assert not found.ours
    assert not found.intruder


def test_what_lies_in_our_network_without_a_mark_is_an_intruder(platform: Platform) -> None:
    theirs = one(Kind.INTERFACE, "eni-9", description="their database", vpc="vpc-1")
    found = claim([VPC, theirs], platform)[-1]
    assert (found.ours, found.intruder) == (False, True)


def test_a_foreign_cluster_of_our_name_proves_nothing(platform: Platform) -> None:
    foreign = one(Kind.CLUSTER, "slipway-dev", {"owner": "them"})
    found = claim([foreign, CLAIMED["csi"], CLAIMED["logs"], CLAIMED["load balancer"]], platform)
    assert [resource.ours for resource in found] == [False] * 4


def test_an_interface_belongs_to_what_holds_it(platform: Platform) -> None:
    gateway = one(Kind.NAT, "nat-1", OURS, vpc="vpc-1", interfaces=["eni-5"])
    interface = one(Kind.INTERFACE, "eni-5", description="Interface for NAT Gateway nat-1", vpc="vpc-1")
    found = claim(linked([VPC, gateway, interface]), platform)
    assert all(resource.ours for resource in found)
    inventory = Inventory(region="us-east-1", account="1", resources=found)
    assert [resource.id for resource in stray(inventory, platform, [], {"nat-1", "vpc-1"}, REMOVABLE)] == []


def test_sweep_sorts_left_kept_and_leaving(platform: Platform, prices: PriceBook) -> None:
    bucket = one(Kind.BUCKET, platform.bucket, OURS)
    key = one(Kind.KEY, "key-1", OURS, state="PendingDeletion")
    secret = one(Kind.SECRET, "slipway-dev/a/b", OURS)
    inventory = Inventory(
        region="us-east-1", account="1", resources=claim([bucket, key, secret, CLAIMED["tag"]], platform)
    )
    found = sweep([inventory], platform, prices, [Keep.STATE, Keep.SECRETS])
    assert [left.resource.id for left in found.leftovers] == ["vol-1"]
    assert [resource.id for resource in found.kept] == [platform.bucket, "slipway-dev/a/b"]
    assert [resource.id for resource in found.leaving] == ["key-1"]
    assert not found.clean


def test_an_unread_part_is_no_proof(platform: Platform, prices: PriceBook) -> None:
    inventory = Inventory(
        region="us-east-1", account="1", resources=[], unread=[Unread(part="EBS volumes", reason="AccessDenied")]
    )
    assert not sweep([inventory], platform, prices, []).clean


def test_the_sweep_has_no_prices_of_its_own(prices: PriceBook) -> None:
    """Whatever the book says a price is, that is what a leftover costs."""
    twice = {key: price.model_copy(update={"usd": 2 * price.usd}) for key, price in prices.prices.items()}
    dearer = prices.model_copy(update={"prices": twice})
    costing = [
        one(Kind.CLUSTER, "c"), one(Kind.NAT, "n"), one(Kind.ADDRESS, "a"), one(Kind.BALANCER, "b"),
        one(Kind.CLASSIC_BALANCER, "b"), one(Kind.ENDPOINT, "e", type="Interface", zones=2), one(Kind.KEY, "k"),
        one(Kind.SECRET, "s"), one(Kind.ALARM, "m"), one(Kind.SNAPSHOT, "s", gib=8),
        one(Kind.LOG_GROUP, "l", bytes=9e9),
        one(Kind.VOLUME, "v", gib=8, type="gp3"), one(Kind.INSTANCE, "i", type="t3.large", state="running"),
    ]  # fmt: skip
    for resource in costing:
        usd = monthly_usd(resource, prices)
        assert usd, resource
        assert monthly_usd(resource, dearer) == pytest.approx(2 * usd), resource
    rest = set(Kind) - {resource.kind for resource in costing}
    assert {kind for kind in rest if monthly_usd(one(kind, "x"), prices) is None} == {Kind.BUCKET}
    assert all(not monthly_usd(one(kind, "x"), prices) for kind in rest)
    assert monthly_usd(one(Kind.INSTANCE, "i", type="t3.large", state="stopped"), prices) == 0.0


def test_prices_and_commands(prices: PriceBook) -> None:
    assert monthly_usd(one(Kind.VOLUME, "v", gib=50, type="gp3"), prices) == pytest.approx(4.0)
    assert monthly_usd(one(Kind.NAT, "n"), prices) == pytest.approx(32.85)
    assert monthly_usd(one(Kind.ADDRESS, "a"), prices) == pytest.approx(3.65)
    assert monthly_usd(one(Kind.INSTANCE, "i", type="x9.huge", state="running"), prices) is None
    group = one(Kind.LOG_GROUP, "/aws/eks/a b/cluster")
    assert removal_command(group) == (
        "aws logs delete-log-group --log-group-name '/aws/eks/a b/cluster' --region us-east-1"
    )


def test_whatever_can_be_left_over_has_a_command_or_a_console() -> None:
    for kind in Kind:
        assert removal_command(one(kind, "x", cluster="c"))
