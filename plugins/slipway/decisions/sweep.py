"""Whether anything of the platform is left: the proof that a teardown ends with.

Every resource of ours is one of: kept on purpose, on its way out by itself (a key or a secret waits its days), or a
leftover, with what it costs a month and the command that removes it. What could not be looked at is no proof of
absence, so an unread part fails a sweep as a leftover does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from enum import StrEnum

from slipway.decisions.cost_estimate import items, price_of
from slipway.model.platform import Platform, Stack
from slipway.model.prices import PriceBook
from slipway.model.records import Record
from slipway.model.resource import Inventory, Kind, Resource, Unread

BACKUP_TAG = "slipway:backup"
SNAPSHOTS = "AmazonEC2/EBS:SnapshotUsage"
ALARMS = "AmazonCloudWatch/CW:AlarmMonitorUsage"


class Keep(StrEnum):
    """What a teardown may leave on purpose."""

    STATE = "state"
    SECRETS = "secrets"
    BACKUPS = "backups"


class Leftover(Record):
    """A resource that should be gone.

    :param usd: per month; ``None`` when no price is known.
    :param command: what removes it.
    """

    resource: Resource
    usd: float | None
    command: str

    def __str__(self) -> str:
        cost = "cost unknown" if self.usd is None else f"{self.usd:,.2f} USD a month"
        return f"{self.resource}, {self.resource.why}: {cost}; remove it with: {self.command}"


class Sweep(Record):
    """What a sweep found.

    :param kept: left on purpose.
    :param leaving: on its way out by itself, at no cost.
    :param intruders: other people's resources in our VPC, which is left standing for them.
    """

    leftovers: list[Leftover]
    kept: list[Resource] = []
    leaving: list[Resource] = []
    intruders: list[Resource] = []
    unread: list[Unread] = []

    @property
    def clean(self) -> bool:
        """Whether nothing of ours is left and everything could be looked at."""
        return not self.leftovers and not self.unread

    @property
    def usd(self) -> float:
        """What the leftovers cost a month, where it is known."""
        return sum(one.usd or 0.0 for one in self.leftovers)

    def __str__(self) -> str:
        lines = [f"{one}" for one in self.leftovers]
        lines += [f"not looked at: {one.part}: {one.reason}" for one in self.unread]
        lines += [f"{one} is not ours and lies in our VPC {one.vpc}: move or delete it" for one in self.intruders]
        head = f"{len(self.leftovers)} left, {self.usd:,.2f} USD a month"
        return head + "".join(f"\n  - {line}" for line in lines)


def sweep(inventories: Iterable[Inventory], platform: Platform, prices: PriceBook, keep: Sequence[Keep]) -> Sweep:
    """Judge what is there.

    :param inventories: of the platform's region, and of the others as far as they were looked at.
    """
    leftovers: list[Leftover] = []
    kept: list[Resource] = []
    leaving: list[Resource] = []
    intruders: list[Resource] = []
    unread: list[Unread] = []
    for inventory in inventories:
        state_keys = {one.text("key") for one in inventory.resources if one.id == f"alias/{platform.name}-state"}
        unread += inventory.unread
        intruders += inventory.intruders
        for one in inventory.ours:
            if is_leaving(one):
                leaving.append(one)
            elif is_kept(one, platform, keep, state_keys):
                kept.append(one)
            else:
                leftovers.append(Leftover(resource=one, usd=monthly_usd(one, prices), command=removal_command(one)))
    return Sweep(leftovers=leftovers, kept=kept, leaving=leaving, intruders=intruders, unread=unread)


def is_leaving(one: Resource) -> bool:
    """Whether AWS removes it at a set time, without cost until then."""
    if one.kind == Kind.KEY:
        return one.text("state") in {"PendingDeletion", "PendingReplicaDeletion"}
    return one.kind == Kind.SECRET and bool(one.text("deletion"))


def is_kept(one: Resource, platform: Platform, keep: Sequence[Keep], state_keys: Iterable[str] = ()) -> bool:
    """Whether it stays on purpose.

    :param state_keys: ids of the key that the state bucket is sealed with.
    """
    if Keep.STATE in keep and _is_state(one, platform, state_keys):
        return True
    if Keep.SECRETS in keep and one.kind == Kind.SECRET:
        return True
    return Keep.BACKUPS in keep and BACKUP_TAG in one.tags


def _is_state(one: Resource, platform: Platform, keys: Iterable[str]) -> bool:
    stack = platform.stack_name(Stack.STATE)
    if one.tags.get("aws:cloudformation:stack-name") == stack:
        return True
    if one.kind == Kind.STACK:
        return one.id == stack
    if one.kind == Kind.BUCKET:
        return one.id in {platform.bucket, f"{platform.bucket}-audit", f"{platform.bucket}-access"}
    if one.kind == Kind.ALIAS:
        return one.id == f"alias/{platform.name}-state"
    return one.kind == Kind.KEY and one.id in set(keys)


# What stands there without costing anything by itself.
_FREE = frozenset(
    {
        Kind.VPC, Kind.SUBNET, Kind.ROUTE_TABLE, Kind.GATEWAY, Kind.SECURITY_GROUP, Kind.INTERFACE, Kind.FLOW_LOG,
        Kind.LAUNCH_TEMPLATE, Kind.SCALING_GROUP, Kind.NODEGROUP, Kind.ADDON, Kind.POD_IDENTITY, Kind.TARGET_GROUP,
        Kind.ROLE, Kind.INSTANCE_PROFILE, Kind.OIDC_PROVIDER, Kind.ALIAS, Kind.STACK, Kind.BUDGET, Kind.TRAIL,
        Kind.RULE,
    }
)  # fmt: skip
# What a bucket costs is what lies in it, which an inventory does not know.
_UNKNOWN = frozenset({Kind.BUCKET})


def monthly_usd(one: Resource, prices: PriceBook) -> float | None:
    """List price of a resource as it stands, USD a month, without traffic and other use; ``None`` when not known.

    The parts of a resource and their prices are those of the cost estimate. A snapshot counts as large as its disk,
    which is the most that it can cost.
    """
    if one.kind in _FREE:
        return 0.0
    if one.kind in _UNKNOWN or one.kind not in set(Kind):
        return None
    parts = [(part.key, part.count) for part in items([one])]
    if one.kind == Kind.SNAPSHOT:
        parts.append((SNAPSHOTS, one.number("gib")))
    if one.kind == Kind.ALARM:
        parts.append((ALARMS, 1.0))
    costs = []
    for key, count in parts:
        # The price of spot changes by the hour: what it saves is not promised here.
        found = price_of(key.replace("/SpotUsage:", "/BoxUsage:"), prices, {})
        if found is None:
            return None
        costs.append(found[1] * count)
    return sum(costs)


_COMMANDS: dict[str, str] = {
    Kind.INSTANCE: "ec2 terminate-instances --instance-ids {id}",
    Kind.VOLUME: "ec2 delete-volume --volume-id {id}",
    Kind.SNAPSHOT: "ec2 delete-snapshot --snapshot-id {id}",
    Kind.INTERFACE: "ec2 delete-network-interface --network-interface-id {id}",
    Kind.ADDRESS: "ec2 release-address --allocation-id {id}",
    Kind.NAT: "ec2 delete-nat-gateway --nat-gateway-id {id}",
    Kind.VPC: "ec2 delete-vpc --vpc-id {id}",
    Kind.SUBNET: "ec2 delete-subnet --subnet-id {id}",
    Kind.ROUTE_TABLE: "ec2 delete-route-table --route-table-id {id}",
    Kind.GATEWAY: "ec2 delete-internet-gateway --internet-gateway-id {id}",
    Kind.SECURITY_GROUP: "ec2 delete-security-group --group-id {id}",
    Kind.ENDPOINT: "ec2 delete-vpc-endpoints --vpc-endpoint-ids {id}",
    Kind.FLOW_LOG: "ec2 delete-flow-logs --flow-log-ids {id}",
    Kind.LAUNCH_TEMPLATE: "ec2 delete-launch-template --launch-template-id {id}",
    Kind.SCALING_GROUP: "autoscaling delete-auto-scaling-group --auto-scaling-group-name {id} --force-delete",
    Kind.BALANCER: "elbv2 delete-load-balancer --load-balancer-arn {id}",
    Kind.TARGET_GROUP: "elbv2 delete-target-group --target-group-arn {id}",
    Kind.CLASSIC_BALANCER: "elb delete-load-balancer --load-balancer-name {id}",
    Kind.CLUSTER: "eks delete-cluster --name {id}",
    Kind.NODEGROUP: "eks delete-nodegroup --cluster-name {cluster} --nodegroup-name {name}",
    Kind.ADDON: "eks delete-addon --cluster-name {cluster} --addon-name {name}",
    Kind.LOG_GROUP: "logs delete-log-group --log-group-name {id}",
    Kind.ALARM: "cloudwatch delete-alarms --alarm-names {id}",
    Kind.RULE: "events delete-rule --name {id}",
    Kind.BUCKET: "s3 rb --force s3://{id}",
    Kind.ROLE: "iam delete-role --role-name {id}",
    Kind.INSTANCE_PROFILE: "iam delete-instance-profile --instance-profile-name {id}",
    Kind.OIDC_PROVIDER: "iam delete-open-id-connect-provider --open-id-connect-provider-arn {id}",
    Kind.KEY: "kms schedule-key-deletion --key-id {id} --pending-window-in-days 7",
    Kind.ALIAS: "kms delete-alias --alias-name {id}",
    Kind.STACK: "cloudformation delete-stack --stack-name {id}",
    Kind.TRAIL: "cloudtrail delete-trail --name {id}",
    Kind.SECRET: "secretsmanager delete-secret --secret-id {id}",
    Kind.BUDGET: "budgets delete-budget --account-id {account} --budget-name {id}",
}


def removal_command(one: Resource) -> str:
    """The AWS CLI call that removes a resource."""
    call = _COMMANDS.get(one.kind)
    if call is None:
        return f"the console of {one.kind.split('::')[1]}, for {one.arn or one.id}"
    account = one.arn.split(":")[4] if one.arn.count(":") >= 5 else ""
    filled = call.format(
        id=shlex.quote(one.id), name=shlex.quote(one.name), cluster=shlex.quote(one.text("cluster")), account=account
    )
    region = "" if one.region == "global" else f" --region {one.region}"
    return f"aws {filled}{region}"
