"""Judges everything that can be known before the first change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.catalog.components import load_components
from slipway.catalog.documents import load_document
from slipway.catalog.paths import include_dir
from slipway.catalog.render import Manifest, render_all
from slipway.decisions.estimate import CostLine, estimate, total
from slipway.decisions.fit import demands_of
from slipway.decisions.images import judge_images
from slipway.decisions.preflight import (
    FleetVerdict,
    choose_zones,
    in_extended_support,
    judge_account,
    judge_fleet,
    judge_offline,
    notes,
)
from slipway.hooks.account import AccountHook, known_instance_types
from slipway.model.component import Component
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.facts import AccountFacts
from slipway.model.platform import Platform
from slipway.model.prices import PriceTable
from slipway.operators.base import platform_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class PreflightOperator(BaseOperator):
    """Checks configuration, account, quotas and fit; changes nothing.

    All problems are reported together and end the run without a retry. Its XCom is what the environment costs a month
    and how it fits.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge, and fail with every problem at once."""
        try:
            return self._judge(context)
        except ConfigurationError as error:
            raise AirflowFailException(f"Nothing was changed. {error}") from None

    def _judge(self, context: Context) -> dict[str, Any]:
        platform = platform_of(context)
        rendered = self._render_components(platform)
        offline = judge_offline(platform.environment, known_instance_types())
        offline += [problem for component, manifests in rendered for problem in judge_images(component, manifests)]
        if offline:
            raise ConfigurationError(offline)

        facts = AccountHook(platform).facts()
        now = datetime.now(UTC)
        problems: list[Problem] = judge_account(platform, facts, now)
        demands = [demand for one, manifests in rendered for demand in demands_of(one.name, manifests)]
        fleet = judge_fleet(platform, facts, demands)
        if problems or fleet.problems:
            raise ConfigurationError([*problems, *fleet.problems])
        manifests = [manifest for _, some in rendered for manifest in some]
        return self._report(platform, facts, fleet, manifests, now)

    def _render_components(self, platform: Platform) -> Sequence[tuple[Component, list[Manifest]]]:
        """Render every component of the environment; disabling an unknown one is a mistake worth telling."""
        components = load_components()
        disabled = platform.environment.components.disabled
        unknown = [name for name in disabled if name not in components]
        if unknown:
            where = f"include/environments/{platform.environment.name}.yaml"
            known = ", ".join(sorted(components))
            raise ConfigurationError(
                [Problem(where, "components.disabled", ", ".join(unknown), known, "correct or remove it")]
            )
        enabled = [component for component in components.values() if component.name not in disabled]
        return render_all(enabled, platform)

    def _report(
        self,
        platform: Platform,
        facts: AccountFacts,
        fleet: FleetVerdict,
        manifests: list[Manifest],
        now: datetime,
    ) -> dict[str, Any]:
        prices = load_document(include_dir() / "prices" / "us-east-1.yaml", PriceTable, "include/prices/us-east-1.yaml")
        extended = in_extended_support(platform.environment, facts.versions, now)
        zones = choose_zones(platform, facts.zones)
        lines: list[CostLine] = estimate(platform, zones, manifests, prices, extended=extended)
        self.log.info("Account %s as %s, region %s, zones %s", facts.account, facts.principal, platform.region, zones)
        for name, fit in (("desired", fleet.desired), ("maximum", fleet.maximum)):
            self.log.info(
                "Fit at %s size: %d nodes, %s; left over: %dm CPU, %dMi memory, %d pods",
                name,
                fit.nodes,
                "everything has a place"
                if fit.fits
                else f"{sum(one.pods for one in fit.misfits)} pods without a place",
                fit.free_cpu,
                fit.free_memory,
                fit.free_pods,
            )
        for note in [*notes(platform, facts, now), *fleet.notes]:
            self.log.warning("%s", note)
        for line in lines:
            self.log.info("%9s USD a month: %s", "unknown" if line.usd is None else f"{line.usd:.2f}", line.what)
        self.log.info(
            "%9.2f USD a month in all, at list prices of %s (%s), without traffic, logs and load balancers",
            total(lines),
            prices.region,
            prices.gathered,
        )
        return {
            "zones": zones,
            "monthly_usd": round(total(lines), 2),
            "fits_at_desired_size": fleet.desired.fits,
            "nodes": {"desired": fleet.desired.nodes, "maximum": fleet.maximum.nodes},
        }
