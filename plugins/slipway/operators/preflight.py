"""Judges everything that can be known before the first change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.catalog.components import load_components
from slipway.catalog.documents import load_document
from slipway.catalog.environments import other_environments
from slipway.catalog.paths import include_dir
from slipway.catalog.render import Manifest, render_all
from slipway.decisions.estimate import CostLine, estimate, total
from slipway.decisions.fit import Demand, Fit, all_demands, largest_check
from slipway.decisions.images import judge_images
from slipway.decisions.objects import judge_disabled, judge_objects
from slipway.decisions.parameters import choose_zones
from slipway.decisions.preflight import (
    FleetVerdict,
    in_extended_support,
    judge_account,
    judge_fleet,
    judge_identity,
    judge_offline,
    notes,
    overlaps,
    unoffered_types,
)
from slipway.hooks.account import AccountHook, known_instance_types
from slipway.model.component import Component
from slipway.model.errors import ConfigurationError, Problem, RefusedError
from slipway.model.facts import AccountFacts
from slipway.model.platform import Platform
from slipway.model.prices import PriceTable
from slipway.operators.base import platform_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

Rendered = Sequence[tuple[Component, list[Manifest]]]


class PreflightOperator(BaseOperator):
    """Checks configuration, account, quotas and fit; changes nothing.

    First what needs no call; when that is in order, whose account it is; then the account and what is there. The
    problems of each step are reported together and end the run without a retry. Its XCom is what the environment costs
    a month and how it fits.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge, and fail with every problem at once."""
        try:
            return self._judge(context)
        except (ConfigurationError, RefusedError) as error:
            raise AirflowFailException(f"Nothing was changed. {error}") from error

    def _judge(self, context: Context) -> dict[str, Any]:
        platform, rendered, demands = self._offline(context)
        environment = platform.environment
        hook = AccountHook(platform)
        identity = hook.identity()
        _insist(judge_identity(environment, *identity))

        facts = hook.facts(identity)
        now = datetime.now(UTC)
        zones, problems = _zones(platform, facts)
        problems += judge_account(platform, facts, zones, now)
        others, remarks = other_environments(environment.name)
        shared = overlaps(environment, platform.region, others)
        # Too late to choose another network for one that exists: worth saying, no reason to stop.
        if facts.fresh:
            problems += shared
        else:
            remarks += [f"{problem.where}: {problem.field} is {problem.found}" for problem in shared]
        if not zones or unoffered_types(environment, facts):
            raise ConfigurationError(problems)
        fleet = judge_fleet(platform, facts, zones, demands)
        _insist([*problems, *fleet.problems])
        remarks += [*notes(platform, facts, now), *fleet.notes]
        return self._report(platform, facts, zones, fleet, rendered, remarks, now)

    def _offline(self, context: Context) -> tuple[Platform, Rendered, list[Demand]]:
        """Everything that is judged without a single call.

        :raises ConfigurationError: with the problems of the environment's file and of all components.
        """
        problems: list[Problem] = []
        platform: Platform | None = None
        components: dict[str, Component] | None = None
        try:
            platform = platform_of(context)
            problems += judge_offline(platform.environment, known_instance_types())
        except ConfigurationError as error:
            problems += error.problems
        try:
            components = load_components()
        except ConfigurationError as error:
            problems += error.problems
        if platform is None or components is None:
            raise ConfigurationError(problems)
        problems += judge_disabled(platform.environment, components)
        disabled = platform.environment.components.disabled
        rendered: Rendered = []
        try:
            rendered = render_all([one for one in components.values() if one.name not in disabled], platform)
        except ConfigurationError as error:
            problems += error.problems
        problems += [problem for component, manifests in rendered for problem in judge_images(component, manifests)]
        problems += judge_objects(rendered)
        try:
            demands = [*all_demands(rendered), *largest_check(component for component, _ in rendered)]
        except ConfigurationError as error:
            raise ConfigurationError([*problems, *error.problems]) from None
        _insist(problems)
        return platform, rendered, demands

    def _report(
        self,
        platform: Platform,
        facts: AccountFacts,
        zones: list[str],
        fleet: FleetVerdict,
        rendered: Rendered,
        remarks: Sequence[str],
        now: datetime,
    ) -> dict[str, Any]:
        prices = load_document(include_dir() / "prices" / "us-east-1.yaml", PriceTable, "include/prices/us-east-1.yaml")
        extended = in_extended_support(platform.environment, facts.versions, now)
        manifests = [manifest for _, some in rendered for manifest in some]
        lines: list[CostLine] = estimate(platform, zones, manifests, prices, extended=extended)
        cost = total(lines)
        say = self.log.info
        say("Platform %s in %s, %s", platform.name, platform.region, "to be built" if facts.fresh else "which exists")
        say("Account %s as %s", facts.account, facts.principal)
        say("Zones %s; Kubernetes %s", ", ".join(zones), platform.environment.cluster.version)
        say("%d components render %d objects", len(rendered), len(manifests))
        for quota in (one for one in facts.quotas if one.limit is not None):
            in_use = "" if quota.used is None else f", {quota.used} in use"
            say("Quota %s: %g%s", quota.what, quota.limit, in_use)
        say("At desired size, %s", _described(fleet.desired))
        say("At maximum size, %s", _described(fleet.maximum))
        say("USD a month, at list prices of %s (%s), without traffic, logs and load balancers:", *_priced(prices))
        for line in lines:
            say("%10s  %s", "unknown" if line.usd is None else f"{line.usd:.2f}", line.what)
        say("%10.2f  in all, of a budget of %.2f", cost, platform.environment.budget.monthly_usd)
        for remark in [*remarks, *_cost_remarks(platform, lines)]:
            self.log.warning("Note: %s", remark)
        return {
            "zones": zones,
            "monthly_usd": round(cost, 2),
            "fits_at_desired_size": fleet.desired.fits,
            "nodes": {"desired": fleet.desired.nodes, "maximum": fleet.maximum.nodes},
        }


def _insist(problems: Sequence[Problem]) -> None:
    if problems:
        raise ConfigurationError(problems)


def _zones(platform: Platform, facts: AccountFacts) -> tuple[list[str], list[Problem]]:
    """Zones of the network as its stack will get them, or the problems with that."""
    where = f"include/environments/{platform.environment.name}.yaml"
    try:
        return choose_zones(platform.environment.network, facts.network_zones, facts.zones, where), []
    except ConfigurationError as error:
        return [], list(error.problems)


def _described(fit: Fit) -> str:
    verdict = "all pods have a place" if fit.fits else f"{sum(one.pods for one in fit.misfits)} pods have no place"
    left = f"{fit.free_cpu / 1000:.1f} CPU, {fit.free_memory / 1024:.1f} GiB memory and {fit.free_pods} pods left over"
    return f"{fit.nodes} nodes: {verdict}; {left}"


def _priced(prices: PriceTable) -> tuple[str, str]:
    return prices.region, str(prices.gathered)


def _cost_remarks(platform: Platform, lines: Sequence[CostLine]) -> list[str]:
    budget, cost = platform.environment.budget.monthly_usd, total(lines)
    unknown = sum(line.usd is None for line in lines)
    remarks = [f"the sum lacks {unknown} lines whose price is not known"] if unknown else []
    if cost > budget:
        remarks.append(f"{cost:.2f} USD a month is more than budget.monthly_usd, {budget:.2f}")
    return remarks
