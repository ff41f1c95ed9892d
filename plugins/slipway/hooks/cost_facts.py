"""Gathers what a cost report is made of. Every part may be missing; each is asked for by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from slipway.decisions.cost_allocation import ClusterFacts
from slipway.hooks.aws import client
from slipway.hooks.cost_bills import account_bill, platform_bill
from slipway.hooks.cost_cluster import Usage, read_cluster
from slipway.hooks.cost_explorer import find_budget, reason_of
from slipway.hooks.kubernetes_async import KubernetesApiError
from slipway.hooks.price_list import NO_SAVINGS, PriceListHook, spot_prices
from slipway.hooks.resources import ResourcesHook
from slipway.hooks.savings_plans import compute_plan_rates
from slipway.model.bill import AccountBill, AwsBudget, PlatformBill
from slipway.model.errors import RefusedError
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook, SavingsRates
from slipway.model.report import Missing
from slipway.model.resource import Inventory, Kind, Unread

# Parts of the inventory that cost money or say whose something is. IAM and its like are free.
PARTS = (
    "EC2 instances",
    "EBS volumes",
    "EBS snapshots",
    "network interfaces",
    "elastic addresses",
    "NAT gateways",
    "VPCs",
    "VPC endpoints",
    "Auto Scaling groups",
    "load balancers",
    "classic load balancers",
    "EKS",
    "log groups",
    "KMS keys",
    "CloudFormation stacks",
    "secrets",
)
T = TypeVar("T")


@dataclass(slots=True)
class CostFacts:
    """Facts of one platform at one moment.

    :param inventory: with what of it could not be read.
    :param plan: hourly prices under a Compute Savings Plan, by instance type.
    :param extended: names of clusters past their version's standard support.
    :param usage: what workloads use now; ``weekly`` at the 95th percentile of a week.
    """

    platform: Platform
    now: datetime
    bill: PlatformBill
    book: PriceBook
    rates: SavingsRates
    inventory: Inventory
    account: AccountBill | None = None
    budget: AwsBudget | None = None
    spot: dict[str, float] = field(default_factory=dict)
    plan: dict[str, float] = field(default_factory=dict)
    extended: frozenset[str] = frozenset()
    cluster: ClusterFacts | None = None
    usage: Usage | None = None
    weekly: Usage | None = None
    missing: list[Missing] = field(default_factory=list)


class CostFactsHook:
    """Gathers the facts of one platform.

    :param run: name of the run, under which Cost Explorer's answers are kept.
    """

    def __init__(self, platform: Platform, now: datetime, run: str) -> None:
        self.platform = platform
        self.now = now
        self.run = run
        self.missing: list[Missing] = []

    def gather(self, keeper: Platform | None) -> CostFacts:
        """Everything there is to know.

        :param keeper: the platform in whose bucket the account's bill is; ``None`` when nobody could ask for it.
        """
        today = self.now.date()
        bill = platform_bill(self.platform, today, self.run)
        account = self._account(keeper)
        inventory = self._inventory()
        kinds = {one.text("type") for one in inventory.of(Kind.INSTANCE)} | {
            kind for group in self.platform.environment.node_groups.values() for kind in group.instance_types
        }
        prices = PriceListHook(self.platform)
        book = prices.book(kinds, today)
        facts = CostFacts(
            platform=self.platform,
            now=self.now,
            bill=bill,
            book=book,
            rates=prices.table().savings or NO_SAVINGS,
            inventory=inventory,
            account=account,
            budget=self._part("AWS budget", lambda: find_budget(self.platform), None),
            spot=self._part("spot prices", lambda: spot_prices(self.platform.region, kinds), {}),
            plan=self._part("rates of Savings Plans", lambda: compute_plan_rates(self.platform.region, kinds), {}),
            extended=self._part("Kubernetes versions' support", lambda: self._extended(inventory), frozenset()),
        )
        self._cluster(facts)
        account_missing = account.missing if account else []
        facts.missing = [*bill.missing, *account_missing, *prices.missing, *self.missing]
        return facts

    def _account(self, keeper: Platform | None) -> AccountBill | None:
        if keeper is None:
            reason = "no platform's bucket could be reached to keep it in"
            self.missing.append(Missing(part="the account's bill", reason=reason))
            return None
        # Kept there by the task before; asked again only when that is gone.
        return self._part("the account's bill", lambda: account_bill(keeper, self.now.date(), self.run), None)

    def _inventory(self) -> Inventory:
        found = self._part("inventory", lambda: ResourcesHook(self.platform).inventory(PARTS), None)
        if found is None:
            unread = [Unread(part="inventory", reason="see the report's missing parts")]
            account = self.platform.environment.account
            return Inventory(region=self.platform.region, account=account, resources=[], unread=unread)
        self.missing += [Missing(part=f"inventory of {one.part}", reason=one.reason) for one in found.unread]
        return found

    def _extended(self, inventory: Inventory) -> frozenset[str]:
        clusters = [one for one in inventory.of(Kind.CLUSTER) if one.ours]
        if not clusters:
            return frozenset()
        pages = client("eks", self.platform.region).get_paginator("describe_cluster_versions").paginate(includeAll=True)
        ends = {
            one["clusterVersion"]: one["endOfStandardSupportDate"] for page in pages for one in page["clusterVersions"]
        }
        return frozenset(
            one.id for one in clusters if one.text("version") in ends and ends[one.text("version")] < self.now
        )

    def _cluster(self, facts: CostFacts) -> None:
        """Read what runs, where there is a cluster."""
        if not any(one.ours for one in facts.inventory.of(Kind.CLUSTER)):
            self.missing.append(Missing(part="cost by component", reason="there is no cluster"))
            return
        try:
            facts.cluster, facts.usage, facts.weekly, why = asyncio.run(read_cluster(self.platform))
        except (KubernetesApiError, RefusedError, ClientError, BotoCoreError) as error:
            self.missing.append(Missing(part="cost by component", reason=str(error)))
            return
        if why:
            self.missing.append(Missing(part="usage of workloads (requests stand in for it)", reason=why))

    def _part(self, name: str, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            self.missing.append(Missing(part=name, reason=reason_of(error)))
            return otherwise
