"""The nightly cost run: the account's bill once, then a report per platform, then what the fleet costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.decisions.cost_body import (
    actual_part,
    allocation_part,
    estimate_part,
    savings_part,
    summary,
    verdict_of,
)
from slipway.decisions.cost_estimate import items
from slipway.decisions.cost_page import page
from slipway.decisions.savings import SavingFacts
from slipway.model.cost import CostBody
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform
from slipway.model.report import Report
from slipway.operators.report import publish, report_asset, started_at

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from slipway.hooks.cost_facts import CostFacts

KIND = "cost"


def _run(context: Context) -> tuple[datetime, str]:
    """When the run began, and its name as part of a key. The same for every try and every task of the run."""
    started = started_at(context)
    return started, f"{started:%H%M%S}"


class AccountBillOperator(BaseOperator):
    """Asks Cost Explorer once for all platforms of the account, and keeps the answers in the first platform's bucket.

    Returns which platform that is, ``None`` when no bucket could be written to. Parts that could not be had are noted
    with the answers, and never fail the run: the platforms' reports name them.

    :param members: the fleet, as :class:`~slipway.operators.fleet.ListPlatformsOperator` lists it.
    """

    template_fields: Sequence[str] = ("members",)

    def __init__(self, *, members: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def execute(self, context: Context) -> dict[str, str] | None:
        """Ask, and say what of it was to be had."""
        from slipway.hooks.aws import TRANSIENT_ERRORS
        from slipway.hooks.cost_bills import account_bill

        started, run = _run(context)
        for member in self.members:
            if member["problem"]:
                continue
            platform = load_platform(member["environment"], member["region"])
            try:
                bill = account_bill(platform, started.astimezone(UTC).date(), run)
            except TRANSIENT_ERRORS as error:
                self.log.warning("The bill cannot be kept in %s: %s", platform.bucket, error)
                continue
            self.log.info("%d requests to Cost Explorer, %.2f USD", bill.calls.made, bill.calls.usd)
            for one in bill.missing:
                self.log.warning("Missing: %s", one)
            return {"environment": member["environment"], "region": member["region"]}
        return None


class PlatformCostOperator(BaseOperator):
    """Writes the cost report of one platform. Returns the report's reference.

    :param member: of the fleet.
    :param keeper: the platform in whose bucket the account's bill is, or ``None``.
    """

    template_fields: Sequence[str] = ("member", "keeper")

    def __init__(self, *, member: Any, keeper: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [report_asset(KIND)])
        super().__init__(**kwargs)
        self.member = member
        self.keeper = keeper

    def execute(self, context: Context) -> dict[str, Any]:
        """Gather, judge, publish."""
        from slipway.hooks.cost_facts import CostFactsHook

        if self.member["problem"]:
            raise AirflowFailException(self.member["problem"])
        started, run = _run(context)
        try:
            platform = load_platform(self.member["environment"], self.member["region"] or None)
            keeper = load_platform(self.keeper["environment"], self.keeper["region"]) if self.keeper else None
        except ConfigurationError as error:
            raise AirflowFailException(str(error)) from error
        facts = CostFactsHook(platform, started.astimezone(UTC), run).gather(keeper)
        body = body_of(facts)
        report = Report[CostBody](
            kind=KIND,
            environment=platform.environment.name,
            region=platform.region,
            run_id=context["dag_run"].run_id,
            started=started,
            ended=max(started, datetime.now(UTC)),
            verdict=verdict_of(body),
            summary=summary(body),
            body=body,
            missing=facts.missing,
        )
        self.log.info("%s: %s", report.verdict, report.summary)
        for one in report.missing:
            self.log.warning("Missing: %s", one)
        return publish(context, platform, report, page(report))


class FleetCostOperator(BaseOperator):
    """Says what the fleet costs, and fails when a platform could not be reported.

    :param members: the fleet.
    :param reporter: the task that writes the reports, mapped over the fleet.
    """

    template_fields: Sequence[str] = ("members",)

    def __init__(self, *, members: Any, reporter: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members
        self.reporter = reporter

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare what was to be reported with what was."""
        if self.members is None:
            raise AirflowFailException("The fleet could not be listed; see list_platforms")
        found = context["ti"].xcom_pull(task_ids=self.reporter, map_indexes=list(range(len(self.members)))) or []
        references: list[Mapping[str, Any]] = [one for one in found if one]
        for one in references:
            self.log.info("%-12s %-16s %-22s %s", one["environment"], one["region"], one["verdict"], one["summary"])
        reported = {(one["environment"], one["region"]) for one in references}
        wanted = [(one["environment"], one["region"]) for one in self.members]
        lost = [f"{name} in {region or '?'}" for name, region in wanted if (name, region) not in reported]
        if lost:
            raise AirflowFailException(
                f"{len(lost)} of {len(wanted)} platforms have no report: {', '.join(lost)}; see their own tasks' logs"
            )
        return {"platforms": len(wanted), "reports": [one["url"] for one in references]}


def body_of(facts: CostFacts) -> CostBody:
    """Judge the facts."""
    ours = facts.inventory.ours
    bill, book, spot = facts.bill, facts.book, facts.spot
    body = actual_part(facts.platform, bill, facts.account, facts.budget, facts.now.date())
    found = list(items(ours, facts.extended))
    body = estimate_part(body, found, book, spot, bill)
    allocation = None
    if facts.cluster is not None and body.estimate is not None:
        allocation = allocation_part(body.estimate, found, ours, book, spot, facts.cluster, facts.usage)
    savings = savings_part(
        SavingFacts(
            platform=facts.platform,
            resources=ours,
            items=found,
            book=book,
            rates=facts.rates,
            spot=spot,
            plan=facts.plan,
            lines=[line for line in bill.lines if line.day == body.day],
            stateful=_stateful(facts.platform),
            cluster=facts.cluster,
            weekly=facts.weekly,
            extended=facts.extended,
        )
    )
    return body.model_copy(update={"allocation": allocation, "savings": savings})


def _stateful(platform: Platform) -> frozenset[str]:
    """Workloads that a component with data is meant for."""
    disabled = platform.environment.components.disabled
    return frozenset(
        one.spec.workload for one in load_components().values() if one.spec.stateful and one.name not in disabled
    )
